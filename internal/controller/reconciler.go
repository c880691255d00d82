// Package controller runs the loop: make the declared objects so, observe,
// plan, say what is seen, act once, look again.
package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/observe"
	"github.com/valkeeper/valkeeper/internal/plan"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/status"
)

const (
	// idleEvery is how often an instance at rest is looked at: its servers tell
	// nobody when their roles change.
	idleEvery = 3 * time.Second
	// busyEvery is how often an instance is looked at while something is waited
	// for that Kubernetes does not tell of, such as a synchronisation.
	busyEvery = 150 * time.Millisecond
	// stepEvery is how soon the next look follows a step. The caches need about
	// that long to hear of it.
	stepEvery = 15 * time.Millisecond
)

// Reconciler looks after instances. Each reconcile starts from what it sees.
// What it keeps in memory may be lost at any time: it paces the loop, saves
// reads, and counts how long a server has been silent, which then begins anew.
type Reconciler struct {
	Client client.Client
	// Live reads past every cache.
	Live      client.Reader
	Observer  observe.Observer
	Servers   *servers.Pool
	Turns     *act.Turns
	Sentries  *Sentries
	Calm      *Calm
	HostWatch *HostWatch
	Events    *Events
	Objects   Objects
	clock     clock
	refused   refusals
	reported  reports
}

// Reconcile is one round of the loop for one instance.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	v := &v1alpha1.Valkey{}
	if err := r.Client.Get(ctx, req.NamespacedName, v); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(req.String())
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !v.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // the garbage collector takes what belongs to it
	}
	result, err := r.reconcile(ctx, v)
	if conflicted(err) {
		log.FromContext(ctx).V(1).Info("somebody else wrote in between; looking again", "cause", err.Error())
		return ctrl.Result{RequeueAfter: busyEvery}, nil
	}
	return result, err
}

// conflicted says that a write met something newer than what it was made from.
func conflicted(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// reconcile declares, looks, plans, tells and acts. What could not be declared is
// shown, and keeps nobody from looking after the servers that run: a wrong wish
// must not cost an instance its next primary.
func (r *Reconciler) reconcile(ctx context.Context, v *v1alpha1.Valkey) (ctrl.Result, error) {
	declared, failure := r.Objects.Ensure(ctx, v)
	if failure != nil && declared.Creds == (servers.Credentials{}) {
		return ctrl.Result{}, r.failed(ctx, v, failure)
	}
	snap, err := r.Observer.Look(ctx, v, declared.Creds, declared.Generations)
	if err != nil {
		return ctrl.Result{}, r.failed(ctx, v, err)
	}
	r.Sentries.Post(v, declared.Creds, snap)
	r.refused.recall(&snap)
	next, err := plan.Next(snap)
	if err != nil {
		return ctrl.Result{}, r.failed(ctx, v, err)
	}
	if failure != nil && !conflicted(failure) {
		log.FromContext(ctx).Error(failure, "not everything could be declared; the servers are looked after all the same")
	}
	if err := r.tell(ctx, v, snap, next, failure); err != nil {
		return ctrl.Result{}, err
	}
	r.wake(ctx, v, snap)
	r.mendLogs(ctx, declared.Creds, snap)
	if len(next.Steps) == 0 && len(next.Holds) == 0 && failure == nil {
		if err := r.Objects.Tidy(ctx, v); err != nil {
			log.FromContext(ctx).Error(err, "what no pod needs any more could not be removed")
		}
	}
	return r.act(ctx, v, declared, snap, next)
}

// tell shows what is seen and planned. It comes before the act: what has to be
// remembered is written down before anything is done about it.
func (r *Reconciler) tell(ctx context.Context, v *v1alpha1.Valkey, snap model.Snapshot, next model.Plan, failure error) error {
	r.Calm.Note(snap.Instance, next)
	shown, failedStep := r.refused.show(snap.Instance, next)
	if conflicted(failure) {
		failure = nil
	}
	derived := status.Derive(status.Input{Generation: v.Generation, Snapshot: snap, Plan: shown,
		Err: errors.Join(failure, failedStep), Previous: v.Status})
	if err := r.report(ctx, v, derived); err != nil {
		return err
	}
	r.Events.Held(v, shown)
	observeMetrics(snap, shown)
	return nil
}

// failed shows an error after which nothing is known of the servers.
func (r *Reconciler) failed(ctx context.Context, v *v1alpha1.Valkey, cause error) error {
	if errors.Is(cause, context.Canceled) || conflicted(cause) {
		return cause
	}
	derived := status.Derive(status.Input{Generation: v.Generation, Err: cause, Previous: v.Status})
	return errors.Join(cause, r.report(ctx, v, derived))
}

// stepsAtOnce bounds how many shards of an instance are worked on at the same time.
const stepsAtOnce = 16

// act performs the steps of all shards at the same time, and says when to look
// again: one shard's slow handover keeps no other shard waiting.
func (r *Reconciler) act(ctx context.Context, v *v1alpha1.Valkey, declared Declared, snap model.Snapshot, next model.Plan) (ctrl.Result, error) {
	actor := &act.Actor{Client: r.Client, Servers: r.Servers, Creds: declared.Creds, Migration: declared.Migration, SentinelUser: declared.Sentinel,
		Valkey: v, Turns: r.Turns, Quiet: r.Calm.Quiet,
		Replan: func(ctx context.Context) (model.Snapshot, model.Plan, error) { return r.replan(ctx, v, declared) }}
	after := make([]time.Duration, len(snap.Shards))
	failed := make([]error, len(snap.Shards))
	again := pace(snap, next)
	free := make(chan struct{}, stepsAtOnce)
	var wg sync.WaitGroup
	for i, shard := range snap.Shards {
		after[i] = again
		step := next.Steps[shard.Name]
		if step == nil || r.refused.waits(snap.Instance, shard.Name, step) {
			continue
		}
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			after[i], failed[i] = r.perform(ctx, actor, shard.Name, step)
		})
	}
	wg.Wait()
	return ctrl.Result{RequeueAfter: min(again, slices.Min(after))}, errors.Join(failed...)
}

