package controller

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// scaled is what the plan, and the StatefulSet controller after it, do to a shard.
func (b bench) scaled(t *testing.T, name string, asked, pods int32) {
	t.Helper()
	sts := read(t, b, name, &appsv1.StatefulSet{})
	sts.Spec.Replicas = ptr.To(asked)
	if err := b.Update(t.Context(), sts); err != nil {
		t.Fatal(err)
	}
	sts.Status = appsv1.StatefulSetStatus{ObservedGeneration: sts.Generation, Replicas: pods, UpdateRevision: "first"}
	if err := b.Status().Update(t.Context(), sts); err != nil {
		t.Fatal(err)
	}
}

func TestEachShardIsDeclared(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Cluster, shards: 4, replicas: 2}`)
	declared := b.ensure(t, v)
	for _, name := range []string{"cart-shard-0", "cart-shard-1", "cart-shard-2", "cart-shard-3"} {
		sts := read(t, b, name, &appsv1.StatefulSet{})
		if *sts.Spec.Replicas != 3 || declared.Generations[name] != sts.Generation {
			t.Errorf("%s has %d pods, and generation %d of which %d is known", name, *sts.Spec.Replicas, sts.Generation, declared.Generations[name])
		}
		if !b.has(t, name, &policyv1.PodDisruptionBudget{}) {
			t.Errorf("%s has no budget", name)
		}
	}
	for name, kind := range map[string]client.Object{"cart": &appsv1.StatefulSet{}, "cart-primary": &corev1.Service{}, "cart-replicas": &corev1.Service{}} {
		if b.has(t, name, kind) {
			t.Errorf("there is a %T %s", kind, name)
		}
	}
	secret := read(t, b, "cart-system", &corev1.Secret{})
	if len(secret.Data[v1alpha1.MigrationPasswordKey]) == 0 {
		t.Error("there is no password to move keys with")
	}
}

// The plan takes slots and pods from a shard that leaves. Until then its pods get
// what the others get.
func TestAShardBeyondTheWishIsLookedAfterUntilItIsEmpty(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Cluster, shards: 5}`)
	b.ensure(t, v)
	v.Spec.Shards, v.Spec.RestartToken = ptr.To[int32](3), "now"
	generations := b.ensure(t, v).Generations
	const leaving = "cart-shard-4"
	sts := read(t, b, leaving, &appsv1.StatefulSet{})
	if sts.Spec.Template.Annotations["valkeeper.io/restart-token"] != "now" || *sts.Spec.Replicas != 2 || generations[leaving] != sts.Generation {
		t.Errorf("%s has %d pods and the annotations %v", leaving, *sts.Spec.Replicas, sts.Spec.Template.Annotations)
	}
	stays := func(when string) {
		t.Helper()
		if err := b.Tidy(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		b.ensure(t, v)
		if !b.has(t, leaving, &appsv1.StatefulSet{}) || !b.has(t, leaving, &policyv1.PodDisruptionBudget{}) {
			t.Fatalf("%s, it is gone", when)
		}
	}
	stays("while it is asked for pods")
	b.scaled(t, leaving, 0, 1)
	stays("while it still has a pod")
	b.shardPod(t, leaving, leaving+"-0")
	b.scaled(t, leaving, 0, 0)
	stays("while a pod is still heard of")
	if err := b.Delete(t.Context(), read(t, b, leaving+"-0", &corev1.Pod{}), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	v.Spec.Shards = ptr.To[int32](5)
	stays("when it is wished for again")
	v.Spec.Shards = ptr.To[int32](3)
	if err := b.Tidy(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if b.has(t, leaving, &appsv1.StatefulSet{}) || b.has(t, leaving, &policyv1.PodDisruptionBudget{}) {
		t.Error("it is empty, and stays")
	}
	b.ensure(t, v)
	for name, want := range map[string]bool{"cart-shard-2": true, "cart-shard-3": true, leaving: false} {
		if b.has(t, name, &appsv1.StatefulSet{}) != want || b.has(t, name, &policyv1.PodDisruptionBudget{}) != want {
			t.Errorf("%s and its budget should be there: %t", name, want)
		}
	}
	v.Spec.Shards = ptr.To[int32](5)
	generation := b.ensure(t, v).Generations[leaving]
	if sts := read(t, b, leaving, &appsv1.StatefulSet{}); *sts.Spec.Replicas != 2 || generation != sts.Generation {
		t.Errorf("it comes back with %d pods, and generation %d of which %d is known", *sts.Spec.Replicas, sts.Generation, generation)
	}
}

// shardPod makes a pod of a shard.
func (b bench) shardPod(t *testing.T, shard, name string) {
	t.Helper()
	template := read(t, b, shard, &appsv1.StatefulSet{}).Spec.Template
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
	pod.Namespace, pod.Name = b.namespace, name
	if err := b.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
}

// A cache that has not heard of the end of a shard must not bring it back.
func TestAShardThatHasGoneIsNotBroughtBackByAnOldSightOfIt(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Cluster, shards: 4}`)
	b.ensure(t, v)
	gone := read(t, b, "cart-shard-3", &appsv1.StatefulSet{})
	if err := b.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	b.client = interceptor.NewClient(b.ours(), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			err := c.List(ctx, list, opts...)
			if sets, ok := list.(*appsv1.StatefulSetList); ok {
				sets.Items = append(sets.Items, *gone)
			}
			return err
		},
	})
	v.Spec.Shards, v.Spec.RestartToken = ptr.To[int32](3), "now" // its template would be written
	if _, err := b.Ensure(t.Context(), v); err == nil {
		t.Error("a StatefulSet that is not there has been written")
	} else if !conflicted(err) {
		t.Errorf("it is taken for more than an old sight: %v", err)
	}
	if b.has(t, "cart-shard-3", &appsv1.StatefulSet{}) {
		t.Error("it is back")
	}
}
