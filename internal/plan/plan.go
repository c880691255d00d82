// Package plan decides what is done next to an instance. It is a pure function
// of the Snapshot: no context, no client, no clock, no randomness, no logging.
package plan

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// decider looks at one shard. The first one that has something to do wins.
type decider func(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision

// deciders are the life of a shard, in order. First what heals it.
var deciders = []decider{
	replaceSuperseded, // a pod that never came up and has a newer spec
	elect,             // no primary: form the shard, or promote the best copy
	meet,              // strangers are introduced to the cluster
	settle,            // two primaries: one has to follow; one that is not trusted
	recallPrimary,     // a primary that has been let go is called back
	publish,           // Services, labels and readiness show what the servers say
	failover,          // a FAILOVER that runs is waited for
	depart,            // a primary on its way out hands over at once
	rejoin,            // every node follows the primary
	tellSentinels,     // Sentinels are told whom to name
	forget,            // members that are no more
	evacuate,          // a primary leaves a host that is to be emptied
}

// changers come after that: what is asked of the shard. Beside each of their decisions
// stands why a primary that is to leave its host has not done so (evacuationHolds), why
// its pod is there still afterwards (standInHolds), why a replica may not leave
// (budgetHolds), or why a primary on its way out has not handed over (departureHolds).
var changers = []decider{
	scale,      // the number of nodes
	joining,    // every node is a member that all others know
	reshard,    // which shard serves which slots
	before,     // what is changed beside the shard first
	roll,       // stale pods
	after,      // what is changed beside the shard last
	claimsLeft, // claims of nodes that have left
	unsaved,    // nodes that cannot write to their volumes
}

// Next is the plan for an instance: at most one step for each shard, and the
// holds. What holds in one shard takes nothing away from another; only what
// would endanger another waits for it (exclusive.go).
func Next(snap model.Snapshot) (model.Plan, error) {
	rules, err := topology.For(snap)
	if err != nil {
		return model.Plan{}, err
	}
	decisions := make([]model.Decision, len(snap.Shards))
	for i, shard := range snap.Shards {
		decisions[i] = decide(rules, snap.Policy, shard)
	}
	exclude(snap, decisions)
	plan := model.Plan{Steps: map[string]model.Step{}}
	for i, d := range decisions {
		if d.Step != nil {
			plan.Steps[snap.Shards[i].Name] = d.Step
		}
		plan.Holds = append(plan.Holds, d.Holds...)
	}
	return plan, nil
}

func decide(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	if shard.Size == 0 {
		return withoutPods(policy, shard)
	}
	if d := first(deciders, rules, policy, shard); d.Made() {
		return d
	}
	d := first(changers, rules, policy, shard)
	d.Holds = append(d.Holds, evacuationHolds(rules, policy, shard, d.Step)...)
	d.Holds = append(d.Holds, standInHolds(policy, shard, d.Step)...)
	d.Holds = append(d.Holds, budgetHolds(policy, shard, d.Step)...)
	d.Holds = append(d.Holds, departureHolds(rules, policy, shard, d.Step)...)
	return d
}

// first is what the first of them decides that has something to do.
func first(ask []decider, rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	for _, one := range ask {
		if d := one(rules, policy, shard); d.Made() {
			return d
		}
	}
	return model.Decision{}
}

// withoutPods is a shard whose StatefulSet is asked for no pod: it has left, and
// comes back if it is wished for again, or if it was taken away before it had given
// everything away.
func withoutPods(policy model.Policy, shard model.Shard) model.Decision {
	switch {
	case len(shard.Nodes) > 0:
		return hold(shard, model.PodStarting, shard.Nodes[0].Name, "its pod is on its way out")
	case shard.Leaving && shard.Memory.Slots.Empty():
		return model.Decision{}
	case shard.Leaving && !shard.Exists:
		return hold(shard, model.ShardLost, "", fmt.Sprintf(
			"its StatefulSet was deleted before it had given its %d slots away: set spec.shards to %d at least, and it comes back with the volumes that it left",
			shard.Memory.Slots.Count(), shard.Index+1))
	case !shard.Exists:
		return hold(shard, model.PodStarting, "", "its StatefulSet is not there yet")
	}
	return model.Do(model.Scale{From: 0, To: policy.Nodes})
}

func replaceSuperseded(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	if d := rollout.Superseded(policy, shard); d.Made() {
		return d
	}
	return rules.Superseded(policy)
}

func before(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	return rules.Before(policy, shard)
}

func roll(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	return rollout.Next(rules, policy, shard)
}

func after(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	return rules.After(policy, shard)
}

// meet only introduces: a node that is about to join keeps nobody waiting here.
func meet(rules topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	if rules.Routed() {
		return model.Decision{}
	}
	return introductions(rules, shard)
}

// tellSentinels comes after what clients and replicas wait for: one Sentinel that cannot be told
// keeps neither from the primary.
func tellSentinels(rules topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	if !rules.Routed() {
		return model.Decision{}
	}
	return introductions(rules, shard)
}

func introductions(rules topology.Rules, shard model.Shard) model.Decision {
	if d := rules.Meet(shard); d.Step != nil {
		return d
	}
	return model.Decision{}
}

func joining(rules topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	return rules.Meet(shard)
}

func forget(rules topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	return rules.Forget(shard)
}

// reshard lets the rollout of the shard go first.
func reshard(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	d := rules.Reshard(shard)
	if move, ok := d.Step.(model.MoveSlots); ok && !move.Begun && hasStale(policy, shard) {
		return model.Decision{}
	}
	return d
}

func hold(shard model.Shard, reason model.Reason, node, detail string) model.Decision {
	return model.Wait(model.Hold{Shard: shard.Name, Reason: reason, Node: node, Detail: detail})
}
