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
	"github.com/valkeeper/valkeeper/internal/observe"
)

// extras names the StatefulSets that are to be made, and to which the node after the last
// wished one belonged: somebody has deleted them in the midst of a surge. Either its volume
// claim is there, with something in it, or its pod lives on (kubectl delete
// --cascade=orphan). It may be primary, or the last one that was: the StatefulSet has to
// have it from the beginning. A pod that has an owner goes with that, and what the operator
// deletes itself does not come back.
//
// It is looked for past every cache: StatefulSets are made seldom, and what is overlooked
// here is deleted with its data.
func (e *Ensurer) extras(ctx context.Context, v *v1alpha1.Valkey, existing map[string]*appsv1.StatefulSet) (map[string]bool, error) {
	missing := slices.DeleteFunc(dataSets(v), func(name string) bool { return existing[name] != nil })
	if len(missing) == 0 {
		return nil, nil
	}
	ours := []client.ListOption{client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector())}
	pods := &corev1.PodList{}
	if err := e.live.List(ctx, pods, ours...); err != nil {
		return nil, fmt.Errorf("list pods of %s/%s: %w", v.Namespace, v.Name, err)
	}
	claims, err := observe.Claims(ctx, e.live, v)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, name := range missing {
		pod := fmt.Sprintf("%s-%d", name, v.Spec.NodeCount())
		out[name] = slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool {
			return p.Name == pod && p.DeletionTimestamp == nil && metav1.GetControllerOf(&p) == nil
		}) || slices.ContainsFunc(claims, func(c corev1.PersistentVolumeClaim) bool {
			return c.Name == v1alpha1.DataVolume+"-"+pod && observe.Kept(&c)
		})
	}
	return out, nil
}
