package topology

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// rank lets the Sentinels promote a replica once it is in service, one that leaves after
// the rollout last of all, and none while it is shunned.
func (s sentinel) rank(shard model.Shard, primary model.Node) model.Decision {
	for _, n := range shard.Nodes {
		if n.Name == primary.Name || n.Phase != model.PodRunning || !n.Server.Answered || n.Server.Role != model.RoleReplica {
			continue
		}
		wished, why := s.priority(shard, primary, n)
		inStep := n.InService && model.Attached(primary, n)
		if wished == n.Server.Priority || (wished > 0 && !inStep) {
			continue
		}
		return model.Do(model.Rank{Node: n.Ref, Priority: wished, Why: why})
	}
	return model.Decision{}
}

// priority is what a replica's replica-priority is to be once its copy is in step. The
// extra node of a rollout comes after all others, so that the role does not move to it and
// once more before it goes; but it is never ranked out: it may be the only copy that is
// left. Sentinels go by priorities before they go by offsets. So it comes last only while
// every other one that they could choose is in step.
func (s sentinel) priority(shard model.Shard, primary, n model.Node) (priority int, why string) {
	switch {
	case s.shunned(shard, primary, n):
		return 0, "it is not to take over"
	case !s.policy.Extra(n):
		return model.UsualPriority, "its copy is in step with the primary's"
	case slices.ContainsFunc(shard.Nodes, func(o model.Node) bool { return o.Name != n.Name && behind(primary, o) }):
		return model.UsualPriority, "another one that may be promoted is not in step with the primary"
	}
	return model.LastPriority, "it leaves after the rollout"
}

// behind says that Sentinels could promote a replica whose copy may lack much.
func behind(primary, n model.Node) bool {
	return n.Name != primary.Name && n.Server.Answered && n.Server.Role == model.RoleReplica && n.Server.Priority > 0 && !model.Attached(primary, n)
}

// Elects is false for one that is to leave: no Sentinel would promote it.
func (s sentinel) Elects(shard model.Shard, n model.Node) bool { return s.keeps(shard, n) }

// shunned says that a replica is not to be promoted. One is that is to leave. The others
// are while somebody else could be, since those that are as good as each other are the
// Sentinels' to choose from: one whose host is to be emptied, or that would refuse writes;
// and, when the role is to leave the primary for another cause than a rollout, one that may
// not take over. A rollout has no need of that: by the time of its handover every replica
// is fresh. A primary on its way out has no time for it: until Sentinels have seen a new
// priority its pod is gone.
func (s sentinel) shunned(shard model.Shard, primary, n model.Node) bool {
	instead := func(suits func(o model.Node) bool) bool {
		return slices.ContainsFunc(shard.Nodes, func(o model.Node) bool {
			return o.Name != primary.Name && s.keeps(shard, o) && o.InService && model.Attached(primary, o) && suits(o)
		})
	}
	switch {
	case !s.keeps(shard, n):
		return true
	case !shard.Stays(primary):
		return false
	case n.Evacuate != "", n.Server.RefusesWrites:
		return instead(func(o model.Node) bool { return o.Evacuate == "" && !o.Server.RefusesWrites })
	}
	leaves := primary.Evacuate != "" || !s.keeps(shard, primary)
	return leaves && !shard.Heir(primary, n) && instead(func(o model.Node) bool { return shard.Heir(primary, o) })
}
