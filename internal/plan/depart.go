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
	d := rollout.HandOverOn(terms, rules, policy, shard, shard.Nodes)
	if d.Step == nil && !passes(d) {
		return model.Decision{}
	}
	return d
}

// passes says that only a moment has to pass.
func passes(d model.Decision) bool {
	return slices.ContainsFunc(d.Holds, func(h model.Hold) bool { return h.After > 0 })
}
