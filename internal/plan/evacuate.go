package plan

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// evacuate moves the role of a primary whose host is to be emptied to a replica
// elsewhere. The primary's budget makes an eviction wait until then: so whoever drains the
// host waits for this, and nobody's writes do.
//
// It only ever decides when there is somebody to hand over to, and it can begin now, or in
// a moment. While nobody is there, or it has just failed, or the servers were not ready for
// it, the shard's life goes on: a rollout, a scaling or a migration of slots that is under
// way may be what brings about what it needs. Then it comes again. Nor is one replica waited
// for that is not needed for it: it may be the very one that the drain has just sent away.
func evacuate(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	primary, ok := leavesHost(rules, shard)
	if !ok {
		return model.Decision{}
	}
	d := rollout.HandOverOn(elsewhere(rules, policy, shard, primary), rules, policy, shard, shard.Nodes)
	if d.Step != nil && !d.Step.Same(shard.Attempt.Refused) || waitsForServices(d) {
		return d
	}
	return model.Decision{}
}

// evacuationHolds says why a primary that is to leave its host has not done so, beside a step
// that is not its handover.
func evacuationHolds(rules topology.Rules, policy model.Policy, shard model.Shard, step model.Step) []model.Hold {
	primary, ok := leavesHost(rules, shard)
	if _, hands := step.(model.Handover); !ok || hands {
		return nil
	}
	holds := hold(shard, model.EvacuationWaits, primary.Name,
		fmt.Sprintf("it is to hand over (%s), and cannot yet%s", primary.Evacuate, pausedAdvice(policy, shard))).Holds
	d := rollout.HandOverOn(elsewhere(rules, policy, shard, primary), rules, policy, shard, shard.Nodes)
	if d.Step != nil {
		return append(holds, shard.Attempt.Gate)
	}
	return append(holds, d.Holds...)
}

// pausedAdvice is what a person can do where a rollout that is paused leaves nobody to hand over to:
// the role does not go back to an older revision, which may not know what was written by the
// newer one.
func pausedAdvice(policy model.Policy, shard model.Shard) string {
	if policy.Paused && slices.ContainsFunc(shard.Nodes, shard.Stale) {
		return "; the rollout is paused (spec.rollout.paused), so no other node becomes one of the newest revision: resume it"
	}
	return ""
}

// budgetHolds says why a replica whose host is to be left is not let go: its budget keeps all
// replicas but one, and that one is away already, for a cause that does not pass by itself.
// So it is with volumes that are bound to the host that both of them are on. To give up the
// last replica but for the primary is for a person to decide.
func budgetHolds(policy model.Policy, shard model.Shard, step model.Step) []model.Hold {
	primary, ok := shard.Primary()
	if !ok || step != nil || policy.Nodes < 3 {
		return nil
	}
	away := slices.IndexFunc(shard.Nodes, func(n model.Node) bool { return n.Name != primary.Name && n.Down() && n.Trouble != "" })
	if away < 0 {
		return nil
	}
	var holds []model.Hold
	for _, n := range shard.Nodes {
		if n.Name != primary.Name && n.Evacuate != "" && !n.Down() {
			holds = append(holds, hold(shard, model.EvacuationWaits, n.Name, fmt.Sprintf(
				"%s, and its budget lets no replica go while %s is down (%s): bring that one back, or delete the pod %s if the host has to go all the same",
				n.Evacuate, shard.Nodes[away].Name, shard.Nodes[away].Trouble, n.Name)).Holds...)
		}
	}
	return holds
}

// onlyHeir says that a primary is to leave its host, and that this node alone could take
// over from it, if it could begin.
func onlyHeir(rules topology.Rules, policy model.Policy, shard model.Shard, n model.Node) bool {
	primary, ok := leavesHost(rules, shard)
	if !ok || n.Name == primary.Name {
		return false
	}
	suits := elsewhere(rules, policy, shard, primary).Suits
	able := func(n model.Node) bool { return suits(n) && model.Synced(primary, n, policy.MaxLag) }
	return able(n) && !slices.ContainsFunc(shard.Nodes, func(other model.Node) bool {
		return other.Name != n.Name && other.Name != primary.Name && able(other)
	})
}

// standInHolds says why a lone node's extra one has the role and does not give it back: the
// other has handed over because its host is to be left, and nobody has sent it away yet.
// That is not for the operator to do: a host that is cordoned may be uncordoned again.
// It is said where nothing else is done.
func standInHolds(policy model.Policy, shard model.Shard, step model.Step) []model.Hold {
	primary, ok := shard.Primary()
	if !ok || step != nil || policy.Nodes != 1 || !policy.Extra(primary) || shard.Wished(policy) == policy.Nodes {
		return nil
	}
	n := shard.Nodes[0]
	switch {
	case n.Evacuate == "":
		return nil
	case n.Phase == model.PodTerminating:
		return hold(shard, model.PodStarting, n.Name, fmt.Sprintf("its pod is on its way out; %s is primary in its place", primary.Name)).Holds
	}
	return hold(shard, model.EvictionAwaited, n.Name, fmt.Sprintf(
		"%s, and its pod is still there: evict or delete the pod, or withdraw that request; %s is primary in its place until then", n.Evacuate, primary.Name)).Holds
}

// leavesHost is the primary of a shard, if its host is to be emptied and it is not on its
// way out already.
func leavesHost(rules topology.Rules, shard model.Shard) (model.Node, bool) {
	primary, ok := shard.Primary()
	return primary, ok && primary.Evacuate != "" && primary.Phase == model.PodRunning && serves(rules, shard)
}

// serves says that there is a role to hand over: the servers of a cluster elect nobody in
// the place of a primary that owns no slots.
func serves(rules topology.Rules, shard model.Shard) bool { return rules.Routed() || shard.OwnsSlots() }

// elsewhere are the terms of an evacuation. Of those that may take over a fresh node is
// preferred.
func elsewhere(rules topology.Rules, policy model.Policy, shard model.Shard, primary model.Node) rollout.Terms {
	return rollout.Terms{
		Alone:   true,
		Suits:   func(n model.Node) bool { return shard.Heir(primary, n) && rules.Elects(shard, n) },
		Prefers: func(a, b model.Node) bool { return standing(policy, shard, a) > standing(policy, shard, b) },
	}
}

// standing is how good a node is in the role, and how likely to keep it.
func standing(policy model.Policy, shard model.Shard, n model.Node) int {
	points := 0
	for _, good := range []struct {
		is     bool
		points int
	}{
		{!n.Server.RefusesWrites, 16},
		{n.Evacuate == "", 8},
		{!n.Draining, 4},
		{shard.Fresh(n), 2},
		{n.Ordinal < policy.Nodes, 1}, // neither a surge nor to be scaled away
	} {
		if good.is {
			points += good.points
		}
	}
	return points
}

// waitsForServices says that the handover only waits for Services to come to rest.
func waitsForServices(d model.Decision) bool {
	return slices.ContainsFunc(d.Holds, func(h model.Hold) bool { return h.Reason == model.ServicesBusy })
}
