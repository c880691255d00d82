package controller

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
)

// recordTimeout bounds the writing down of a handover, which outlives the reconcile.
const recordTimeout = 5 * time.Second

// recordHandover keeps how a handover went: for people, and for the backoff
// after one that failed.
func (r *Reconciler) recordHandover(ctx context.Context, v *v1alpha1.Valkey, shard string, h act.Handover, err error) {
	logger := log.FromContext(ctx).WithValues("from", h.From, "to", h.To, "outcome", h.Result.Outcome,
		"switch", h.Result.Switch.String(), "traffic", h.Result.Traffic.String(), "proof", h.Result.Proof.String(),
		"lagBytes", h.Result.Lag, "servicesQuiet", h.Services.Quiet.String(), "servicesWaited", h.Services.Waited.String(), "clientsSentAway", h.Drained.Killed, "clientsLeft", len(h.Drained.Left))
	if s := h.Sentinel; s != nil {
		logger = logger.WithValues("way", s.Way, "routed", h.Routed.String(), "telling", s.Telling.String(), "agreed", s.Agreed.String(),
			"agreeing", s.Agreeing, "remade", s.Remade)
	}
	if v.Spec.IsCluster() {
		logger = logger.WithValues("demoted", h.Result.Demoted.String(), "attempts", h.Result.Attempts, "nudges", h.Result.Nudges)
	}
	if h.Result.TrafficErr != nil {
		logger.Error(h.Result.TrafficErr, "the primary Service could not be moved at once; the next look publishes it")
	}
	if err == nil {
		logger.Info("handed over")
	} else {
		logger.Error(err, "the handover failed")
	}
	countHandover(v, shard, h, err)
	r.Events.HandedOver(v, h, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := r.writeDown(ctx, v, shard, record{at: metav1.NowMicro(), handover: h, err: err}); err != nil {
		logger.Error(err, "the handover could not be recorded")
	}
	if h.Result.Outcome == handover.Unproven {
		logger.Info("how the handover ended could not be shown; nothing is restarted before the next look settles it")
	}
}

// recordFailover keeps whom an unplanned promotion has replaced, and why.
func (r *Reconciler) recordFailover(ctx context.Context, v *v1alpha1.Valkey, p model.Promote) {
	if v.Spec.IsCluster() {
		return // its shards are told of by events
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	before := v.DeepCopy()
	v.Status.LastFailover = &v1alpha1.FailoverStatus{From: p.Lost, To: p.Node.Name, Time: metav1.NowMicro(), Why: p.Why}
	if err := r.patchStatus(ctx, v, before); err != nil {
		log.FromContext(ctx).Error(err, "the failover could not be recorded")
	}
}

// record is a handover as it is written down.
type record struct {
	at       metav1.MicroTime
	handover act.Handover
	err      error
}

// into puts it in the place of the one before.
func (rec record) into(last **v1alpha1.HandoverStatus, failure **v1alpha1.HandoverFailure) {
	if rec.err == nil {
		ms := rec.handover.Result.Switch.Milliseconds()
		*last = &v1alpha1.HandoverStatus{From: rec.handover.From, To: rec.handover.To, Time: rec.at, SwitchMilliseconds: &ms}
		*failure = nil
		return
	}
	count := int32(1)
	if *failure != nil {
		count = (*failure).Count + 1
	}
	*failure = &v1alpha1.HandoverFailure{Time: rec.at, Count: count, Message: rec.err.Error()}
}

// writeDown writes a record. A shard's stands in a list, which is written as a
// whole: so it is read afresh, and other shards may be writing theirs.
func (r *Reconciler) writeDown(ctx context.Context, v *v1alpha1.Valkey, shard string, rec record) error {
	if !v.Spec.IsCluster() {
		before := v.DeepCopy()
		rec.into(&v.Status.LastHandover, &v.Status.HandoverFailure)
		return r.patchStatus(ctx, v, before)
	}
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		live := &v1alpha1.Valkey{}
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(v), live); err != nil || live.UID != v.UID {
			return client.IgnoreNotFound(err)
		}
		before := live.DeepCopy()
		s := shardIn(&live.Status, shard)
		rec.into(&s.LastHandover, &s.HandoverFailure)
		return r.patchStatus(ctx, live, before)
	})
}

// shardIn is a shard's part of a status.
func shardIn(status *v1alpha1.ValkeyStatus, name string) *v1alpha1.ShardStatus {
	i := slices.IndexFunc(status.Shards, func(s v1alpha1.ShardStatus) bool { return s.Name == name })
	if i < 0 {
		i = len(status.Shards)
		status.Shards = append(status.Shards, v1alpha1.ShardStatus{Name: name})
	}
	return &status.Shards[i]
}
