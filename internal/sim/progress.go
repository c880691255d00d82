package sim

import "github.com/valkeeper/valkeeper/internal/model"

// Start is the first state.
func (r *run) Start() State { return r.world.Start() }

// Stuck breaks law 11.
func (r *run) Stuck(s *State) {
	p := r.plan(s)
	r.Violate(11, "no way to completion from here; the plan is %v, held by %v", p.op, p.holds)
}

// Complete: the spec is fulfilled, everything is in service, and the operator
// has nothing to do and nothing to wait for.
func (r *run) Complete(s *State) bool {
	spec := r.world.spec(s)
	if s.op.kind != stepNone || spec.Bad || spec.Paused || !s.seen || s.size != spec.Nodes || s.failingOver() {
		return false
	}
	primaries := s.primaries()
	if len(primaries) != 1 || s.slice != uint8(primaries[0]) {
		return false
	}
	p := primaries[0]
	if s.n[p].evac {
		return false
	}
	for i := range s.n {
		if i >= int(spec.Nodes) && s.n[i].phase == absent {
			continue
		}
		if !r.inPlace(s, i, p) {
			return false
		}
	}
	if plan := r.plan(s); plan.step != nil || len(plan.holds) > 0 {
		return false
	}
	if missing := s.owed &^ s.n[p].set; missing != 0 {
		r.Violate(9, "the shard is complete, and its primary lacks acknowledged writes %b", missing)
	}
	return true
}

func (r *run) inPlace(s *State, i, primary int) bool {
	n := &s.n[i]
	return i < int(r.world.spec(s).Nodes) && !s.down(i) && r.world.fresh(s, i) && !n.cut &&
		n.label == n.role && n.drain == drainNo && (i == primary || s.attached(i, primary))
}

// ForPerson: one of the holds asks for a person's decision.
func (r *run) ForPerson(s *State) bool {
	for _, h := range r.plan(s).holds {
		if h.Reason == model.HistoryUnknown || (h.Reason == model.WaitingForCopies && r.gaveUp(s, h.Node)) {
			return true
		}
	}
	return false
}

// gaveUp: data are in the emptyDir of a pod that cannot start.
func (r *run) gaveUp(s *State, name string) bool {
	return !r.world.Durable && s.n[index(model.Ref{Name: name})].broken
}
