package topology

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// RestartGates hold while too few Sentinels agree on the primary, or fail over: what
// is taken down now may be what they are about to promote. And they hold while one does not
// know a replica that is in service, such as the extra node of a rollout: they hear of one
// from the primary alone, and if that were lost, nobody could have it promoted any more.
func (s sentinel) RestartGates(shard model.Shard) []model.Hold {
	primary, ok := shard.Primary()
	if !ok {
		return nil
	}
	if holds := s.unrest(shard, primary); len(holds) > 0 {
		return holds
	}
	for _, n := range s.watching() {
		if name := unheardOf(shard, primary, n); name != "" && shard.Stays(primary) {
			return []model.Hold{hold(shard, model.SentinelsDisagree, n.Name, "it does not know "+name+" yet, which takes up to 10 s")}
		}
	}
	return nil
}

// unheardOf is a replica in service that a Sentinel does not know; empty when there is none.
func unheardOf(shard model.Shard, primary model.Node, n model.SentinelNode) string {
	for _, r := range shard.Nodes {
		known := slices.ContainsFunc(n.Watch.Replicas, func(w model.WatchedReplica) bool { return w.Address == r.Address })
		if !known && r.Name != primary.Name && r.InService && model.Attached(primary, r) {
			return r.Name
		}
	}
	return ""
}

// HandoverGates hold besides until every Sentinel that answers knows the target as a
// replica that it could promote, and none that it must not, or would before the target.
func (s sentinel) HandoverGates(shard model.Shard, target model.Node) []model.Hold {
	if holds := s.replication.HandoverGates(shard, target); len(holds) > 0 {
		return holds
	}
	if holds := s.RestartGates(shard); len(holds) > 0 {
		return holds
	}
	primary, ok := shard.Primary()
	for _, n := range s.watching() {
		if h, able := promotable(shard, n, target); !able {
			return []model.Hold{h}
		}
		if h, steered := s.steered(shard, n, primary, target); ok && !steered {
			return []model.Hold{h}
		}
	}
	return nil
}

// steered says that a Sentinel has seen whom it must not promote in the target's place. A
// primary on its way out does not wait for that, and nobody for one that the Sentinel does
// not reach: it does not choose that one, which may not answer us either, and cannot be told.
func (s sentinel) steered(shard model.Shard, n model.SentinelNode, primary, target model.Node) (model.Hold, bool) {
	for _, r := range n.Watch.Replicas {
		other, ours := nodeAt(shard.Nodes, r.Address)
		if !ours || r.Priority == 0 || r.Down || other.Name == target.Name || !shard.Stays(primary) {
			continue
		}
		switch wished, _ := s.priority(shard, primary, other); {
		case wished == 0:
			return hold(shard, model.NoGoodReplica, other.Name, n.Name+" may still promote it, and it is not to become primary"), false
		case wished == model.LastPriority && r.Priority < wished:
			return hold(shard, model.NoGoodReplica, other.Name, n.Name+" may still promote it, and it leaves after the rollout"), false
		}
	}
	return model.Hold{}, true
}

// promotable says that a Sentinel could promote the target.
func promotable(shard model.Shard, n model.SentinelNode, target model.Node) (model.Hold, bool) {
	for _, r := range n.Watch.Replicas {
		switch {
		case r.Address != target.Address:
			continue
		case r.Down:
			return hold(shard, model.NoGoodReplica, target.Name, n.Name+" does not reach it"), false
		case r.Priority == 0:
			return hold(shard, model.NoGoodReplica, target.Name, n.Name+" has not seen its replica-priority yet, which takes up to 10 s"), false
		}
		return model.Hold{}, true
	}
	return hold(shard, model.NoGoodReplica, target.Name, n.Name+" does not know it yet"), false
}

// unrest is what keeps any node from being touched. A Sentinel that does not answer
// is no hindrance as long as enough others agree: it hears from them later.
func (s sentinel) unrest(shard model.Shard, primary model.Node) []model.Hold {
	agree := 0
	for _, n := range s.set.Nodes {
		if !n.Answered {
			continue
		}
		if h, ok := s.calm(shard, primary, n); !ok {
			return []model.Hold{h}
		}
		if n.Watch.NoQuorum != "" {
			return []model.Hold{hold(shard, model.QuorumLost, n.Name, n.Watch.NoQuorum)}
		}
		agree++
	}
	if agree < s.set.Needed() {
		return []model.Hold{hold(shard, model.QuorumLost, "", fmt.Sprintf("%d Sentinels agree on %s, %d have to", agree, primary.Name, s.set.Needed()))}
	}
	return nil
}

// calm says that a Sentinel names the primary, reaches it, and does not fail over.
func (s sentinel) calm(shard model.Shard, primary model.Node, n model.SentinelNode) (model.Hold, bool) {
	switch {
	case n.Watch == nil:
		return hold(shard, model.SentinelsDisagree, n.Name, "it watches nobody yet"), false
	case n.Watch.FailingOver:
		return hold(shard, model.SentinelFailover, n.Name, "it fails over"), false
	case n.Watch.Primary != primary.Address:
		return hold(shard, model.SentinelsDisagree, n.Name, fmt.Sprintf("it names %s, and %s is primary", at(shard, n.Watch.Primary), primary.Name)), false
	case n.Tilt:
		return hold(shard, model.SentinelsDisagree, n.Name, "it is in TILT mode: its clock or its host has stood still; it ends by itself after 30 s"), false
	case n.Watch.Down:
		return hold(shard, model.SentinelsDisagree, n.Name, "it does not reach "+primary.Name), false
	}
	return model.Hold{}, true
}
