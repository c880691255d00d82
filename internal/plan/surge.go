package plan

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// A surge is one node more than is wished for, at the ordinal after the last one.
// Whether there is to be one is Shard.Wished's answer, from what is seen alone:
//
//   - It comes while a pod of a lower ordinal is stale. The StatefulSet makes it of
//     the newest revision, so it is the canary too: the rollout holds while any
//     node is down or not synced, and so touches nothing before the extra node is
//     in service. One that cannot start is replaced when the spec is mended, or
//     goes when the spec no longer asks for it.
//   - A lone primary hands over to it, any other one to the replicas that stay:
//     they have lower ordinals, and Sentinels choose it last of all.
//   - It goes once every other pod is fresh and synced, as any node does that is
//     scaled in: a primary among those that leave hands over first (scale.go).
//     While the last of them is away or starts, that keeps it.
//   - A second change in the midst of a rollout makes it stale too. Then it is the
//     first to be restarted, or, if it is primary, hands over without having been.
//   - While the rollout is paused, and while the newest revision is not known, it
//     neither comes nor goes.
//   - Without a wish for it any more (surge: Never) it goes before anything else is
//     touched, unless it is primary and nobody else is fresh.

// surgeOut adds the extra node. Nodes that are wished for for good come before it.
func surgeOut(policy model.Policy, shard model.Shard) model.Decision {
	if d := leftover(shard, shard.Size); d.Made() {
		return d
	}
	return model.Do(model.Scale{From: shard.Size, To: policy.Nodes + 1})
}

// addsExtra says that a step adds the extra node of a rollout.
func addsExtra(policy model.Policy, step model.Step) bool {
	s, ok := step.(model.Scale)
	return ok && s.From == policy.Nodes && s.To == policy.Nodes+1
}

// surged says that a shard has an extra node which runs the newest revision: its
// rollout has begun, and has not ended before that one has left.
func surged(policy model.Policy, shard model.Shard) bool {
	return !shard.Emptied() && slices.ContainsFunc(shard.Nodes, func(n model.Node) bool { return policy.Extra(n) && shard.Fresh(n) })
}

// leftover holds while the claim of an earlier pod of this ordinal is there. What it
// holds would not get into service: a server boots as a replica of nobody, or is
// held back, and synchronises in full. But it would be loaded first, which takes as
// long as it takes, from a volume that is about to be deleted under the server, or
// that is in another zone than this pod could be in; and a member of a cluster would
// come up as who it once was.
func leftover(shard model.Shard, ordinal int) model.Decision {
	for _, l := range shard.Leftovers {
		if l.Ordinal != ordinal {
			continue
		}
		detail := fmt.Sprintf("the volume claim %[1]s is there already, and belongs to no pod: that of a pod that was refused, or had just gone, "+
			"when it was not wished for any more, or of an earlier instance of that name; Kubernetes deletes a claim only with its pod. "+
			"If you do not need what is in it: kubectl delete pvc %[1]s", l.Claim)
		if l.Going {
			detail = fmt.Sprintf("the claim %s of an earlier pod of that name is about to go; if it does not, see which finalizers or pods keep it", l.Claim)
		}
		return hold(shard, model.ClaimLeft, fmt.Sprintf("%s-%d", shard.Name, ordinal), "no pod is added, and nothing else is touched: "+detail)
	}
	return model.Decision{}
}

// claimsLeft is asked last: the claims of nodes that have left are waited for, but
// nothing waits for them.
func claimsLeft(_ topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	for _, l := range shard.Leftovers {
		if l.Going && l.Ordinal >= shard.Size {
			return hold(shard, model.ClaimLeft, fmt.Sprintf("%s-%d", shard.Name, l.Ordinal), fmt.Sprintf(
				"it has left, and its claim %s is about to go; if that does not, see which finalizers or pods keep it", l.Claim))
		}
	}
	return model.Decision{}
}
