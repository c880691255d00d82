package model

// Suits says that nothing of its own speaks against a node in the primary's role: it
// stays, has not been drained, need not leave its host, and would take writes.
func (s Shard) Suits(n Node) bool {
	return s.Stays(n) && !n.Draining && n.Evacuate == "" && !n.Server.RefusesWrites
}

// Heir says that a node may take over from the primary, by why that one hands over; that
// it is synced is asked besides.
//
//   - In a rollout, or when the primary is to be scaled away, to a fresh node, so that the
//     role does not move twice.
//   - When its host is to be emptied the role moves anyway: of a primary that is not fresh
//     itself, as while the rollout is paused or has yet to begin, another one of its own
//     revision is as good.
//   - Who is on its way out is better followed by anybody than by nobody, also by one that
//     has to leave its own host, and hands over once more.
func (s Shard) Heir(primary, n Node) bool {
	switch {
	case primary.Phase == PodTerminating:
		return s.Stays(n)
	case !s.Suits(n):
		return false
	}
	return s.Fresh(n) || (primary.Evacuate != "" && !s.Fresh(primary) && n.Revision == primary.Revision)
}
