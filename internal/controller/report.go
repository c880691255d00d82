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
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/handover"
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
	err := r.Client.Status().Patch(ctx, v, client.MergeFrom(before))
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

// recordHandover keeps how a handover went: for people, and for the backoff
// after one that failed.
func (r *Reconciler) recordHandover(ctx context.Context, v *v1alpha1.Valkey, h act.Handover, err error) {
	logger := log.FromContext(ctx).WithValues("from", h.From, "to", h.To, "outcome", h.Result.Outcome,
		"switch", h.Result.Switch.String(), "traffic", h.Result.Traffic.String(), "proof", h.Result.Proof.String(),
		"lagBytes", h.Result.Lag, "clientsSentAway", h.Drained.Killed, "clientsLeft", len(h.Drained.Left))
	if h.Result.TrafficErr != nil {
		logger.Error(h.Result.TrafficErr, "the primary Service could not be moved at once; the next look publishes it")
	}
	before := v.DeepCopy()
	now := metav1.NowMicro()
	if err == nil {
		ms := h.Result.Switch.Milliseconds()
		v.Status.LastHandover = &v1alpha1.HandoverStatus{From: h.From, To: h.To, Time: now, SwitchMilliseconds: &ms}
		v.Status.HandoverFailure = nil
		logger.Info("handed over")
	} else {
		count := int32(1)
		if v.Status.HandoverFailure != nil {
			count = v.Status.HandoverFailure.Count + 1
		}
		v.Status.HandoverFailure = &v1alpha1.HandoverFailure{Time: now, Count: count, Message: err.Error()}
		logger.Error(err, "the handover failed")
	}
	countHandover(v.Namespace+"/"+v.Name, h, err)
	r.Events.HandedOver(v, h, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.patchStatus(ctx, v, before); err != nil {
		logger.Error(err, "the handover could not be recorded")
	}
	if h.Result.Outcome == handover.Unproven {
		logger.Info("how the handover ended could not be shown; nothing is restarted before the next look settles it")
	}
}
