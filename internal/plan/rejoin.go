package plan

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// rejoin points every replica at the primary: nodes that have just booted,
// nodes that follow somebody else, nodes chained to the old primary after a
// handover. By now the shard has exactly one primary, promoted after all copies
// had been compared, so giving up a replica's own data is right.
func rejoin(rules topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	primary, ok := shard.Primary()
	if !ok || primary.Phase == model.PodTerminating {
		return model.Decision{}
	}
	for _, n := range shard.Nodes {
		srv := n.Server
		if n.Name == primary.Name || !srv.Answered || srv.Role != model.RoleReplica || srv.Loading || rules.Follows(n, primary) {
			continue
		}
		if n.Phase != model.PodRunning {
			continue
		}
		why := "it follows somebody else"
		if srv.Follows == model.Nobody {
			why = "it has booted"
		}
		return rules.Join(shard, n, primary, why)
	}
	return model.Decision{}
}