// perform does one step and records what came of it.
func (r *Reconciler) perform(ctx context.Context, actor *act.Actor, shard string, step model.Step) (time.Duration, error) {
	logger := log.FromContext(ctx).WithValues("shard", shard, "step", step.String())
	instance := actor.Valkey.Namespace + "/" + actor.Valkey.Name
	out, err := actor.Do(ctx, shard, step)
	if out.Handover != nil {
		r.recordHandover(ctx, actor.Valkey, shard, *out.Handover, err)
	}
	switch {
	case errors.Is(err, act.ErrChanged):
		logger.V(1).Info("the step is out of date; looking again", "cause", err.Error())
		return busyEvery / 3, nil
	case errors.Is(err, act.ErrHandover):
		return busyEvery, nil // recorded; the next attempt waits its turn
	case err != nil:
		err = fmt.Errorf("%s: %w", step, err)
		r.refused.failed(instance, shard, step, err)
		return idleEvery, err
	case len(out.Holds) > 0:
		r.refused.held(instance, shard, step, out.Holds)
		logger.V(1).Info("the step has to wait", "hold", out.Holds[0].String())
		return afterRefusal(out.Holds), nil
	}
	r.refused.done(instance, shard)
	if promoted, ok := step.(model.Promote); ok && promoted.Lost != "" {
		countFailover(actor.Valkey, shard)
		r.recordFailover(ctx, actor.Valkey, promoted)
	}
	r.Events.Done(actor.Valkey, shard, step)
	countStep(instance, step)
	logger.Info("step performed")
	return stepEvery, nil
}

// replan reads everything past the caches and plans from that.
func (r *Reconciler) replan(ctx context.Context, v *v1alpha1.Valkey, declared Declared) (model.Snapshot, model.Plan, error) {
	live := &v1alpha1.Valkey{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(v), live); err != nil {
		return model.Snapshot{}, model.Plan{}, err
	}
	if live.UID != v.UID || live.Generation != v.Generation {
		return model.Snapshot{}, model.Plan{}, fmt.Errorf("%w: the resource has changed", act.ErrChanged)
	}
	snap, err := r.Observer.Fresh(r.Live).Look(ctx, live, declared.Creds, declared.Generations)
	if err != nil {
		return model.Snapshot{}, model.Plan{}, err
	}
	r.refused.recall(&snap)
	next, err := plan.Next(snap)
	return snap, next, err
}

func (r *Reconciler) forget(instance string) {
	r.Servers.Keep(instance, nil)
	r.Observer.Silence.Keep(instance, nil)
	r.Observer.TornLogs.Keep(instance, nil)
	r.Observer.Absences.Forget(instance)
	r.Sentries.Dismiss(instance)
	r.Objects.Forget(instance)
	r.refused.forget(instance)
	r.reported.forget(instance)
	r.Calm.Forget(instance)
	r.Events.Forget(instance)
	forgetMetrics(instance)
}
