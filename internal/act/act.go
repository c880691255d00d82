// Package act performs steps: each one has one effect on Kubernetes or on the
// servers. It decides nothing. Before a disruptive step it has the shard looked
// at and planned afresh, and goes on only if the step is still the same.
package act

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// ErrChanged: a fresh look did not lead to the same step. Nothing was done; the
// next reconcile plans from what there is now.
var ErrChanged = errors.New("the step is no longer what a fresh look asks for")

// Actor performs the steps of one instance during one reconcile.
type Actor struct {
	Client  client.Client
	Servers *servers.Pool
	Creds   servers.Credentials
	// Migration are those of the user that moves keys from server to server.
	Migration servers.Credentials
	// SentinelUser are what Sentinels log in with on data nodes.
	SentinelUser servers.Credentials
	Valkey       *v1alpha1.Valkey
	// Replan looks at the instance afresh, past every cache, and plans again.
	Replan func(ctx context.Context) (model.Snapshot, model.Plan, error)
	// Turns lets one handover run at a time.
	Turns *Turns
	// Quiet is the time since kube-proxy last had to move a Service (model.Traffic).
	Quiet func() time.Duration
	// clusterTurn is held by the handover that runs: among the shards of a cluster one at a
	// time.
	clusterTurn sync.Mutex
}

// Outcome is what a step came to.
type Outcome struct {
	// Holds are what stood in the way, when nothing was wrong with the step.
	Holds []model.Hold
	// Handover tells how a handover went, when there was one.
	Handover *Handover
}

// Do performs one step of the shard of that name. Steps of different shards may be
// performed at the same time.
func (a *Actor) Do(ctx context.Context, shard string, step model.Step) (Outcome, error) {
	_, takesTurns := step.(model.Handover) // it looks again once it has its turn
	if step.Disruptive() && !takesTurns {
		var err error
		if _, step, err = a.again(ctx, shard, step); err != nil {
			return Outcome{}, err
		}
	}
	return a.perform(ctx, shard, step)
}

func (a *Actor) perform(ctx context.Context, shard string, step model.Step) (Outcome, error) {
	switch s := step.(type) {
	case model.Promote:
		return a.promote(ctx, shard, s)
	case model.Follow:
		return Outcome{}, a.follow(ctx, s)
	case model.Publish:
		return Outcome{}, a.publish(ctx, s)
	case model.Scale:
		return Outcome{}, a.scale(ctx, shard, s)
	case model.Drain:
		return Outcome{}, a.drain(ctx, s)
	case model.Restart:
		return a.restart(ctx, shard, s)
	case model.Handover:
		return a.handover(ctx, shard, s)
	case model.Meet:
		return Outcome{}, a.meet(ctx, s)
	case model.AddSlots:
		return Outcome{}, a.addSlots(ctx, s)
	case model.Release:
		return Outcome{}, a.release(ctx, s)
	case model.Forget:
		return Outcome{}, a.forget(ctx, s)
	case model.MoveSlots:
		return a.moveSlots(ctx, shard, s)
	case model.CancelMoves:
		return Outcome{}, a.cancelMoves(ctx, s)
	case model.WatchPrimary, model.SetWatch, model.ResetWatch, model.Rank, model.PauseWrites, model.ScaleSentinels:
		return Outcome{}, a.performOnSentinels(ctx, step)
	}
	return Outcome{}, fmt.Errorf("step %T is not known to act", step)
}

// again looks and plans afresh, and gives what is seen and the step as it is now.
func (a *Actor) again(ctx context.Context, shard string, step model.Step) (model.Snapshot, model.Step, error) {
	snap, plan, err := a.Replan(ctx)
	if err != nil {
		return snap, nil, fmt.Errorf("look again before %q: %w", step, err)
	}
	now := plan.Steps[shard]
	if now == nil || !step.Same(now) {
		return snap, nil, fmt.Errorf("%w: %q before, now %v", ErrChanged, step, describe(now, plan.HoldsOf(shard)))
	}
	return snap, now, nil
}

func describe(step model.Step, holds []model.Hold) string {
	if step != nil {
		return fmt.Sprintf("%q", step)
	}
	return fmt.Sprintf("%v", holds)
}

// server gives the connection to a pod's server.
func (a *Actor) server(ctx context.Context, ref model.Ref) (*valkey.Node, error) {
	return a.Servers.Get(ctx, a.Valkey.Namespace+"/"+a.Valkey.Name, ref.UID, ref.Address, a.Creds)
}

// promote makes a replica the primary.
func (a *Actor) promote(ctx context.Context, shard string, s model.Promote) (Outcome, error) {
	if s.Means == model.BySentinel {
		return a.promoteBySentinel(ctx, shard, s)
	}
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return Outcome{}, err
	}
	switch s.Means {
	case model.ByElection:
		return a.takeOver(ctx, shard, s, node, node.ClusterFailoverForce)
	case model.ByTakeover:
		return a.takeOver(ctx, shard, s, node, node.ClusterFailoverTakeover)
	case model.ByRole, model.BySentinel:
	}
	err = node.ReplicaOfNoOne(ctx)
	if errors.Is(err, valkey.ErrFailoverInProgress) {
		// A primary that demoted itself for a FAILOVER refuses REPLICAOF. Its
		// target is lost, or nobody would have planned this.
		_, err = handover.Recover(ctx, node, handover.Absent(s.Node.Address, handover.ErrGone), handover.Options{})
		if errors.Is(err, handover.ErrAborted) {
			err = nil // it is primary again, as it was before
		}
	}
	if err != nil {
		return Outcome{}, err
	}
	failpoint.Reach(failpoint.Promoted)
	return Outcome{}, nil
}

// follow points a node at the primary.
func (a *Actor) follow(ctx context.Context, s model.Follow) error {
	host, port, err := splitAddress(s.Primary.Address)
	if err != nil {
		return err
	}
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return err
	}
	if a.Valkey.Spec.IsCluster() {
		return a.replicate(ctx, s, node)
	}
	if a.Valkey.Spec.IsSentinel() {
		// Sentinels compare it with what they know.
		if host, port, err = a.announced(ctx, s.Primary); err != nil {
			return err
		}
	}
	if err := node.ReplicaOf(ctx, host, port); err != nil || !s.Demotes {
		return err
	}
	// Clients that are sent away come back by the Service, so it leads to the other one first:
	// where Sentinels have failed over from a primary that lived on, it did not yet, and the old
	// one may hold back writes.
	unmoved := errors.Join(a.reroutePrimary(ctx, s.Primary), node.Unpause(ctx))
	if err := sendOn(ctx, s, node); err != nil {
		return errors.Join(err, unmoved)
	}
	go (&departure{node: node}).late(context.WithoutCancel(ctx))
	return unmoved
}

// sendOn sends the clients of a primary that has just been demoted away: they would
// sit on a server that refuses their writes. Nobody tries again, so it is worth a second
// attempt.
func sendOn(ctx context.Context, s model.Follow, node *valkey.Node) error {
	spare := []string{v1alpha1.ReplicationUser, v1alpha1.SentinelUser}
	_, err := node.KillClients(ctx, spare...)
	if err != nil {
		_, err = node.KillClients(ctx, spare...)
	}
	if err != nil {
		return fmt.Errorf("send the clients of %s on: %w", s.Node.Name, err)
	}
	return nil
}

// gone says that an object is not there any more, or is not what it was seen
// as: nothing has been done to it, and the next look sees what has taken its
// place.
func gone(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }
