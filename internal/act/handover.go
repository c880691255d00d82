package act

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// turnAgain is when a handover that found another one running comes again.
	turnAgain = 200 * time.Millisecond
	// gateAgain is when a handover that the servers themselves were not ready for
	// is tried again. Nothing was sent to them, so it has not failed, and there is
	// nothing to back off from.
	gateAgain = time.Second
	// sendAway bounds how long the clients of the demoted primary are sent away
	// within the handover itself. Whoever stays is the drain's before the restart.
	sendAway = 1500 * time.Millisecond
	// sendAwayEvery is the time between two looks, and sendAwayQuiet how many in
	// a row must find nobody: together well above the time in which a Service's
	// move reaches every host that has nothing else to do.
	sendAwayEvery = 10 * time.Millisecond
	sendAwayQuiet = 10
	// lateEvery is the time between two looks for those who come later, because a host
	// has moved the Service late.
	lateEvery = 50 * time.Millisecond
)

// ErrHandover: a handover began and did not end as proved. The next one waits.
var ErrHandover = errors.New("handover failed")

// Handover tells how one went.
type Handover struct {
	From, To string
	// Services are as they were when it began.
	Services model.Traffic
	Result   handover.Result
	Drained  handover.Drained
	// Routed is how long the write took that moves the primary Service.
	Routed time.Duration
	// Sentinel is how it went with the Sentinels, where there are any.
	Sentinel *handover.SentinelResult
}

// handover moves the role, then the traffic, then the clients.
func (a *Actor) handover(ctx context.Context, shard string, s model.Handover) (Outcome, error) {
	if a.Valkey.Spec.IsCluster() {
		return a.clusterHandover(ctx, shard, s)
	}
	if a.Valkey.Spec.IsSentinel() {
		return a.sentinelHandover(ctx, shard, s)
	}
	end, ok := a.Turns.Take()
	if !ok {
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.ServicesBusy, After: turnAgain,
			Detail: "another instance hands over; roles move one after another"}}}, nil
	}
	defer end()
	snap, _, err := a.again(ctx, shard, s)
	if err != nil {
		return Outcome{}, err
	}
	oldNode, err := a.server(ctx, s.From)
	if err != nil {
		return Outcome{}, err
	}
	target, err := a.server(ctx, s.To)
	if err != nil {
		return Outcome{}, err
	}
	leaving := &departure{node: oldNode}
	result, err := handover.Replication(ctx, oldNode, target, handover.Options{
		MaxLag:  a.Valkey.Spec.Rollout.MaxLagOrDefault(),
		Timeout: a.Valkey.Spec.Rollout.HandoverTimeoutOrDefault(),
		OnPromoted: func(ctx context.Context) error {
			err := a.moveTraffic(ctx, s.To)
			leaving.begin(context.WithoutCancel(ctx))
			return err
		},
		Ready: a.stillQuiet(snap, shard),
		At:    reach,
	})
	if errors.Is(err, handover.ErrGate) {
		return gated(shard, s, err), nil
	}
	return ended(s, seen(snap, shard), result, leaving.end(), err)
}

// errStirred: Services have changed since the look that a handover begins from.
var errStirred = errors.New("a Service has just changed; clients would learn of the new primary late")

// stillQuiet looks for changes of Services once more in the last moment. Between the look
// and the first command lies a tenth of a second, or more on a busy machine: as long as
// whoever drains a host needs from the cordon to the first evictions. A handover that
// was not to wait for a quiet second does not do so here.
func (a *Actor) stillQuiet(snap model.Snapshot, shard string) func() error {
	before := seen(snap, shard).Quiet
	return func() error {
		if before >= rollout.QuietSecond && a.Quiet() < before {
			return errStirred
		}
		return nil
	}
}

// seen is what a look has seen of the Services.
func seen(snap model.Snapshot, shard string) model.Traffic {
	for _, s := range snap.Shards {
		if s.Name == shard {
			return s.Traffic
		}
	}
	return model.Traffic{}
}

// gated is a handover that did not begin: the servers themselves were not ready for it, or
// it was no good moment any more.
func gated(shard string, s model.Handover, err error) Outcome {
	if errors.Is(err, errStirred) {
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.ServicesBusy, After: turnAgain, Detail: errStirred.Error()}}}
	}
	return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.HandoverGate, Node: s.To.Name,
		Detail: err.Error(), After: gateAgain}}}
}

// ended is one that began.
func ended(s model.Handover, services model.Traffic, result handover.Result, drained handover.Drained, err error) (Outcome, error) {
	out := Outcome{Handover: &Handover{From: s.From.Name, To: s.To.Name, Services: services, Result: result, Drained: drained}}
	if err != nil {
		return out, fmt.Errorf("%w: %s to %s: %w", ErrHandover, s.From.Name, s.To.Name, err)
	}
	return out, nil
}

// departure sends the clients of the demoted primary away while the handover is
// being proved: they cannot write there any more, so every moment counts. They
// are sent away also when the proof is missing: the role has moved. Who is led there later
// is sent away as well, while the handover is over already: many libraries keep a
// connection that answers READONLY for ever.
type departure struct {
	node    *valkey.Node
	done    chan struct{}
	drained handover.Drained
}

func (d *departure) begin(ctx context.Context) {
	d.done = make(chan struct{})
	go func() {
		drained, err := handover.Drain(ctx, d.node, handover.DrainOptions{
			Spare: v1alpha1.OwnUsers(), Every: sendAwayEvery, Quiet: sendAwayQuiet, Timeout: sendAway})
		d.drained = drained
		if err == nil {
			failpoint.Reach(failpoint.HandoverDrained)
		}
		close(d.done)
		d.late(ctx)
	}()
}

// late sends those away who are still led to the node: hosts move a Service up to a second
// after it was written. After a handover no reader is led there until then
// (model.Traffic.Lingers). An error is the end of the server, and of its clients.
func (d *departure) late(ctx context.Context) {
	_, _ = handover.Drain(ctx, d.node, handover.DrainOptions{
		Spare: v1alpha1.OwnUsers(), Every: lateEvery, Quiet: 1, AtLeast: model.ServiceMoves - 2*lateEvery, Timeout: 2 * model.ServiceMoves, While: d.demoted})
}

// demoted: the role has not come back to the node already, and its clients with it.
func (d *departure) demoted(ctx context.Context) bool {
	info, err := d.node.Info(ctx)
	return err == nil && info.Role == valkey.RoleReplica
}

// end waits for the departure, if it has begun.
func (d *departure) end() handover.Drained {
	if d.done == nil {
		return handover.Drained{}
	}
	<-d.done
	return d.drained
}

// moveTraffic leads the primary Service to the new primary in one write.
func (a *Actor) moveTraffic(ctx context.Context, to model.Ref) error {
	if err := a.reroutePrimary(ctx, to); err != nil {
		return err
	}
	failpoint.Reach(failpoint.HandoverRouted)
	return nil
}

// reach maps the points of a handover to failpoints.
func reach(point string) {
	switch point {
	case handover.PointBeforeFailover:
		failpoint.Reach(failpoint.HandoverBefore)
	case handover.PointFailoverSent:
		failpoint.Reach(failpoint.HandoverSent)
	case handover.PointPromoted:
		failpoint.Reach(failpoint.HandoverPromoted)
	case handover.PointProved:
		failpoint.Reach(failpoint.HandoverProved)
	case handover.PointAgreed:
		failpoint.Reach(failpoint.SentinelsAgree)
	}
}
