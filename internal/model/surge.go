package model

import "slices"

// Leftover is the claim of a node that is no more, or not yet: its ordinal lies
// beyond what the StatefulSet is asked for.
type Leftover struct {
	Claim   string
	Ordinal int
	// Going: Kubernetes has been asked to delete it, or does so once its pod has
	// gone.
	Going bool
}

// Wished is the number of nodes that the shard is to have now: policy's, and one
// more while it surges. What the extra node is needed for cannot be told while the
// newest revision is unknown, and does not go on while the rollout is paused: then
// an extra node that is there stays, and one that is not does not come.
func (s Shard) Wished(policy Policy) int {
	open := s.Revision == "" || policy.Paused && s.staleBelow(policy.Nodes)
	switch {
	case s.relieved(policy):
		return policy.Nodes + 1
	case surges(policy) && open:
		return min(max(s.Size, policy.Nodes), policy.Nodes+1)
	}
	return policy.Nodes
}

// relieved says that an extra node is needed: by a rollout that is to go on, or by
// a lone node which is to be left and has nobody else to hand over to.
func (s Shard) relieved(policy Policy) bool {
	if policy.Strategy != StrategyHandover || s.Emptied() {
		return false
	}
	if policy.Nodes == 1 && mayLeave(policy) && s.evacuated() {
		return true
	}
	return surges(policy) && !policy.Paused && s.staleBelow(policy.Nodes)
}

// surges says that a rollout is given an extra node: always if the user wants it so,
// or where it would otherwise leave one copy, or a copy that no volume outlives, or
// nobody to hand over to.
func surges(policy Policy) bool {
	switch policy.Surge {
	case SurgeAlways:
		return policy.Strategy == StrategyHandover
	case SurgeAuto:
		return policy.Strategy == StrategyHandover && (policy.Nodes <= 2 || !policy.Durable)
	case SurgeNever:
	}
	return false
}

func mayLeave(policy Policy) bool { return policy.Surge == SurgeAuto || policy.Surge == SurgeAlways }

// evacuated says that the host of the first node is to be left.
func (s Shard) evacuated() bool {
	return slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.Ordinal == 0 && n.Evacuate != "" })
}

// staleBelow says that one of the first nodes runs an older revision. That of the
// extra one does not matter: it leaves.
func (s Shard) staleBelow(nodes int) bool {
	return slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.Ordinal < nodes && s.Stale(n) })
}

// Extra says that the node is more than is wished for in the end: the one that
// surges, or one that is to leave.
func (p Policy) Extra(n Node) bool { return n.Ordinal >= p.Nodes }
