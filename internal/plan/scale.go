package plan

import (
	"slices"
	"time"

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
		return notYet(shard, primary, n)
	}
	if primary.Ordinal >= policy.Nodes {
		return leavingPrimary(rules, policy, shard, stay)
	}
	if onlyHeir(rules, policy, shard, leaving) {
		return model.Decision{} // the role has still to move, and only there it could
	}
	if d := rollout.Written(shard, stay); d.Made() {
		return d
	}
	if d := remade(shard, leaving); d.Made() {
		return d
	}
	if leaving.Down() {
		return model.Do(model.Scale{From: shard.Size, To: shard.Size - 1})
	}
	if d := rollout.Unwritten(shard, stay); d.Made() {
		return d
	}
	if holds := rules.RestartGates(shard); len(holds) > 0 {
		return model.Wait(holds...)
	}
	if d := rollout.Drained(rules, policy, shard, leaving); d.Made() {
		return d
	}
	return model.Do(model.Scale{From: shard.Size, To: shard.Size - 1})
}

// remaking is what the StatefulSet's controller is given to make a pod that has gone: it
// takes it milliseconds, unless the pod is refused.
const remaking = 5 * time.Second

// remade holds while a pod that is to leave has only just gone. Kubernetes deletes a claim
// with the pod that leaves, and without a pod leaves the claim (kubernetes v1.37
// pkg/controller/statefulset fixPodClaim). After that time the pod is taken to be refused, and
// is given up without: to wait for it would keep the shard from all else that is asked of
// it. Its claim may then stay. The operator has no right to delete claims, on purpose: none
// of its mistakes can cost data in that way. One that is not bound keeps nobody waiting
// (observe's leftovers), for any other leftover says what to do.
func remade(shard model.Shard, leaving model.Node) model.Decision {
	if leaving.Phase != model.PodAbsent || leaving.AbsentFor >= remaking {
		return model.Decision{}
	}
	return model.Wait(model.Hold{Shard: shard.Name, Reason: model.PodStarting, Node: leaving.Name, After: remaking - leaving.AbsentFor,
		Detail: "it is to leave, and is just being made anew: a volume claim goes only with its pod"})
}

// notYet holds for a node that stays and has not synced.
func notYet(shard model.Shard, primary, n model.Node) model.Decision {
	h := model.Hold{Shard: shard.Name, Reason: model.NotSynced, Node: n.Name, Detail: rollout.WhyNotSynced(primary, n)}
	if n.Down() {
		h = rollout.WhyDown(shard, primary, n)
	}
	h.Detail = "no pod leaves before it has synced: " + h.Detail
	return model.Wait(h)
}

// leavingPrimary hands over to a node that stays. All of those are synced; others that are
// to leave keep it from nothing, and may never be, as one that cannot start. While none of
// those that stay is fresh the rollout goes first: it is asked next.
func leavingPrimary(rules topology.Rules, policy model.Policy, shard model.Shard, stay []model.Node) model.Decision {
	if shard.Revision != "" && !slices.ContainsFunc(stay, shard.Fresh) {
		return model.Decision{}
	}
	return rollout.HandOverOn(rollout.Terms{Alone: true}, rules, policy, shard, stay)
}
