package plan

import (
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// departPatience is how long a primary on its way out waits for kube-proxy to be at rest:
// long enough for one turn of it.
const departPatience = 2 * time.Second

// depart hands over a primary whose pod somebody has deleted, evicted or preempted, or
// whose host shuts down, and which answers still: it waits for that (stop.sh), though not
// for ever. So it is done at once, to the best that there is, and nobody waits for the
// other replicas; whoever is synced is better than nobody, also one that has to leave its
// own host and hands over once more. Who cannot take over yet, by the topology's gates, is
// passed over: Sentinels see a new replica only after up to 10 s. After a while it is the
// pod's own step that does it, or has done it (model.DepartWithin): two failovers at once
// would disturb each other.
//
// One that has just been let go, and whose pod still runs, is called back before nobody
// takes over: the pod's own step could only hand over to it as it is, about to go.
func depart(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	if policy.Strategy != model.StrategyHandover {
		return model.Decision{}
	}
	primary, ok := shard.Primary()
	if !ok || primary.Phase != model.PodTerminating || primary.TerminatingFor >= model.DepartWithin || !serves(rules, shard) {
		return model.Decision{}
	}
	terms := rollout.Terms{
		Alone:    true,
		Patience: departPatience,
		Waited:   primary.TerminatingFor,
		Suits:    func(n model.Node) bool { return shard.Heir(primary, n) && len(rules.HandoverGates(shard, n)) == 0 },
		Prefers:  func(a, b model.Node) bool { return standing(policy, shard, a) > standing(policy, shard, b) },
	}
	if d := rollout.HandOverOn(terms, rules, policy, shard, shard.Nodes); d.Step != nil || passesWithTime(d) {
		return d
	}
	return recall(shard, func(n model.Node) bool { return model.Synced(primary, n, policy.MaxLag) })
}

// recall asks for one that has been let go again, while nobody has deleted its pod.
func recall(shard model.Shard, wanted func(model.Node) bool) model.Decision {
	for _, n := range shard.Nodes {
		if n.Ordinal >= shard.Size && n.Phase == model.PodRunning && wanted(n) {
			return model.Do(model.Scale{From: shard.Size, To: n.Ordinal + 1})
		}
	}
	return model.Decision{}
}

// recallPrimary calls a primary back that has been let go: it has become primary since, by
// whomever, and its pod would take writes along.
func recallPrimary(_ topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	primary, ok := shard.Primary()
	if !ok {
		return model.Decision{}
	}
	return recall(shard, func(n model.Node) bool { return n.Name == primary.Name })
}

// departureHolds says why a primary on its way out has not handed over, beside a step that is not
// its handover: its end will be an outage.
func departureHolds(rules topology.Rules, policy model.Policy, shard model.Shard, step model.Step) []model.Hold {
	primary, ok := shard.Primary()
	if _, hands := step.(model.Handover); !ok || hands || primary.Phase != model.PodTerminating || !serves(rules, shard) {
		return nil
	}
	says := func(why string) []model.Hold {
		return hold(shard, model.PodStarting, primary.Name, "it is primary, and its pod is on its way out; "+why).Holds
	}
	switch {
	case policy.Strategy != model.StrategyHandover:
		return says("with this strategy nobody takes over from it")
	case primary.TerminatingFor >= model.DepartWithin:
		return says("it is too late to hand over: its pod does that itself, if anybody can take over")
	}
	terms := rollout.Terms{Alone: true, Suits: func(n model.Node) bool { return shard.Heir(primary, n) }}
	return append(says("nobody can take over from it now"), rollout.HandOverOn(terms, rules, policy, shard, shard.Nodes).Holds...)
}

// passesWithTime says that a hold ends by itself when its time is over.
func passesWithTime(d model.Decision) bool {
	return slices.ContainsFunc(d.Holds, func(h model.Hold) bool { return h.After > 0 })
}
