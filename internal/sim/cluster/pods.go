package cluster

import "github.com/valkeeper/valkeeper/internal/sim/explore"

// podMoves are what Kubernetes does by itself, and what is about time alone.
func (r *run) podMoves(s *State) {
	for i := range r.world.nodes() {
		r.podMove(s, i)
		r.drainMove(s, i)
		if n := &s.n[i]; n.drain == drainBegun {
			r.node(s, moveDrained, i, func(_ *State, n *node) { n.drain = drainPassed })
		}
	}
	for k := range r.world.shards() {
		if s.k[k].attempt == explore.AttemptFailed {
			r.emitShard(s, moveBackoff, k, func(s *State) { s.k[k].attempt = explore.AttemptWaited })
		}
	}
}

func (r *run) podMove(s *State, i int) {
	wanted := s.stays(i)
	switch n := &s.n[i]; n.phase {
	case absent:
		if wanted {
			r.node(s, moveStart, i, func(s *State, n *node) {
				n.phase, n.lost = running, n.conf
				r.boot(s, i)
			})
		}
	case running:
		switch {
		case n.cut != cutNo:
		case !wanted:
			r.node(s, moveRemove, i, func(_ *State, n *node) { n.phase = terminating })
		case n.proc == dead:
			r.node(s, moveStart, i, func(s *State, _ *node) { r.boot(s, i) })
		}
	case terminating:
		switch {
		case s.lingers(i):
			r.hookMoves(s, i)
		case !s.unheard(i):
			r.node(s, moveGone, i, func(s *State, _ *node) { r.vanish(s, i) })
		}
	case forgotten:
		r.node(s, moveEnded, i, func(s *State, _ *node) { r.vanish(s, i) })
	}
}

// vanish ends a pod: its address leads nowhere, its emptyDir is lost, and so is the
// volume of one that is not wished for any more.
func (r *run) vanish(s *State, i int) {
	n := &s.n[i]
	foreign, leaves := n.foreign, !s.stays(i)
	r.die(s, i, n.phase != forgotten, foreign)
	n.phase = absent
	if !r.world.Durable || leaves {
		n.diskHist, n.diskSet = 0, 0
		s.loseIdentity(i)
		n.ours = n.ours && !leaves
	}
	s.replaced(i)
	if foreign {
		s.owed &= r.world.lasting(s)
	}
}

// replaced: whoever is in the middle of a step means a pod that is no more.
func (s *State) replaced(i int) {
	for k := range s.k {
		if s.k[k].op.step != 0 {
			s.k[k].op.gone |= 1 << i
		}
	}
}
