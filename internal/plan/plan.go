// Package plan decides what is done next to an instance. It is a pure function
// of the Snapshot: no context, no client, no clock, no randomness, no logging.
package plan

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// decider looks at one shard. The first one that has something to do wins.
type decider func(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision

// deciders are the life of a shard, in order.
var deciders = []decider{
	replaceSuperseded, // a pod that never came up and has a newer spec
	elect,             // no primary: form the shard, or promote the best copy
	settle,            // two primaries: one has to follow
	publish,           // Services, labels and readiness show what the servers say
	failover,          // a FAILOVER that runs is waited for
	rejoin,            // every node follows the primary
	scale,             // the number of nodes
	rollout.Next,      // stale pods
}

// Next is the plan for an instance: at most one step for each shard, and the
// holds. What holds in one shard takes nothing away from another.
func Next(snap model.Snapshot) (model.Plan, error) {
	rules, err := topology.For(snap.Topology)
	if err != nil {
		return model.Plan{}, err
	}
	plan := model.Plan{Steps: map[string]model.Step{}}
	for _, shard := range snap.Shards {
		d := decide(rules, snap.Policy, shard)
		if d.Step != nil {
			plan.Steps[shard.Name] = d.Step
		}
		plan.Holds = append(plan.Holds, d.Holds...)
	}
	return plan, nil
}

func decide(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	for _, ask := range deciders {
		if d := ask(rules, policy, shard); d.Made() {
			return d
		}
	}
	return model.Decision{}
}

func replaceSuperseded(_ topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	return rollout.Superseded(policy, shard)
}

func hold(shard model.Shard, reason model.Reason, node, detail string) model.Decision {
	return model.Wait(model.Hold{Shard: shard.Name, Reason: reason, Node: node, Detail: detail})
}
