package sim

import (
	"hash/maphash"
	"time"
)

// Result is what an exploration has found.
type Result struct {
	World       string
	States      int
	Transitions int
	Depth       int
	Done        int // states in which the shard is complete
	Human       int // states that wait for a person's decision
	Whole       bool
	Took        time.Duration
	Broken      *Violation
	Trace       []Step
}

// Step is a move and the state that it leads to.
type Step struct {
	Move  Move
	State State
}

// table numbers states.
type table struct {
	seed   maphash.Seed
	slots  []int32
	states []State
}

func newTable() *table {
	return &table{seed: maphash.MakeSeed(), slots: make([]int32, 1<<12)}
}

// number gives the number of a state, and whether it is new.
func (t *table) number(s *State) (int32, bool) {
	if 2*len(t.states) >= len(t.slots) {
		t.grow()
	}
	mask := uint64(len(t.slots) - 1)
	for h := maphash.Comparable(t.seed, *s) & mask; ; h = (h + 1) & mask {
		id := t.slots[h]
		if id == 0 {
			t.states = append(t.states, *s)
			t.slots[h] = int32(len(t.states))     //nolint:gosec // bounded by MaxStates
			return int32(len(t.states) - 1), true //nolint:gosec // bounded by MaxStates
		}
		if t.states[id-1] == *s {
			return id - 1, false
		}
	}
}

func (t *table) grow() {
	t.slots = make([]int32, 2*len(t.slots))
	mask := uint64(len(t.slots) - 1)
	for i := range t.states {
		h := maphash.Comparable(t.seed, t.states[i]) & mask
		for t.slots[h] != 0 {
			h = (h + 1) & mask
		}
		t.slots[h] = int32(i + 1) //nolint:gosec // bounded by MaxStates
	}
}

// graph is what has been walked.
type graph struct {
	*table
	parent []int32
	depth  []uint16
	// onward are the moves that are no faults: those of state i end at ends[i].
	onward []int32
	ends   []int
}

// Explore walks every interleaving, breadth first, until a law is broken, the
// world is exhausted or its bound is reached.
func Explore(w World) Result {
	began := time.Now()
	r := newRun(&w)
	g := &graph{table: newTable()}
	start := w.Start()
	g.number(&start)
	g.parent, g.depth = append(g.parent, -1), append(g.depth, 0)
	res := Result{World: w.Name, Whole: true}
	for at := 0; at < len(g.states); at++ {
		if w.MaxStates > 0 && len(g.states) >= w.MaxStates {
			res.Whole = false
			break
		}
		r.walk(g, int32(at), &res) //nolint:gosec // bounded by MaxStates
		if r.found != nil {
			res.Broken, res.Trace = r.found, r.trace(g, at)
			break
		}
	}
	if res.Broken == nil && res.Whole {
		r.progress(g, &res)
	}
	res.States, res.Took = len(g.states), time.Since(began)
	res.Depth = int(g.depth[len(g.depth)-1])
	return res
}

// walk follows every move from one state.
func (r *run) walk(g *graph, at int32, res *Result) {
	s := g.states[at]
	for _, e := range r.moves(&s) {
		res.Transitions++
		id, fresh := g.number(&e.next)
		if fresh {
			g.parent = append(g.parent, at)
			g.depth = append(g.depth, g.depth[at]+1)
		}
		if !e.fault {
			g.onward = append(g.onward, id)
		}
	}
	g.ends = append(g.ends, len(g.onward))
}

// path lists the numbers of the states that lead to a state.
func (g *graph) path(to int) []int {
	var out []int
	for at := to; at >= 0; at = int(g.parent[at]) {
		out = append([]int{at}, out...)
	}
	return out
}

// trace tells the way to a state, and the move there that broke a law.
func (r *run) trace(g *graph, to int) []Step {
	path := g.path(to)
	steps := []Step{{State: g.states[0]}}
	for i := 1; i < len(path); i++ {
		again := newRun(r.world)
		for _, e := range again.moves(&g.states[path[i-1]]) {
			if e.next == g.states[path[i]] {
				steps = append(steps, Step{Move: e.move, State: e.next})
				break
			}
		}
	}
	if last, ok := breakingMove(r.world, g.states[to]); ok {
		steps = append(steps, last)
	}
	return steps
}

// breakingMove finds the move of a state that breaks a law.
func breakingMove(w *World, s State) (Step, bool) {
	r := newRun(w)
	for _, e := range r.moves(&s) {
		if e.broken {
			return Step{Move: e.move, State: e.next}, true
		}
	}
	return Step{}, false
}
