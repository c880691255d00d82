package sim

import "github.com/valkeeper/valkeeper/internal/model"

// progress checks law 11: from every state, with no further fault, a completed
// one can be reached.
func (r *run) progress(g *graph, res *Result) {
	back, ends := g.backward()
	can := make([]bool, len(g.states))
	var queue []int32
	for i := range g.states {
		if r.complete(&g.states[i]) {
			res.Done++
			can[i] = true
			queue = append(queue, int32(i)) //nolint:gosec // bounded by MaxStates
		}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, from := range back[ends[at]:ends[at+1]] {
			if !can[from] {
				can[from] = true
				queue = append(queue, from)
			}
		}
	}
	for i := range g.states {
		if can[i] {
			continue
		}
		if r.waitsForPerson(g, i) {
			res.Human++
			continue
		}
		p := r.plan(&g.states[i])
		r.violate(11, "no way to completion from here; the plan is %v, held by %v", p.op, p.holds)
		res.Broken, res.Trace = r.found, r.trace(g, i)
		return
	}
}

// backward turns the moves around.
func (g *graph) backward() (from []int32, ends []int) {
	ends = make([]int, len(g.states)+2)
	for _, to := range g.onward {
		ends[to+2]++
	}
	for i := 2; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	from = make([]int32, len(g.onward))
	begin := 0
	for i, end := range g.ends {
		for _, to := range g.onward[begin:end] {
			from[ends[to+1]] = int32(i) //nolint:gosec // bounded by MaxStates
			ends[to+1]++
		}
		begin = end
	}
	return from, ends
}

// complete: the spec is fulfilled, everything is in service, and the operator
// has nothing to do and nothing to wait for.
func (r *run) complete(s *State) bool {
	spec := r.world.spec(s)
	if s.op.kind != stepNone || spec.Bad || !s.seen || s.size != spec.Nodes || s.failingOver() {
		return false
	}
	primaries := s.primaries()
	if len(primaries) != 1 || s.slice != uint8(primaries[0]) {
		return false
	}
	p := primaries[0]
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
		r.violate(9, "the shard is complete, and its primary lacks acknowledged writes %b", missing)
	}
	return true
}

func (r *run) inPlace(s *State, i, primary int) bool {
	n := &s.n[i]
	return i < int(r.world.spec(s).Nodes) && !s.down(i) && r.world.fresh(s, i) && !n.cut &&
		n.label == n.role && n.drain == drainNo && (i == primary || s.attached(i, primary))
}

// waitsForPerson: what the operator holds for, or will once what lasts has
// healed, is a decision that is no program's to make.
func (r *run) waitsForPerson(g *graph, i int) bool {
	seen := map[int32]bool{int32(i): true} //nolint:gosec // bounded by MaxStates
	queue := []int32{int32(i)}             //nolint:gosec // bounded by MaxStates
	for len(queue) > 0 && len(seen) < 20_000 {
		at := queue[0]
		queue = queue[1:]
		if r.forPerson(&g.states[at]) {
			return true
		}
		begin := 0
		if at > 0 {
			begin = g.ends[at-1]
		}
		for _, to := range g.onward[begin:g.ends[at]] {
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	return false
}

// forPerson: one of the holds asks for a person's decision.
func (r *run) forPerson(s *State) bool {
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
