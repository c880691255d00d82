package act

import (
	"context"

	"github.com/valkeeper/valkeeper/internal/model"
)

// clusterHandover moves the role of a shard's primary. Two elections at a time
// take each other's votes, so shards take turns.
func (a *Actor) clusterHandover(_ context.Context, shard string, s model.Handover) (Outcome, error) {
	if !a.alone.TryLock() {
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.HandoverInProgress, Node: s.From.Name, After: turnAgain,
			Detail: "another shard hands over; one at a time"}}}, nil
	}
	defer a.alone.Unlock()
	return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.HandoverGate, Node: s.To.Name, After: gateAgain,
		Detail: "handovers in a cluster are not built yet"}}}, nil
}
