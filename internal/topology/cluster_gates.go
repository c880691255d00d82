package topology

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// RestartGates hold while the cluster is not whole and of one mind, or slots of
// the shard are on their way.
func (c cluster) RestartGates(shard model.Shard) []model.Hold {
	if h, ok := c.unrest(shard); ok {
		return []model.Hold{h}
	}
	if h, ok := c.moving(shard); ok {
		return []model.Hold{h}
	}
	return nil
}

// HandoverGates hold besides until every primary knows the target as what it
// is: they vote for it, and send its clients there.
func (c cluster) HandoverGates(shard model.Shard, target model.Node) []model.Hold {
	if holds := c.RestartGates(shard); len(holds) > 0 {
		return holds
	}
	primary, ok := shard.Primary()
	if !ok || primary.Server.Cluster == nil || target.Server.Cluster == nil {
		return []model.Hold{hold(shard, model.Joining, target.Name, "it is no member of the cluster yet")}
	}
	for _, owner := range c.owners() {
		m, known := owner.view[target.Server.Cluster.ID]
		switch {
		case !known:
			return []model.Hold{hold(shard, model.Joining, target.Name, owner.node.Name+" does not know it")}
		case m.Address != target.Address:
			return []model.Hold{hold(shard, model.Joining, target.Name, fmt.Sprintf("%s knows it under %s, not %s", owner.node.Name, m.Address, target.Address))}
		case m.Role != model.RoleReplica || m.Primary != primary.Server.Cluster.ID:
			return []model.Hold{hold(shard, model.ClusterDisagrees, target.Name, fmt.Sprintf("%s does not know it as a replica of %s", owner.node.Name, primary.Name))}
		case m.Failed || m.Suspected || !m.Linked:
			return []model.Hold{hold(shard, model.ClusterDisagrees, target.Name, owner.node.Name+" does not reach it")}
		}
	}
	return nil
}

// unrest is what keeps the whole cluster from being touched: slots that nobody
// serves, primaries that see it differently, or a failover under way anywhere:
// two at a time take each other's votes.
func (c cluster) unrest(shard model.Shard) (model.Hold, bool) {
	owners := c.owners()
	if missing := everything().Minus(c.owned()); !missing.Empty() {
		return hold(shard, model.SlotsUncovered, "", fmt.Sprintf("%d hash slots are served by nobody: %s", missing.Count(), missing)), true
	}
	agree, dissenter := 0, member{}
	for _, o := range owners {
		if o.node.Server.FailingOver {
			return hold(shard, model.HandoverInProgress, o.node.Name, "a failover runs on it; one at a time"), true
		}
		if c.agrees(o, owners) {
			agree++
			continue
		}
		dissenter = o
	}
	if agree <= len(owners)/2 {
		return hold(shard, model.ClusterDisagrees, dissenter.node.Name, fmt.Sprintf(
			"only %d of %d primaries see the cluster as it is", agree, len(owners))), true
	}
	return model.Hold{}, false
}

// agrees says that a primary finds the cluster in order, and knows each primary
// with its slots.
func (c cluster) agrees(o member, owners []member) bool {
	if !o.node.Server.Cluster.OK {
		return false
	}
	return !slices.ContainsFunc(owners, func(p member) bool {
		m, known := o.view[p.id()]
		return !known || m.Failed || m.Role != model.RolePrimary || !slices.Equal(m.Slots, p.node.Server.Owned())
	})
}

// moving says that slots go from or to the shard.
func (c cluster) moving(shard model.Shard) (model.Hold, bool) {
	for _, m := range c.members {
		to, slots := c.movesOf(m)
		if slots.Empty() || (m.shard != shard.Name && !slices.Contains(to, shard.Name)) {
			continue
		}
		return hold(shard, model.SlotsMoving, m.node.Name, fmt.Sprintf("%d slots are on their way: %s", slots.Count(), slots)), true
	}
	return model.Hold{}, false
}

// movesOf are the slots that a server gives away or takes at present, and the
// shards at the other end.
func (c cluster) movesOf(m member) (ends []string, slots model.Slots) {
	end := func(id string) {
		if other, ok := c.byID(id); ok {
			ends = append(ends, other.shard)
		}
	}
	for _, move := range m.node.Server.Cluster.Moves {
		if move.State == model.MoveRuns {
			slots = slots.Plus(move.Slots)
			end(move.To)
		}
	}
	for _, open := range []map[int]string{m.self.Giving, m.self.Taking} {
		for slot, id := range open {
			slots = slots.Plus(model.NewSlots(model.SlotRange{First: slot, Last: slot}))
			end(id)
		}
	}
	return ends, slots
}
