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
