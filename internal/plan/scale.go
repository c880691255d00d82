package plan

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// scale brings the number of pods to what the spec wants. Out goes at once. In
// goes one pod at a time, from the highest ordinal, as a StatefulSet does; a
// primary among those that leave hands over first. A shard that has given everything
// away goes as a whole (topology's Reshard). The extra node of a rollout comes after
// those that stay (surge.go).
func scale(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	wished := shard.Wished(policy)
	switch {
	case wished == shard.Size || shard.Emptied():
		return model.Decision{}
	case policy.Nodes > shard.Size:
		return scaleOut(policy, shard)
	case wished > shard.Size:
		return surgeOut(policy, shard)
	}
	policy.Nodes = wished // who is to stay now
	primary, ok := shard.Primary()
	if !ok {
		return hold(shard, model.PrimaryNotVisible, "", "no single server says that it is primary")
	}
	if primary.Down() {
		return hold(shard, model.NodeDown, primary.Name, "no pod is taken away while the primary is not Ready, or is on its way out")
	}
	return scaleIn(rules, policy, shard, primary)
}

func scaleOut(policy model.Policy, shard model.Shard) model.Decision {
	for ordinal := shard.Size; ordinal < policy.Nodes; ordinal++ {
		if d := leftover(shard, ordinal); d.Made() {
			return d
		}
	}
	return model.Do(model.Scale{From: shard.Size, To: policy.Nodes})
}

func scaleIn(rules topology.Rules, policy model.Policy, shard model.Shard, primary model.Node) model.Decision {
	leaving := shard.Nodes[len(shard.Nodes)-1]
	if leaving.Ordinal >= shard.Size {
		return hold(shard, model.PodStarting, leaving.Name, "its pod is on its way out")
	}
	stay := slices.DeleteFunc(slices.Clone(shard.Nodes), func(n model.Node) bool { return n.Ordinal >= policy.Nodes })
	for _, n := range stay {
		if n.Name == primary.Name || model.Synced(primary, n, policy.MaxLag) {
			continue
		}
		if n.Down() && shard.Stale(n) {
			return model.Decision{} // the rollout may have to restart it first
		}
		return hold(shard, model.NotSynced, n.Name, "no pod leaves before it has synced: "+rollout.WhyNotSynced(primary, n))
	}
	if primary.Ordinal >= policy.Nodes {
		return leavingPrimary(rules, policy, shard, stay)
	}
	if onlyHeir(rules, policy, shard, leaving) {
		return model.Decision{} // the role has still to move, and only there it could
	}
	if leaving.Down() {
		return model.Do(model.Scale{From: shard.Size, To: shard.Size - 1})
	}
	if holds := rules.RestartGates(shard); len(holds) > 0 {
		return model.Wait(holds...)
	}
	if d := rollout.Drained(rules, policy, shard, leaving); d.Made() {
		return d
	}
	return model.Do(model.Scale{From: shard.Size, To: shard.Size - 1})
}

// leavingPrimary hands over to a node that stays. While none of those is fresh
// the rollout goes first: it is asked next.
func leavingPrimary(rules topology.Rules, policy model.Policy, shard model.Shard, stay []model.Node) model.Decision {
	if shard.Revision != "" && !slices.ContainsFunc(stay, shard.Fresh) {
		return model.Decision{}
	}
	return rollout.HandOver(rules, policy, shard, stay)
}
