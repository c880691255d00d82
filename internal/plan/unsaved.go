package plan

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// unsaved names the nodes that cannot write to their volumes. It is asked last: that
// keeps nothing else from being done. A replica is restarted all the same, for others
// have what it holds; a primary hands over first, as always, and only to one that would
// take writes.
func unsaved(_ topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	var holds []model.Hold
	for _, n := range shard.Nodes {
		if why := rollout.WhyNotPersisting(n); why != "" {
			holds = append(holds, model.Hold{Shard: shard.Name, Reason: model.NotPersisting, Node: n.Name, Detail: why})
		}
	}
	return model.Wait(holds...)
}
