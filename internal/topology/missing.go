package topology

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// missing holds while a node that does not answer may be primary, unless it is
// known to serve nobody.
func missing(shard model.Shard, fenced func(model.Node) bool) model.Decision {
	for _, n := range suspects(shard) {
		if !fenced(n) {
			return model.Wait(hold(shard, model.PrimaryNotVisible, n.Name,
				"its server does not answer and may still be primary; nothing is promoted before it answers or has ended"))
		}
	}
	return model.Decision{}
}

// suspects are the nodes that do not answer, are not known to be dead, and have
// been in service or have a replica that is linked to them.
func suspects(shard model.Shard) []model.Node {
	var out []model.Node
	for _, n := range shard.Nodes {
		silent := n.Phase != model.PodAbsent && !n.Server.Answered && !n.Dead
		if silent && (shard.Served(n) || linkedTo(shard, n)) {
			out = append(out, n)
		}
	}
	return out
}

// linkedTo says that a replica is linked to the node: that one lives, or did until
// a moment ago.
func linkedTo(shard model.Shard, n model.Node) bool {
	return slices.ContainsFunc(shard.Nodes, func(r model.Node) bool {
		return r.Server.Answered && r.Server.LinkUp && r.Server.Follows == n.Address
	})
}
