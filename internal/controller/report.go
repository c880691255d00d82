package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// wordsEvery is how often a status is rewritten when only its figures and
// sentences have changed, such as lags under writes. Everything else is written
// at once.
const wordsEvery = 15 * time.Second

// reports remembers when each instance's status was last written.
type reports struct {
	clock clock
	mu    sync.Mutex
	last  map[string]time.Time
}

func (r *reports) due(instance string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock.since(r.last[instance]) >= wordsEvery
}

func (r *reports) wrote(instance string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[string]time.Time{}
	}
	r.last[instance] = r.clock.now()
}

func (r *reports) forget(instance string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, instance)
}

// report writes the status when it says something new. At rest nothing is
// written at all.
func (r *Reconciler) report(ctx context.Context, v *v1alpha1.Valkey, derived v1alpha1.ValkeyStatus) error {
	instance := v.Namespace + "/" + v.Name
	if equality.Semantic.DeepEqual(derived, v.Status) {
		return nil
	}
	if equality.Semantic.DeepEqual(withoutWords(derived), withoutWords(v.Status)) && !r.reported.due(instance) {
		return nil
	}
	before := v.DeepCopy()
	v.Status = derived
	stamp(v.Status.Conditions)
	if err := r.patchStatus(ctx, v, before); err != nil {
		return err
	}
	r.reported.wrote(instance)
	return nil
}

func (r *Reconciler) patchStatus(ctx context.Context, v, before *v1alpha1.Valkey) error {
	patch := client.MergeFrom(before)
	if v.Spec.IsCluster() {
		// A list is written as a whole: what was made from an old sight of it would
		// undo what has been written since.
		patch = client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	}
	err := r.Client.Status().Patch(ctx, v, patch)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("write the status of %s/%s: %w", v.Namespace, v.Name, err)
	}
	return nil
}

// stamp fills in the time of conditions that have changed.
func stamp(conditions []metav1.Condition) {
	for i := range conditions {
		if conditions[i].LastTransitionTime.IsZero() {
			conditions[i].LastTransitionTime = metav1.Now()
		}
	}
}

// withoutWords is the status without what moves all the time.
func withoutWords(s v1alpha1.ValkeyStatus) v1alpha1.ValkeyStatus {
	s.Conditions, s.Nodes = slices.Clone(s.Conditions), slices.Clone(s.Nodes)
	for i := range s.Conditions {
		s.Conditions[i].Message = ""
		s.Conditions[i].LastTransitionTime = metav1.Time{}
	}
	for i := range s.Nodes {
		s.Nodes[i].LagBytes, s.Nodes[i].Message = nil, ""
	}
	return s
}
