// Package explore walks every interleaving of a simulated world, breadth first,
// until a law is broken, the world is exhausted or its bound is reached. What a
// world consists of, it does not know: a state is a comparable value, and a
// Walker says what can happen next.
//
// Beside the explorer stands what all worlds of Valkeeper have in common: the laws, how a
// Walker tells what can happen (onward.go, move.go), numbers for histories (history.go),
// what is known of a node that has to leave (leaving.go), and the planner that may be
// a mutant (mutants.go, book.go). The tests of all worlds are in package exploretest.
package explore

import "time"

// Edge is one move and where it leads.
type Edge[S comparable, M any] struct {
	Move M
	Next S
	// Fault: something goes wrong with it, or it need not happen. Completion must
	// not depend on it.
	Fault bool
	// Broken: a law had been broken by then.
	Broken bool
}

// Step is a move and the state that it leads to.
type Step[S comparable, M any] struct {
	Move  M
	State S
}

// Walker knows one world. It is not used by two at the same time.
type Walker[S comparable, M any] interface {
	Start() S
	// Moves are everything that can happen next. The slice is reused.
	Moves(*S) []Edge[S, M]
	// Complete says that the world is as its user wants it.
	Complete(*S) bool
	// ForPerson says that what is waited for is a decision that is no program's to
	// make.
	ForPerson(*S) bool
	// Stuck breaks law 11, and says what keeps the state from completion.
	Stuck(*S)
	// Broken is the first law that was broken since the Walker was made.
	Broken() *Violation
}

// World is what is to be explored.
type World[S comparable, M any] struct {
	Name string
	// MaxStates stops the exploration; reaching it is reported. 0 is no bound.
	MaxStates int
	// Faults, Crashes (of the operator) and Writes are the walker's own bounds, for those
	// who read what was found.
	Faults, Crashes, Writes uint8
	// Walker makes a new one.
	Walker func() Walker[S, M]
}

// Result is what an exploration has found.
type Result[S comparable, M any] struct {
	World       string
	States      int
	Transitions int
	Depth       int
	Done        int // states in which the world is complete
	Human       int // states that wait for a person's decision
	Whole       bool
	Took        time.Duration
	Broken      *Violation
	Trace       []Step[S, M]
}

// walk is an exploration under way.
type walk[S comparable, M any] struct {
	world  World[S, M]
	walker Walker[S, M]
	*table[S]
	parent []int32
	depth  []uint16
	// onward are the moves that are no faults: those of state i end at ends[i].
	onward []int32
	ends   []int
	result Result[S, M]
}

func begin[S comparable, M any](w World[S, M]) *walk[S, M] {
	e := &walk[S, M]{world: w, walker: w.Walker(), table: newTable[S](), result: Result[S, M]{World: w.Name, Whole: true}}
	start := e.walker.Start()
	e.number(&start)
	e.parent, e.depth = append(e.parent, -1), append(e.depth, 0)
	return e
}

// Explore walks a world.
func Explore[S comparable, M any](w World[S, M]) Result[S, M] {
	began := time.Now()
	e := begin(w)
	res := &e.result
	e.breadthFirst(func(at int) bool {
		if e.walker.Broken() == nil {
			return true
		}
		res.Broken, res.Trace = e.walker.Broken(), e.trace(at)
		return false
	})
	if res.Broken == nil && res.Whole {
		e.progress()
	}
	res.States, res.Took = len(e.states), time.Since(began)
	res.Depth = int(e.depth[len(e.depth)-1])
	return *res
}

// Reached are up to so many states of a world, in the order of their distance.
func Reached[S comparable, M any](w World[S, M], most int) []S {
	e := begin(w)
	e.breadthFirst(func(at int) bool { return at+1 < most })
	return e.states
}

// breadthFirst goes on from every state until it is told to stop.
func (e *walk[S, M]) breadthFirst(on func(at int) bool) {
	for at := 0; at < len(e.states); at++ {
		if e.world.MaxStates > 0 && len(e.states) >= e.world.MaxStates {
			e.result.Whole = false
			return
		}
		e.from(int32(at)) //nolint:gosec // bounded by MaxStates
		if !on(at) {
			return
		}
	}
}

// from follows every move from one state.
func (e *walk[S, M]) from(at int32) {
	s := e.states[at]
	for _, edge := range e.walker.Moves(&s) {
		e.result.Transitions++
		id, fresh := e.number(&edge.Next)
		if fresh {
			e.parent = append(e.parent, at)
			e.depth = append(e.depth, e.depth[at]+1)
		}
		if !edge.Fault {
			e.onward = append(e.onward, id)
		}
	}
	e.ends = append(e.ends, len(e.onward))
}

// path lists the numbers of the states that lead to a state.
func (e *walk[S, M]) path(to int) []int {
	var out []int
	for at := to; at >= 0; at = int(e.parent[at]) {
		out = append([]int{at}, out...)
	}
	return out
}

// trace tells the way to a state, and the move there that broke a law.
func (e *walk[S, M]) trace(to int) []Step[S, M] {
	path := e.path(to)
	steps := []Step[S, M]{{State: e.states[0]}}
	for i := 1; i < len(path); i++ {
		for _, edge := range e.world.Walker().Moves(&e.states[path[i-1]]) {
			if edge.Next == e.states[path[i]] {
				steps = append(steps, Step[S, M]{Move: edge.Move, State: edge.Next})
				break
			}
		}
	}
	for _, edge := range e.world.Walker().Moves(&e.states[to]) {
		if edge.Broken {
			return append(steps, Step[S, M]{Move: edge.Move, State: edge.Next})
		}
	}
	return steps
}
