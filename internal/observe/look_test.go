package observe

import (
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
)

type calm struct{}

func (calm) Quiet() time.Duration        { return time.Minute }
func (calm) Waited(string) time.Duration { return time.Second }

func cart() *v1alpha1.Valkey {
	return &v1alpha1.Valkey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", UID: "cart-uid"},
		Spec:       v1alpha1.ValkeySpec{Topology: v1alpha1.TopologyReplication},
		Status: v1alpha1.ValkeyStatus{Formed: true, LastPrimary: "cart-1", History: []string{"h2", "h1"},
			LastHandover:    &v1alpha1.HandoverStatus{From: "cart-2", To: "cart-1", Time: metav1.NewMicroTime(now.Add(-4 * time.Second))},
			HandoverFailure: &v1alpha1.HandoverFailure{Time: metav1.NewMicroTime(now.Add(-3 * time.Second)), Count: 2, Message: "why"}},
	}
}

func meta(name string, owner *v1alpha1.Valkey) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: owner.PodSelector(), OwnerReferences: []metav1.OwnerReference{
		*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))}}
}

func set(owner *v1alpha1.Valkey, generation, observed int64) *appsv1.StatefulSet {
	out := &appsv1.StatefulSet{ObjectMeta: meta("cart", owner),
		Spec:   appsv1.StatefulSetSpec{Replicas: ptr.To[int32](3)},
		Status: appsv1.StatefulSetStatus{ObservedGeneration: observed, UpdateRevision: "cart-new"}}
	out.Generation = generation
	return out
}

func slice(name string, owner *v1alpha1.Valkey, ips ...string) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{ObjectMeta: meta(name, owner), AddressType: discoveryv1.AddressTypeIPv4}
	for _, ip := range ips {
		out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	return out
}

// look observes cart among these objects. applied is the generation that the
// operator has written.
func look(t *testing.T, applied int64, objects ...client.Object) model.Shard {
	t.Helper()
	c := fake.NewClientBuilder().WithObjects(objects...).WithStatusSubresource().Build()
	o := Observer{Reader: c, Servers: servers.NewPool(), Calm: calm{}, Zones: NewZones(c), Now: func() time.Time { return now }}
	snap, err := o.Look(t.Context(), cart(), servers.Credentials{}, Applied{"cart": applied})
	if err != nil {
		t.Fatal(err)
	}
	if snap.Instance != "shop/cart" || snap.Policy.Nodes != 3 || len(snap.Shards) != 1 {
		t.Fatalf("%+v", snap)
	}
	return snap.Shards[0]
}

func TestAnInstanceIsWhatKubernetesAndItsStatusSay(t *testing.T) {
	v := cart()
	pod := podOf(t, `
metadata: {name: cart-1, namespace: shop, uid: uid-1, labels: {controller-revision-hash: cart-new}}
spec: {nodeName: host-a, containers: []}
status: {phase: Pending}`)
	for k, value := range v.PodSelector() {
		pod.Labels[k] = value
	}
	host := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-a", Labels: map[string]string{corev1.LabelTopologyZone: "zone-1"}}}
	shard := look(t, 4, set(v, 4, 4), &pod, host,
		slice("cart-primary", v, "10.0.0.1"), slice("cart-replicas", v, "10.0.0.3", "10.0.0.2"))
	want := model.Shard{Name: "cart", Revision: "cart-new", Size: 3, Exists: true,
		Nodes: []model.Node{
			{Ordinal: 0, Ref: model.Ref{Name: "cart-0"}},
			{Ordinal: 1, Ref: model.Ref{Name: "cart-1", UID: "uid-1"}, Host: "host-a", Zone: "zone-1", Phase: model.PodPending, Revision: "cart-new"},
			{Ordinal: 2, Ref: model.Ref{Name: "cart-2"}},
		},
		Memory: model.Memory{Formed: true, Primary: "cart-1", History: []string{"h2", "h1"}},
		Traffic: model.Traffic{Primary: "10.0.0.1:6379", Replicas: []string{"10.0.0.2:6379", "10.0.0.3:6379"},
			Quiet: time.Minute, Waited: time.Second, Left: "cart-2", LeftFor: 4 * time.Second},
		Attempt: model.Attempt{Failures: 2, Since: 3 * time.Second, Error: "why"},
	}
	if !reflect.DeepEqual(shard, want) {
		t.Errorf("\nhave %+v\nwant %+v", shard, want)
	}
}

func TestARevisionIsKnownOnlyOnceEverybodyHasSeenTheNewestTemplate(t *testing.T) {
	v := cart()
	for name, row := range map[string]struct {
		set     *appsv1.StatefulSet
		applied int64
		want    string
	}{
		"all have":                             {set(v, 4, 4), 4, "cart-new"},
		"an operator that has just started":    {set(v, 4, 4), 0, "cart-new"},
		"the StatefulSet controller is late":   {set(v, 4, 3), 4, ""},
		"our cache has not heard of our own":   {set(v, 4, 4), 5, ""},
		"somebody has changed it since we did": {set(v, 6, 6), 5, "cart-new"},
	} {
		if have := look(t, row.applied, row.set).Revision; have != row.want {
			t.Errorf("%s: revision %q, want %q", name, have, row.want)
		}
	}
}

func TestWhatIsSomebodyElsesIsNotLookedAt(t *testing.T) {
	other := cart()
	other.UID = "another-uid"
	shard := look(t, 0, set(other, 1, 1), slice("cart-primary", other, "10.0.0.1"))
	if shard.Size != 0 || shard.Revision != "" || shard.Traffic.Primary != "" {
		t.Errorf("%+v", shard)
	}
}

func TestAServiceThatLeadsToTwoLeadsToNoPrimary(t *testing.T) {
	v := cart()
	if shard := look(t, 0, slice("cart-primary", v, "10.0.0.1", "10.0.0.2")); shard.Traffic.Primary != "" {
		t.Errorf("%+v", shard.Traffic)
	}
}
