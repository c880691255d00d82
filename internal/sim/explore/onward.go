package explore

import (
	"fmt"
)

// Onward is what a Walker gathers: what can happen next, and the first law that was broken.
// A Walker embeds one.
type Onward[S comparable, M any] struct {
	edges  []Edge[S, M]
	fault  bool
	broken *Violation
}

// Afresh begins with the moves of another state.
func (o *Onward[S, M]) Afresh() { o.edges, o.fault = o.edges[:0], false }

// Lead adds a move and where it leads. What was violated before is counted as its fault.
func (o *Onward[S, M]) Lead(m M, next S) {
	o.edges = append(o.edges, Edge[S, M]{Move: m, Next: next, Fault: o.fault, Broken: o.broken != nil})
}

// AsFaults adds moves that are faults, or that need not happen.
func (o *Onward[S, M]) AsFaults(add func()) {
	before := o.fault
	o.fault = true
	add()
	o.fault = before
}

// Edges are the moves since Afresh, which uses the slice again.
func (o *Onward[S, M]) Edges() []Edge[S, M] { return o.edges }

// Violate tells that a law is broken. The first one stays.
func (o *Onward[S, M]) Violate(law int, format string, args ...any) {
	if o.broken == nil {
		o.broken = &Violation{Law: law, Text: fmt.Sprintf(format, args...)}
	}
}

// Broken is the first law that was broken.
func (o *Onward[S, M]) Broken() *Violation { return o.broken }
