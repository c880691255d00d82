package render

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

var update = flag.Bool("update", false, "write testdata/*.golden.yaml anew")

// fixed are the inputs of every test: no randomness, no Secrets yet.
func fixed() Inputs {
	return Inputs{
		Site:   Site{ImageRepository: "docker.io/valkey/valkey", Domain: "cluster.local"},
		Random: Passwords{Default: "defaultpassword", Operator: "operatorpassword", Replication: "replicationpassword", Migration: "migrationpassword", Sentinel: "sentinelpassword", Stop: "stoppassword"},
	}
}

// instance of the given spec, in YAML.
func instance(t *testing.T, spec string) *v1alpha1.Valkey {
	t.Helper()
	v := &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", UID: "7f3e"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &v.Spec); err != nil {
		t.Fatalf("spec of the test: %v", err)
	}
	return v
}

func rendered(t *testing.T, v *v1alpha1.Valkey, in Inputs) Rendered {
	t.Helper()
	out, err := Objects(v, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A testdata/*.yaml file is a spec; the file *.golden.yaml beside it holds what
// is made from it. go test ./internal/render -update writes them anew.
func TestWhatASpecBecomes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			spec, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, strings.TrimSuffix(file, ".yaml")+".golden.yaml", text(t, rendered(t, instance(t, string(spec)), fixed())))
		})
	}
}

// text is the objects as YAML, with their kinds, and Secrets in clear text.
func text(t *testing.T, r Rendered) string {
	t.Helper()
	var docs []string
	for _, o := range r.InOrder() {
		o = o.DeepCopyObject().(Object)
		kinds, _, err := scheme.Scheme.ObjectKinds(o)
		if err != nil {
			t.Fatal(err)
		}
		o.GetObjectKind().SetGroupVersionKind(kinds[0])
		if secret, ok := o.(*corev1.Secret); ok {
			readable(secret)
		}
		out, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, string(out))
	}
	return strings.Join(docs, "---\n")
}

// readable leaves out what the users of our own may do: it is tested where it is
// written.
func readable(secret *corev1.Secret) {
	secret.StringData = map[string]string{}
	for key, value := range secret.Data {
		s := string(value)
		for name, rules := range map[string][]string{"OperatorACL": valkey.OperatorACL, "ClusterOperatorACL": valkey.ClusterOperatorACL,
			"AtomicMigrationACL": valkey.AtomicMigrationACL, "AtomicReplicationACL": valkey.AtomicReplicationACL,
			"ReplicationACL": valkey.ReplicationACL, "MigrationACL": valkey.MigrationACL,
			"SentinelDataACL": valkey.SentinelDataACL, "SentinelACL": valkey.SentinelACL, "SentinelPeerACL": valkey.SentinelPeerACL,
			"SentinelOperatorACL": valkey.SentinelOperatorACL, "sentinelClientACL": sentinelClientACL} {
			s = strings.ReplaceAll(s, strings.Join(rules, " "), "("+name+")")
		}
		secret.StringData[key] = s
	}
	secret.Data = nil
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s:%d\n got %s\nwant %s\nif that is meant: go test ./internal/render -update", file, i+1, g[i], w[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d\nif that is meant: go test ./internal/render -update", file, len(g), len(w))
}
