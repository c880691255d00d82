package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// wakeEvery is how often a StatefulSet is woken while a pod of it is absent. Its controller
// tries again by itself, but after twice the time each time, 1000 s in the end, and nothing
// tells it that a quota has room again (kubernetes v1.37 pkg/controller/statefulset).
const wakeEvery = 30 * time.Second

// wake has the StatefulSet controller try again to make pods that have been absent for long:
// whatever changes in a StatefulSet, it looks at it at once. So a mark on it is all there is
// to write. It changes no pod and no server, so it is no step, and no hold keeps it.
func (r *Reconciler) wake(ctx context.Context, v *v1alpha1.Valkey, snap model.Snapshot) {
	for _, name := range lacking(snap) {
		if err := r.mark(ctx, v, name); err != nil {
			log.FromContext(ctx).Error(err, "nobody could be asked to make a pod that is absent", "statefulSet", name)
		}
	}
}

// lacking are the StatefulSets of which a pod has been absent for long.
func lacking(snap model.Snapshot) []string {
	var out []string
	for _, shard := range snap.Shards {
		if slices.ContainsFunc(shard.Nodes, func(n model.Node) bool { return n.AbsentFor >= wakeEvery }) {
			out = append(out, shard.Name)
		}
	}
	if set := snap.Sentinels; slices.ContainsFunc(set.Nodes, func(n model.SentinelNode) bool { return n.AbsentFor >= wakeEvery }) {
		out = append(out, set.Name)
	}
	return out
}

// mark writes on a StatefulSet when it was woken, unless that was a moment ago. What is
// declared of it does not name the mark, and so leaves it alone.
func (r *Reconciler) mark(ctx context.Context, v *v1alpha1.Valkey, name string) error {
	set := &appsv1.StatefulSet{}
	key := client.ObjectKey{Namespace: v.Namespace, Name: name}
	if err := r.Client.Get(ctx, key, set); err != nil {
		return client.IgnoreNotFound(err)
	}
	last, err := time.Parse(time.RFC3339, set.Annotations[v1alpha1.RetriedAnnotation])
	since := r.clock.since(last)
	if !metav1.IsControlledBy(set, v) || err == nil && since >= 0 && since < wakeEvery {
		return nil
	}
	patch := client.MergeFromWithOptions(set.DeepCopy(), client.MergeFromWithOptimisticLock{})
	metav1.SetMetaDataAnnotation(&set.ObjectMeta, v1alpha1.RetriedAnnotation, r.clock.now().UTC().Format(time.RFC3339))
	if err := r.Client.Patch(ctx, set, patch); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("wake StatefulSet %s: %w", key, err)
	}
	return nil
}
