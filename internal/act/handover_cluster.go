package act

import (
	"context"
	"errors"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
)

// clusterHandover moves the role of a shard's primary. Two elections at a time
// take each other's votes, so shards take turns. No Service moves: clients learn of
// the new primary from the old one.
func (a *Actor) clusterHandover(ctx context.Context, shard string, s model.Handover) (Outcome, error) {
	if !a.clusterTurn.TryLock() {
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.HandoverInProgress, Node: s.From.Name, After: turnAgain,
			Detail: "another shard hands over; one at a time"}}}, nil
	}
	defer a.clusterTurn.Unlock()
	snap, _, err := a.again(ctx, shard, s)
	if err != nil {
		return Outcome{}, err
	}
	old, err := a.server(ctx, s.From)
	if err != nil {
		return Outcome{}, err
	}
	target, err := a.server(ctx, s.To)
	if err != nil {
		return Outcome{}, err
	}
	result, err := handover.Cluster(ctx, old, target, a.peers(ctx, snap, s), handover.Options{
		MaxLag: a.Valkey.Spec.Rollout.MaxLagOrDefault(), At: reach})
	if errors.Is(err, handover.ErrGate) {
		return gated(shard, s, err), nil
	}
	return ended(s, model.Traffic{}, result, handover.Drained{}, err)
}

// peers are all other members of the cluster that answer.
func (a *Actor) peers(ctx context.Context, snap model.Snapshot, s model.Handover) []handover.ClusterServer {
	var out []handover.ClusterServer
	for _, shard := range snap.Shards {
		for _, n := range shard.Nodes {
			if n.Ref == s.From || n.Ref == s.To || !n.Server.Answered || n.Server.Cluster == nil {
				continue
			}
			if node, err := a.server(ctx, n.Ref); err == nil {
				out = append(out, node)
			}
		}
	}
	return out
}
