package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/chaos"
)

func TestChaosPlaysWhatIsAskedFor(t *testing.T) {
	t.Setenv("VALKEEPER_SEED", "42")
	t.Setenv("VALKEEPER_CHAOS_TIME", "2h")
	for wish, want := range map[string][]string{"": {"3.1", "3.2", "3.3"}, "3": {"3.1", "3.2", "3.3"}, "3.2": {"3.2"}} {
		t.Setenv("VALKEEPER_CHAOS_EPISODE", wish)
		o := chaosOptions(t)
		var names []string
		for _, e := range o.wanted(chaos.RoundOf(o.seed, 3)).Episodes {
			names = append(names, e.Name())
		}
		if o.seed != 42 || o.span != 2*time.Hour || !slices.Equal(names, want) || (o.round == 3) != (wish != "") {
			t.Errorf("%q: %+v, episodes %v", wish, o, names)
		}
	}
}

// actOn is an episode on an instance whose pods are each on a host of its own.
func actOn(t *testing.T, topology chaos.Topology, pods ...corev1.Pod) *act {
	t.Helper()
	all := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(all); err != nil {
			t.Fatal(err)
		}
	}
	v := &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cache"}}
	v.Spec.Topology, v.Spec.Replicas = v1alpha1.Topology(topology), ptr.To[int32](2)
	v.Status.Primary = "cache-1"
	v.Status.Shards = []v1alpha1.ShardStatus{{Name: "cache-shard-0", Primary: "cache-shard-0-1"}, {Name: "cache-shard-1", Primary: "cache-shard-1-0"}}
	builder := fake.NewClientBuilder().WithScheme(all).WithObjects(v)
	for k := range pods {
		builder = builder.WithObjects(&pods[k])
	}
	c := &bed.Cluster{WithWatch: builder.Build()}
	s := &stage{world: &world{T: t, ctx: t.Context(), namespace: "shop"}, instance: &bed.Instance{Cluster: c, Namespace: "shop", Name: "cache"}}
	s.round.Setup = chaos.Setup{Topology: topology, Shards: 2, Replicas: 2}
	return &act{stage: s, hit: map[string]int{}}
}

func podOn(name, component, host string) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{
		"app.kubernetes.io/instance": "cache", "app.kubernetes.io/component": component,
	}}, Spec: corev1.PodSpec{NodeName: host}}
	p.Status.Phase = corev1.PodRunning
	return p
}

func TestAFaultHitsWhoHasTheRole(t *testing.T) {
	three := []corev1.Pod{podOn("cache-0", "data", "a"), podOn("cache-1", "data", "b"), podOn("cache-2", "data", "c")}
	sharded := []corev1.Pod{
		podOn("cache-shard-0-0", "data", "a"), podOn("cache-shard-0-1", "data", "b"),
		podOn("cache-shard-1-0", "data", "a"), podOn("cache-shard-1-1", "data", "b"),
	}
	alone := []corev1.Pod{podOn("cache-0", "data", "a")}
	for _, c := range []struct {
		name     string
		topology chaos.Topology
		pods     []corev1.Pod
		fault    chaos.Fault
		ledger   string
		want     []string
		kind     chaos.Kind
		says     string
	}{
		{"a primary", chaos.Replication, three, chaos.Fault{Kind: chaos.Kill, On: chaos.Primary, Pick: 5}, "a", []string{"cache-1"}, chaos.Kill, ""},
		{"a replica", chaos.Replication, three, chaos.Fault{Kind: chaos.Kill, On: chaos.Replica, Pick: 3}, "a", []string{"cache-2"}, chaos.Kill, ""},
		{"a primary of a shard", chaos.Cluster, sharded, chaos.Fault{Kind: chaos.Freeze, On: chaos.Primary, Shard: 1}, "c", []string{"cache-shard-1-0"}, chaos.Freeze, ""},
		{"a replica of a shard", chaos.Cluster, sharded, chaos.Fault{Kind: chaos.Freeze, On: chaos.Replica}, "c", []string{"cache-shard-0-0"}, chaos.Freeze, ""},
		{"all on a host", chaos.Cluster, sharded, chaos.Fault{Kind: chaos.Cut, On: chaos.Primary, Shard: 1}, "c", []string{"cache-shard-0-0", "cache-shard-1-0"}, chaos.Cut, ""},
		{"the ledger's host", chaos.Replication, three, chaos.Fault{Kind: chaos.Cut, On: chaos.Primary}, "b", []string{"cache-1"}, chaos.Freeze, "the ledger is on b"},
		{"a drain of the ledger's host", chaos.Replication, three, chaos.Fault{Kind: chaos.Drain, On: chaos.Primary}, "b", []string{"cache-1"}, chaos.Drain, ""},
		{"nobody has the role", chaos.Replication, alone, chaos.Fault{Kind: chaos.Kill, On: chaos.Primary}, "b", []string{"cache-0"}, chaos.Kill, "no primary now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := actOn(t, c.topology, c.pods...)
			a.host = c.ledger
			s := chaos.Struck{Fault: c.fault}
			if _, err := a.aim(t.Context(), &s); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.Pods, c.want) || s.Fault.Kind != c.kind || !strings.Contains(s.Note, c.says) || (c.says == "") != (s.Note == "") {
				t.Errorf("hit %v by %s, %q", s.Pods, s.Fault.Kind, s.Note)
			}
		})
	}
}

func TestWhatWasDoneIsUndoneOnceTheLastFirst(t *testing.T) {
	a := actOn(t, chaos.Replication)
	var order []string
	first := a.later("first", func(context.Context) error { order = append(order, "first"); return nil })
	a.later("second", func(context.Context) error { order = append(order, "second"); return bed.ErrTimeout })
	if err := first.now(t.Context()); err != nil {
		t.Error(err)
	}
	a.undoAll()
	a.undoAll()
	if !slices.Equal(order, []string{"first", "second"}) {
		t.Errorf("undone: %v", order)
	}
	if len(a.outcome.Broken) != 1 || !strings.Contains(a.outcome.Broken[0], "second could not be undone") {
		t.Errorf("broken: %q", a.outcome.Broken)
	}
}
