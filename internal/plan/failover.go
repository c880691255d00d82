package plan

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// failover waits while a FAILOVER runs on any server, ours or a user's: the role
// is about to move, so what is true of a node now may not be in a moment. No
// node is repointed, added, taken away or restarted before it has ended.
func failover(_ topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	for _, n := range shard.Nodes {
		if n.Server.Answered && n.Server.FailingOver {
			return hold(shard, model.HandoverInProgress, n.Name,
				fmt.Sprintf("a FAILOVER runs on %s; nothing else is done before it has ended", n.Name))
		}
	}
	return model.Decision{}
}
