package rollout

import "github.com/valkeeper/valkeeper/internal/model"

// Superseded replaces pods that have never been in service and whose revision
// is not the newest one any more: a bad spec, once mended, must not stay stuck.
// Such a pod is down already, and holds no acknowledged write that is not
// elsewhere (in its volume, if it has one, or on the other nodes).
func Superseded(policy model.Policy, shard model.Shard) model.Decision {
	if policy.Strategy != model.StrategyHandover || policy.Paused {
		return model.Decision{}
	}
	for _, n := range shard.Nodes {
		never := !n.Admitted && n.Down() && n.Server.Role != model.RolePrimary
		if never && shard.Stale(n) && n.Phase != model.PodTerminating {
			return model.Do(model.Restart{Node: n.Ref, Revision: shard.Revision,
				Why: "it has never been in service, and its revision is superseded"})
		}
	}
	return model.Decision{}
}
