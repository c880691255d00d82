package render

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const everySpec = `{topology: Replication, storage: {size: 1Gi}, config: {a: "1", b: "2", c: "3", d: "4"},
  podTemplate: {labels: {a: "1", b: "2", c: "3"}, annotations: {a: "1", b: "2", c: "3"}}}`

func TestTheSameSpecGivesTheSameBytes(t *testing.T) {
	first := text(t, rendered(t, instance(t, everySpec), fixed()))
	for range 20 {
		if again := text(t, rendered(t, instance(t, everySpec), fixed())); again != first {
			t.Fatal("two renderings of one spec differ")
		}
	}
}

func TestEverythingGoesWithTheInstanceButItsVolumes(t *testing.T) {
	v := instance(t, everySpec)
	r := rendered(t, v, fixed())
	for _, o := range r.InOrder() {
		if owner := metav1.GetControllerOf(o); owner == nil || owner.UID != v.UID || owner.Kind != v1alpha1.Kind {
			t.Errorf("%T %s has owner %v", o, o.GetName(), owner)
		}
		if o.GetNamespace() != v.Namespace {
			t.Errorf("%T %s is in namespace %q", o, o.GetName(), o.GetNamespace())
		}
	}
	for _, claim := range r.StatefulSets[0].Spec.VolumeClaimTemplates {
		if len(claim.OwnerReferences) != 0 {
			t.Errorf("claim %s goes with %v", claim.Name, claim.OwnerReferences)
		}
	}
}

func TestPodsAreRestartedByTheOperatorUnlessTheUserOptedOut(t *testing.T) {
	for spec, want := range map[string]appsv1.StatefulSetUpdateStrategyType{
		`{topology: Replication}`:                                         appsv1.OnDeleteStatefulSetStrategyType,
		`{topology: Replication, rollout: {strategy: Handover}}`:          appsv1.OnDeleteStatefulSetStrategyType,
		`{topology: Replication, rollout: {strategy: RollingUpdate}}`:     appsv1.RollingUpdateStatefulSetStrategyType,
		`{topology: Standalone, storage: {size: 1Gi}, config: {hz: "1"}}`: appsv1.OnDeleteStatefulSetStrategyType,
	} {
		if got := rendered(t, instance(t, spec), fixed()).StatefulSets[0].Spec.UpdateStrategy.Type; got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}

func TestNoPodIsUnderTwoBudgets(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Replication, replicas: 3}`), fixed())
	pod := r.StatefulSets[0].Spec.Template.Labels
	for role, want := range map[string]string{"primary": "cart-primary", "replica": "cart-replicas", "": ""} {
		labels := k8slabels.Merge(pod, k8slabels.Set{v1alpha1.RoleLabel: role})
		var got string
		for _, b := range r.Budgets {
			if selects(t, b.Spec.Selector, labels) {
				got += b.Name
			}
		}
		if got != want {
			t.Errorf("role %q is under %q, want %q", role, got, want)
		}
	}
	if primary, replicas := r.Budgets[0].Spec.MinAvailable, r.Budgets[1].Spec.MinAvailable; primary.IntValue() != 1 || replicas.IntValue() != 2 {
		t.Errorf("keeps %v primaries and %v replicas, want 1 and 2", primary, replicas)
	}
}

func selects(t *testing.T, selector *metav1.LabelSelector, labels map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(k8slabels.Set(labels))
}

func TestWhoHasBudgetsAndWhichServices(t *testing.T) {
	for spec, want := range map[string]string{
		`{topology: Replication}`: "cart-nodes cart-primary cart-replicas; cart-primary cart-replicas",
		`{topology: Replication, podDisruptionBudget: {enabled: false}}`: "cart-nodes cart-primary cart-replicas; ",
		`{topology: Standalone}`:                                                "cart-nodes cart-primary; cart-primary",
		`{topology: Standalone, rollout: {surge: Never}}`:                       "cart-nodes cart-primary; ",
		`{topology: Standalone, rollout: {strategy: RollingUpdate}}`:            "cart-nodes cart-primary; ",
		`{topology: Sentinel}`:                                                  "cart-nodes cart-primary cart-replicas cart-sentinel-nodes cart-sentinel; cart-primary cart-replicas cart-sentinel",
		`{topology: Sentinel, podDisruptionBudget: {enabled: false}}`:           "cart-nodes cart-primary cart-replicas cart-sentinel-nodes cart-sentinel; ",
		`{topology: Cluster}`:                                                   "cart-nodes cart-cluster; cart-shard-0-primary cart-shard-0 cart-shard-1-primary cart-shard-1 cart-shard-2-primary cart-shard-2",
		`{topology: Cluster, shards: 5, podDisruptionBudget: {enabled: false}}`: "cart-nodes cart-cluster; ",
	} {
		var services, budgets []string
		for _, o := range rendered(t, instance(t, spec), fixed()).InOrder() {
			switch o.(type) {
			case *corev1.Service:
				services = append(services, o.GetName())
			case *policyv1.PodDisruptionBudget:
				budgets = append(budgets, o.GetName())
			}
		}
		if got := strings.Join(services, " ") + "; " + strings.Join(budgets, " "); got != want {
			t.Errorf("%s: Services and budgets\n%s, want\n%s", spec, got, want)
		}
	}
}

// Nobody wants an extra pod any more, while it may have the role.
func TestALoneServerKeepsItsBudgetUntilItsExtraPodHasLeft(t *testing.T) {
	for pods, want := range map[int32]int{1: 0, 2: 1} {
		in := fixed()
		in.StatefulSets = map[string]*appsv1.StatefulSet{"cart": {Spec: appsv1.StatefulSetSpec{Replicas: &pods}}}
		for _, spec := range []string{`{topology: Standalone, rollout: {surge: Never}}`, `{topology: Standalone, rollout: {strategy: RollingUpdate}}`} {
			if got := len(rendered(t, instance(t, spec), in).Budgets); got != want {
				t.Errorf("%s: %d budgets beside %d pods, want %d", spec, got, pods, want)
			}
		}
	}
}

func TestTheRoleIsNotInTheTemplate(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Replication}`), fixed())
	if role, there := r.StatefulSets[0].Spec.Template.Labels[v1alpha1.RoleLabel]; there {
		t.Errorf("every new pod would be born as %q", role)
	}
}

