package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

// Tidy deletes what nothing needs any more: shards beyond the wished number that
// have no pod left, and ConfigMaps that no template and no pod refers to.
func (e *Ensurer) Tidy(ctx context.Context, v *v1alpha1.Valkey) error {
	sets, err := e.statefulSets(ctx, v)
	if err != nil {
		return err
	}
	pods := &corev1.PodList{}
	if err := e.client.List(ctx, pods, mine(v)...); err != nil {
		return fmt.Errorf("list pods of %s/%s: %w", v.Namespace, v.Name, err)
	}
	if err := e.tidyShards(ctx, v, sets, pods.Items); err != nil {
		return err
	}
	return e.tidyConfigMaps(ctx, v, sets, pods.Items)
}

// mine are the instance's objects, those of its Sentinels among them.
func mine(v *v1alpha1.Valkey) []client.ListOption {
	return []client.ListOption{client.InNamespace(v.Namespace), client.MatchingLabels(v.InstanceSelector())}
}

// tidyShards deletes the StatefulSets of empty shards beyond the wished number,
// exactly as they were seen, and their budgets. Their claims went with their
// pods.
func (e *Ensurer) tidyShards(ctx context.Context, v *v1alpha1.Valkey, sets map[string]*appsv1.StatefulSet, pods []corev1.Pod) error {
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		set := sets[name]
		k, ok := v.ShardNumber(name)
		if !ok || k < int(v.Spec.ShardCount()) || !e.empty(v, set, pods) {
			continue
		}
		err := e.client.Delete(ctx, set, client.Preconditions{UID: &set.UID, ResourceVersion: &set.ResourceVersion})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete StatefulSet %s/%s: %w", set.Namespace, name, err)
		}
		primary, replicas := render.ShardBudgets(name)
		for _, budget := range []string{primary, replicas} {
			if err := e.removeBudget(ctx, v, budget); err != nil {
				return err
			}
		}
	}
	return nil
}

// empty says that a StatefulSet is asked for no pod, has none, and that nobody
// has heard of one.
func (e *Ensurer) empty(v *v1alpha1.Valkey, set *appsv1.StatefulSet, pods []corev1.Pod) bool {
	return e.settled(v, set) && ptr.Deref(set.Spec.Replicas, 1) == 0 && set.Status.Replicas == 0 &&
		!slices.ContainsFunc(pods, func(p corev1.Pod) bool { return setOf(p) == set.Name })
}

// removeBudget deletes the budget of that name, if there is one and it is ours.
func (e *Ensurer) removeBudget(ctx context.Context, v *v1alpha1.Valkey, name string) error {
	found, err := e.find(ctx, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: v.Namespace, Name: name}})
	if err != nil || found == nil || !metav1.IsControlledBy(found, v) {
		return err
	}
	if err := e.client.Delete(ctx, found); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete PodDisruptionBudget %s/%s: %w", v.Namespace, name, err)
	}
	return nil
}

// tidyConfigMaps deletes those that neither a template nor a pod refers to, once
// every pod is there and has the newest revision. Before that the StatefulSet
// controller may still make pods of an older one.
func (e *Ensurer) tidyConfigMaps(ctx context.Context, v *v1alpha1.Valkey, sets map[string]*appsv1.StatefulSet, pods []corev1.Pod) error {
	list := &corev1.ConfigMapList{}
	if err := e.client.List(ctx, list, mine(v)...); err != nil {
		return fmt.Errorf("list ConfigMaps of %s/%s: %w", v.Namespace, v.Name, err)
	}
	inUse := 1 // that of the servers
	if v.Spec.IsSentinel() {
		inUse++
	}
	if len(list.Items) <= inUse || !e.allNewest(v, sets, pods) {
		return nil
	}
	needed := map[string]bool{}
	for _, set := range sets {
		needed[render.ConfigMapOf(set.Spec.Template.Spec)] = true
	}
	for _, pod := range pods {
		needed[render.ConfigMapOf(pod.Spec)] = true
	}
	for i := range list.Items {
		m := &list.Items[i]
		if needed[m.Name] || !metav1.IsControlledBy(m, v) {
			continue
		}
		if err := e.client.Delete(ctx, m); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete ConfigMap %s/%s: %w", m.Namespace, m.Name, err)
		}
	}
	return nil
}

// allNewest says that every wished StatefulSet and pod is there and runs the
// newest template, as far as the cache has heard of it.
func (e *Ensurer) allNewest(v *v1alpha1.Valkey, sets map[string]*appsv1.StatefulSet, pods []corev1.Pod) bool {
	if len(sets) < len(setNames(v)) {
		return false
	}
	wished := 0
	for _, set := range sets {
		if !e.settled(v, set) {
			return false
		}
		wished += int(ptr.Deref(set.Spec.Replicas, 1))
	}
	return len(pods) == wished && !slices.ContainsFunc(pods, func(p corev1.Pod) bool {
		set := sets[setOf(p)]
		return set == nil || p.Labels[appsv1.ControllerRevisionHashLabelKey] != set.Status.UpdateRevision
	})
}

// settled says that the StatefulSet is as this process wrote it last, or newer,
// and that its controller has seen it so.
func (e *Ensurer) settled(v *v1alpha1.Valkey, set *appsv1.StatefulSet) bool {
	return set.Generation >= e.remembered(v).generations[set.Name] && set.Status.ObservedGeneration >= set.Generation
}

// setOf is the name of the StatefulSet that the pod belongs to.
func setOf(pod corev1.Pod) string {
	return pod.Name[:max(0, strings.LastIndex(pod.Name, "-"))]
}
