package rollout

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Superseded replaces pods that have never been in service and whose revision
// is not the newest one any more: a bad spec, once mended, must not stay stuck.
// Such a pod is down already, and holds no acknowledged write that is not
// elsewhere (in its volume, if it has one, or on the other nodes), unless the
// shard has just lost its primary.
//
// One that is not wished for any more is left to the scaling in. Its eviction would only
// risk that the StatefulSet is scaled in in the very moment in which there is no pod:
// Kubernetes deletes a claim with the pod that leaves (kubernetes v1.37
// pkg/controller/statefulset fixPodClaim), and so would leave this one for ever.
func Superseded(policy model.Policy, shard model.Shard) model.Decision {
	if policy.Strategy != model.StrategyHandover || policy.Paused {
		return model.Decision{}
	}
	wished := shard.Wished(policy)
	for _, n := range shard.Nodes {
		if n.Ordinal >= wished {
			continue
		}
		never := !shard.Served(n) && n.Down() && n.Server.Role != model.RolePrimary
		if never && shard.Stale(n) && n.Phase != model.PodTerminating && !lastCopy(shard, n) {
			return model.Do(model.Restart{Node: n.Ref, Revision: shard.Revision,
				Why: "it has never been in service, and its revision is superseded"})
		}
	}
	return model.Decision{}
}

// lastCopy says that a pod that was never in service has data, or is about to
// have, while the shard has no primary, or one that is on its way out: it may
// have synchronised just before that was lost. One that is silent is not waited for: a bad
// spec may be what keeps it so, and its mending is what the shard waits for.
func lastCopy(shard model.Shard, n model.Node) bool {
	return n.Server.Answered && (n.Server.Keys > 0 || n.Server.Loading || n.Server.Follows != model.Nobody) &&
		!slices.ContainsFunc(shard.Primaries(), shard.Stays)
}

// RestartsUnled says that a pod of an older revision, whose data are in a volume, does not
// come up as it is: it may be restarted although the shard has no primary, and perhaps
// never will before. Data in an emptyDir would go with the pod; to give them up is for a
// person to decide. One that has only crashed comes back by itself, with the revision that
// it served with: the newest one may be what keeps the extra pod of a rollout from coming up.
func RestartsUnled(policy model.Policy, shard model.Shard, n model.Node) bool {
	return policy.Strategy == model.StrategyHandover && !policy.Paused && policy.Durable &&
		n.CannotStart && n.Phase != model.PodTerminating && shard.Stale(n)
}
