package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

// Tidy deletes the instance's ConfigMaps that neither its template nor a pod
// refers to. It is called at rest: while a rollout runs, the StatefulSet
// controller may still make pods of an older revision.
func (e *Ensurer) Tidy(ctx context.Context, v *v1alpha1.Valkey) error {
	mine := []client.ListOption{client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector())}
	maps := &corev1.ConfigMapList{}
	if err := e.client.List(ctx, maps, mine...); err != nil {
		return fmt.Errorf("list ConfigMaps of %s/%s: %w", v.Namespace, v.Name, err)
	}
	if len(maps.Items) < 2 {
		return nil
	}
	needed, err := e.neededConfigMaps(ctx, v, mine)
	if err != nil {
		return err
	}
	for i := range maps.Items {
		m := &maps.Items[i]
		if needed[m.Name] || !metav1.IsControlledBy(m, v) {
			continue
		}
		if err := e.client.Delete(ctx, m); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete ConfigMap %s/%s: %w", m.Namespace, m.Name, err)
		}
	}
	return nil
}

func (e *Ensurer) neededConfigMaps(ctx context.Context, v *v1alpha1.Valkey, mine []client.ListOption) (map[string]bool, error) {
	sts, err := e.statefulSet(ctx, v)
	if err != nil {
		return nil, err
	}
	pods := &corev1.PodList{}
	if err := e.client.List(ctx, pods, mine...); err != nil {
		return nil, fmt.Errorf("list pods of %s/%s: %w", v.Namespace, v.Name, err)
	}
	needed := map[string]bool{}
	if sts != nil {
		needed[render.ConfigMapOf(sts.Spec.Template.Spec)] = true
	}
	for i := range pods.Items {
		needed[render.ConfigMapOf(pods.Items[i].Spec)] = true
	}
	return needed, nil
}
