package controller

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

const (
	onVolume = `{topology: Standalone, storage: {size: 1Gi}}`
	inMemory = `{topology: Standalone}`
	sharded  = `{topology: Cluster, shards: 3, replicas: 1, storage: {size: 1Gi}}`
)

// leftBy is an object that is left of an instance of the name cart.
func leftBy(t *testing.T, obj client.Object, name string, change ...func(client.Object)) client.Object {
	t.Helper()
	obj.SetNamespace("shop")
	obj.SetName(name)
	obj.SetLabels(instance(t, "shop", onVolume).PodSelector())
	for _, c := range change {
		c(obj)
	}
	return obj
}

func ownedBy(kind string) func(client.Object) {
	return func(o client.Object) {
		o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: kind, Name: "cart", UID: "earlier", Controller: ptr.To(true)}})
	}
}

func bound(o client.Object) {
	o.SetAnnotations(map[string]string{"pv.kubernetes.io/bind-completed": "yes"})
}

func unbound(o client.Object) { o.SetAnnotations(nil) }

func onItsWayOut(o client.Object) {
	now := metav1.Now()
	o.SetDeletionTimestamp(&now)
	o.SetFinalizers([]string{"somebody.example/keeps-it"})
}

func TestAStatefulSetThatWasDeletedInMidSurgeComesBackWithItsExtraPod(t *testing.T) {
	claim := func(name string, change ...func(client.Object)) client.Object {
		return leftBy(t, &corev1.PersistentVolumeClaim{}, name, append([]func(client.Object){bound}, change...)...)
	}
	pod := func(name string, change ...func(client.Object)) client.Object {
		return leftBy(t, &corev1.Pod{}, name, change...)
	}
	for _, row := range []struct {
		name, spec string
		left       []client.Object
		set        string
		want       int32
	}{
		{"nothing is left", onVolume, nil, "cart", 1},
		{"the claim of the wished pod", onVolume, []client.Object{claim("data-cart-0")}, "cart", 1},
		{"that of the extra one too", onVolume, []client.Object{claim("data-cart-0"), claim("data-cart-1")}, "cart", 2},
		{"that of the extra one alone", onVolume, []client.Object{claim("data-cart-1")}, "cart", 2},
		{"no pod has ever written to it", onVolume, []client.Object{claim("data-cart-1", unbound)}, "cart", 1},
		{"it goes with its pod", onVolume, []client.Object{claim("data-cart-1", ownedBy("Pod"))}, "cart", 1},
		{"it is being deleted", onVolume, []client.Object{claim("data-cart-1", onItsWayOut)}, "cart", 1},
		{"one of a larger instance", onVolume, []client.Object{claim("data-cart-2")}, "cart", 1},
		{"an orphan that lives on", inMemory, []client.Object{pod("cart-1")}, "cart", 2},
		{"a pod that goes with the earlier StatefulSet", inMemory, []client.Object{pod("cart-1", ownedBy("StatefulSet"))}, "cart", 1},
		{"an orphan on its way out", inMemory, []client.Object{pod("cart-1", onItsWayOut)}, "cart", 1},
		{"the claim of a replica", `{topology: Replication, replicas: 2, storage: {size: 1Gi}}`, []client.Object{claim("data-cart-2"), claim("data-cart-3")}, "cart", 4},
		{"of one shard", sharded, []client.Object{claim("data-cart-shard-1-2")}, "cart-shard-1", 3},
		{"and not of another", sharded, []client.Object{claim("data-cart-shard-1-2")}, "cart-shard-0", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := instance(t, "shop", row.spec)
			api := fake.NewClientBuilder().WithScheme(testScheme(t)).WithObjects(append(row.left, v)...).
				WithStatusSubresource(&v1alpha1.Valkey{}).Build()
			e := NewEnsurer(api, api, render.Site{ImageRepository: "registry.example/valkey"})
			if _, err := e.Ensure(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			set := &appsv1.StatefulSet{}
			if err := api.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: row.set}, set); err != nil {
				t.Fatal(err)
			}
			if got := *set.Spec.Replicas; got != row.want {
				t.Errorf("%d pods, wanted %d", got, row.want)
			}
		})
	}
}

// A StatefulSet that exists is the planner's to scale, whatever is left beside it.
func TestAStatefulSetThatExistsIsNotEnlargedForAClaim(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, onVolume)
	b.ensure(t, v)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "data-cart-1", Labels: v.PodSelector()}}
	bound(claim)
	claim.Spec = read(t, b, "cart", &appsv1.StatefulSet{}).Spec.VolumeClaimTemplates[0].Spec
	if err := b.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	b.ensure(t, v)
	if n := *read(t, b, "cart", &appsv1.StatefulSet{}).Spec.Replicas; n != 1 {
		t.Errorf("it has %d pods", n)
	}
	if err := b.Delete(t.Context(), read(t, b, "cart", &appsv1.StatefulSet{})); err != nil {
		t.Fatal(err)
	}
	b.ensure(t, v)
	if n := *read(t, b, "cart", &appsv1.StatefulSet{}).Spec.Replicas; n != 2 {
		t.Errorf("made anew, it has %d pods", n)
	}
}
