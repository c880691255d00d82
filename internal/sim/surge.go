package sim

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// surge is the user's wish at the moment.
func (w *World) surge(s *State) model.Surge {
	if own := w.spec(s).Surge; own != "" {
		return own
	}
	return w.Surge
}

// alone says that the primary has no replica and will have none.
func (w *World) alone(s *State) bool {
	return w.Topology == model.Standalone && w.surge(s) == model.SurgeNever && !s.anyBut(s.primaries(), func(n *node) bool { return n.phase != absent })
}

func (s *State) anyBut(others []int, is func(*node) bool) bool {
	for i := range s.n {
		if !slices.Contains(others, i) && is(&s.n[i]) {
			return true
		}
	}
	return false
}

// surges is the truth about a rollout that is given an extra node.
func (w *World) surges(s *State) bool {
	switch spec := w.spec(s); {
	case w.strategy() != model.StrategyHandover, spec.Paused, w.surge(s) == model.SurgeNever:
		return false
	case w.surge(s) == model.SurgeAuto:
		return spec.Nodes <= 2 || !w.Durable
	}
	return w.surge(s) == model.SurgeAlways
}

// extraFirst: law 19. As long as anything else is stale, the extra node is in
// service before anything else that is up is touched; and it runs the newest
// revision, unless it is the primary and so cannot be restarted.
func (r *run) extraFirst(s *State, victim, primary int, scaling bool) {
	extra := int(r.world.spec(s).Nodes)
	if !r.world.surges(s) || victim > extra || victim == extra && !scaling || !s.seen || !r.staleBelow(s, extra) {
		return
	}
	switch name := podNames[victim]; {
	case scaling:
		r.Violate(19, "%s is to leave, and the rollout has not ended", name)
	case s.down(extra) || extra != primary && !s.attached(extra, primary):
		r.Violate(19, "%s is touched before the extra node is in service", name)
	case extra != primary && !r.world.fresh(s, extra):
		r.Violate(19, "%s is touched before the extra node runs the newest revision", name)
	}
}

// letCrashed: law 19 too. Who has served and only crashed comes back by itself, with the
// revision that it served with, and is not taken to one that the extra node has not come up
// with.
func (r *run) letCrashed(s *State, victim int) {
	extra, n := int(r.world.spec(s).Nodes), &s.n[victim]
	crashed := n.phase == running && n.proc == procDead && !n.broken && !n.mute() && !r.world.bad(n.rev) && n.gate != gateNever
	if crashed && r.world.surges(s) && victim < extra && s.down(extra) {
		r.Violate(19, "%s has crashed, and is restarted before the extra node is in service", podNames[victim])
	}
}

func (r *run) staleBelow(s *State, nodes int) bool {
	for i := range nodes {
		if s.n[i].phase != absent && !r.world.fresh(s, i) {
			return true
		}
	}
	return false
}

// oversized says that more pods are asked for than are wished for, in a shard that has its
// primary and in which nobody is on his way out.
func (w *World) oversized(s *State) bool {
	return s.size > w.spec(s).Nodes && len(s.primaries()) == 1 && !s.any(func(n *node) bool { return n.phase == terminating })
}

// unset is the deletion of the StatefulSet. Its pods end, its claims stay, and the new one
// has the extra node's as well, if there is one (controller/extra.go). It may have been made
// without, as of a shard that was to lose more than one node: then the planner has to bring
// back the claim of whom it remembers as primary.
//
// While a role moves, an append-only file does not tell who had it last, and no operator
// has written that down yet: beyond what is claimed (docs/adr/0004).
func (r *run) unset(s *State) {
	moving := s.failingOver() || s.op.kind == stepHandover || slices.ContainsFunc(s.primaries(), func(p int) bool { return p != int(s.last) })
	if r.world.Persist == Log && moving {
		return
	}
	wished := r.world.spec(s).Nodes
	made := wished
	if r.world.Durable && !r.world.Mutant.Bare {
		made = max(wished, min(s.size, wished+1))
	}
	r.shardFault(s, moveUnset, func(s *State) { r.madeAnew(s, made) })
	if made > wished && s.last != nobody && s.last >= wished {
		r.shardFault(s, moveUnsetBare, func(s *State) { r.madeAnew(s, wished) })
	}
}

func (r *run) madeAnew(s *State, size uint8) {
	s.faults++
	for i := range s.n {
		if n := &s.n[i]; n.phase != absent {
			n.kept = n.kept || i < int(s.size)
			n.phase, n.foreign = terminating, true
		}
	}
	s.size, s.seen = size, false
	s.owed &= r.world.lasting(s)
}

// left says that the claim of a pod beyond the size is there, and nothing else of it.
func (s *State) left(i int) bool {
	return i >= int(s.size) && s.n[i].phase == absent && s.n[i].diskSet != 0
}
