package controller

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

// Tidy deletes the instance's ConfigMaps that neither its template nor a pod
// refers to, once every pod is there and has the newest revision. Before that
// the StatefulSet controller may still make pods of an older one.
func (e *Ensurer) Tidy(ctx context.Context, v *v1alpha1.Valkey) error {
	mine := []client.ListOption{client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector())}
	maps := &corev1.ConfigMapList{}
	if err := e.client.List(ctx, maps, mine...); err != nil {
		return fmt.Errorf("list ConfigMaps of %s/%s: %w", v.Namespace, v.Name, err)
	}
	if len(maps.Items) < 2 {
		return nil
	}
	sts, err := e.statefulSet(ctx, v)
	if err != nil {
		return err
	}
	pods := &corev1.PodList{}
	if err := e.client.List(ctx, pods, mine...); err != nil {
		return fmt.Errorf("list pods of %s/%s: %w", v.Namespace, v.Name, err)
	}
	if sts == nil || !e.allNewest(v, sts, pods.Items) {
		return nil
	}
	needed := render.ConfigMapOf(sts.Spec.Template.Spec)
	for i := range maps.Items {
		m := &maps.Items[i]
		if m.Name == needed || usedBy(pods.Items, m.Name) || !metav1.IsControlledBy(m, v) {
			continue
		}
		if err := e.client.Delete(ctx, m); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete ConfigMap %s/%s: %w", m.Namespace, m.Name, err)
		}
	}
	return nil
}

// allNewest says that every wished pod runs the newest template, as far as the
// cache has heard of it.
func (e *Ensurer) allNewest(v *v1alpha1.Valkey, sts *appsv1.StatefulSet, pods []corev1.Pod) bool {
	if sts.Generation < e.remembered(v).generation || sts.Status.ObservedGeneration < sts.Generation {
		return false
	}
	if sts.Spec.Replicas == nil || len(pods) != int(*sts.Spec.Replicas) {
		return false
	}
	return !slices.ContainsFunc(pods, func(p corev1.Pod) bool {
		return p.Labels[appsv1.ControllerRevisionHashLabelKey] != sts.Status.UpdateRevision
	})
}

func usedBy(pods []corev1.Pod, configMap string) bool {
	return slices.ContainsFunc(pods, func(p corev1.Pod) bool { return render.ConfigMapOf(p.Spec) == configMap })
}
