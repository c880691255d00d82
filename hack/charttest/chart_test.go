// Package charttest renders the Helm chart and looks at what comes out.
package charttest

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

const chart = "../../charts/valkeeper"

// envHelm names a helm v3 binary.
const envHelm = "VALKEEPER_HELM"

func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	binary := os.Getenv(envHelm)
	if binary == "" {
		if os.Getenv("VALKEEPER_REQUIRE_SERVERS") == "1" {
			t.Fatalf("%s is not set: name a helm v3 binary", envHelm)
		}
		t.Skipf("no helm: set %s to a helm v3 binary", envHelm)
	}
	var out bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// object is as much of any object as the tests look at.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Rules []rbacv1.PolicyRule `json:"rules"`
	text  string
}

func template(t *testing.T, set ...string) []object {
	t.Helper()
	args := []string{"template", "valkeeper", chart, "--namespace", "ops"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	text, err := helm(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	var out []object
	for doc := range strings.SplitSeq(text, "\n---") {
		o := object{text: doc}
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if o.Kind != "" {
			out = append(out, o)
		}
	}
	return out
}

func TestTheChartHasNoFaults(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", chart); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNoRuleIsAWildcardAndSecretsAreNeverListed(t *testing.T) {
	for _, set := range [][]string{nil, {"watchNamespaces={shop,blog}"}} {
		for _, o := range template(t, set...) {
			for _, r := range o.Rules {
				for _, list := range [][]string{r.APIGroups, r.Resources, r.Verbs} {
					if slices.Contains(list, "*") {
						t.Errorf("%s %s has a wildcard: %v", o.Kind, o.Metadata.Name, r)
					}
				}
				if slices.Contains(r.Resources, "secrets") && (slices.Contains(r.Verbs, "list") || slices.Contains(r.Verbs, "watch")) {
					t.Errorf("%s %s may read Secrets that are not its own: %v", o.Kind, o.Metadata.Name, r)
				}
				if slices.Contains(r.Resources, "pods") && slices.Contains(r.Verbs, "delete") {
					t.Errorf("%s %s may pass budgets by: %v", o.Kind, o.Metadata.Name, r)
				}
			}
		}
	}
}

func TestWithNamespacesTheOperatorMayDoNothingElsewhere(t *testing.T) {
	var roles []string
	for _, o := range template(t, "watchNamespaces={shop,blog}", "userRoles=false") {
		switch o.Kind {
		case "Role":
			roles = append(roles, o.Metadata.Namespace+"/"+o.Metadata.Name)
		case "ClusterRole":
			for _, r := range o.Rules {
				if !slices.Equal(r.Resources, []string{"nodes"}) {
					t.Errorf("ClusterRole %s has rule %v", o.Metadata.Name, r)
				}
			}
		case "Deployment":
			if !strings.Contains(o.text, "--watch-namespaces=shop,blog") {
				t.Error("the operator is not told which namespaces to watch")
			}
		}
	}
	want := []string{"shop/valkeeper", "blog/valkeeper", "ops/valkeeper-leader"}
	slices.Sort(roles)
	slices.Sort(want)
	if !slices.Equal(roles, want) {
		t.Errorf("Roles %v, want %v", roles, want)
	}
}

// Why a pod is refused stands in an event; nobody else's are kept in memory.
func TestEventsAreReadWherePodsAreMadeAndNeverWatched(t *testing.T) {
	lists := 0
	for _, o := range template(t, "watchNamespaces={shop,blog}") {
		for _, r := range o.Rules {
			if !slices.Contains(r.Resources, "events") {
				continue
			}
			if slices.Contains(r.Verbs, "watch") || slices.Contains(r.Verbs, "get") {
				t.Errorf("%s %s/%s: %v", o.Kind, o.Metadata.Namespace, o.Metadata.Name, r)
			}
			if slices.Contains(r.Verbs, "list") && slices.Equal(r.APIGroups, []string{""}) && o.Kind == "Role" {
				lists++
			}
		}
	}
	if lists != 2 {
		t.Errorf("events are listed in %d of 2 namespaces", lists)
	}
}

func TestTheOperatorsPodIsRestricted(t *testing.T) {
	for _, o := range template(t) {
		if o.Kind != "Deployment" {
			continue
		}
		var d appsv1.Deployment
		if err := yaml.UnmarshalStrict([]byte(o.text), &d); err != nil {
			t.Fatal(err)
		}
		pod, c := d.Spec.Template.Spec, d.Spec.Template.Spec.Containers[0]
		if !*pod.SecurityContext.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem ||
			*c.SecurityContext.AllowPrivilegeEscalation || c.SecurityContext.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%+v %+v", pod.SecurityContext, c.SecurityContext)
		}
		if c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz" || len(c.Command) != 0 {
			t.Errorf("probes or command: %+v", c)
		}
		return
	}
	t.Fatal("no Deployment")
}

func TestAMisspeltValueIsRefused(t *testing.T) {
	if out, err := helm(t, "template", "valkeeper", chart, "--set", "replica=3"); err == nil || !strings.Contains(out, "replica") {
		t.Errorf("%v\n%s", err, out)
	}
}