func TestSlicesLeadWhereTheServicesDo(t *testing.T) {
	v := instance(t, `{topology: Replication}`)
	r := rendered(t, v, fixed())
	a := Endpoint{IP: "10.0.0.1", Pod: "cart-0", UID: "a", Host: "host-1", Zone: "north"}
	b := Endpoint{IP: "10.0.0.2", Pod: "cart-1", UID: "b"}
	for _, c := range []struct {
		slice   *discoveryv1.EndpointSlice
		service Object
		ips     []string
	}{
		{PrimarySlice(v, &a), r.PrimaryService, []string{"10.0.0.1"}},
		{PrimarySlice(v, nil), r.PrimaryService, nil},
		{ReplicaSlice(v, []Endpoint{b, a}), r.ReplicasService, []string{"10.0.0.1", "10.0.0.2"}},
	} {
		if got := c.slice.Labels[discoveryv1.LabelServiceName]; got != c.service.GetName() {
			t.Errorf("slice %s belongs to Service %q", c.slice.Name, got)
		}
		if got := *c.slice.Ports[0].Name; got != r.PrimaryService.Spec.Ports[0].Name {
			t.Errorf("slice %s has port %q, its Service %q", c.slice.Name, got, r.PrimaryService.Spec.Ports[0].Name)
		}
		var ips []string
		for _, e := range c.slice.Endpoints {
			ips = append(ips, e.Addresses...)
		}
		if !slices.Equal(ips, c.ips) {
			t.Errorf("slice %s leads to %v, want %v", c.slice.Name, ips, c.ips)
		}
	}
	if !reflect.DeepEqual(ReplicaSlice(v, []Endpoint{a, b}), ReplicaSlice(v, []Endpoint{b, a})) {
		t.Error("the order of the replicas changes the slice")
	}
}

func TestAnImageNeedsARepository(t *testing.T) {
	in := fixed()
	in.ImageRepository = ""
	if _, err := Objects(instance(t, `{topology: Replication}`), in); err == nil {
		t.Error("rendered an image without a name")
	}
	if _, err := Objects(instance(t, `{topology: Replication, image: example.com/valkey}`), in); err != nil {
		t.Errorf("an image in full needs no repository: %v", err)
	}
}

func TestAStatefulSetIsMadeWithAnExtraPodWhoseCopyIsLeft(t *testing.T) {
	v := instance(t, everySpec)
	in := fixed()
	plain := rendered(t, v, in).StatefulSets[0]
	in.Extras = map[string]bool{v.Name: true}
	extra := rendered(t, v, in).StatefulSets[0]
	if *extra.Spec.Replicas != *plain.Spec.Replicas+1 {
		t.Errorf("it has %d pods, and %d without", *extra.Spec.Replicas, *plain.Spec.Replicas)
	}
	extra.Spec.Replicas = plain.Spec.Replicas
	if !reflect.DeepEqual(extra, plain) {
		t.Error("something else differs, too")
	}
}
