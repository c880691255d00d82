package topology

import (
	"fmt"
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// replication is one primary with replicas that the operator appoints. Its
// handover is the server's own FAILOVER, of which only one can run at a time
// and which resynchronises the other replicas partially.
type replication struct {
	loner
	// downAfter is how long a primary has to be silent before it counts as lost
	// (witness.go).
	downAfter time.Duration
}

// Missing holds while anybody speaks for a primary that cannot be seen.
func (r replication) Missing(shard model.Shard) (string, model.Decision) {
	return inquest{shard: shard, downAfter: r.downAfter}.verdict()
}

// Outdated goes by the history: one that was followed by another has ended, and a
// primary that still writes it has been silent while that happened. It may find
// itself alone if its successor is gone. Once the Service leads to it, it has been
// chosen.
func (replication) Outdated(shard model.Shard) bool {
	p, only := shard.Primary()
	if !only || p.Address == shard.Traffic.Primary {
		return false
	}
	known := shard.Memory.History
	if at := slices.Index(known, p.Server.ReplID); at >= 0 {
		return at > 0
	}
	return slices.Index(known, p.Server.ReplID2) > 0 // it has begun another one since
}

// HandoverGates holds while a failover runs on the primary, ours or a user's.
func (replication) HandoverGates(shard model.Shard, _ model.Node) []model.Hold {
	primary, ok := shard.Primary()
	if !ok || !primary.Server.FailingOver {
		return nil
	}
	return []model.Hold{{
		Shard: shard.Name, Reason: model.HandoverInProgress, Node: primary.Name,
		Detail: fmt.Sprintf("a FAILOVER already runs on %s; it ends or times out by itself", primary.Name),
	}}
}
