package sim

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// podMoves are what Kubernetes does by itself.
func (r *run) podMoves(s *State) {
	if !s.seen {
		r.shard(s, moveSeen, func(s *State) { s.seen = true })
	}
	for i := range s.n {
		r.podMove(s, i)
		r.drainMove(s, i)
	}
	if s.seen && r.world.strategy() == model.StrategyRollingUpdate {
		r.rollingUpdate(s)
	}
}

func (r *run) podMove(s *State, i int) {
	w := r.world
	switch n := &s.n[i]; n.phase {
	case absent:
		if i < int(s.size) && s.seen {
			r.node(s, moveCreate, i, func(s *State, n *node) {
				n.phase, n.rev, n.follows = pending, w.spec(s).Rev, nobody
			})
		}
	case pending:
		r.node(s, moveStart, i, func(_ *State, n *node) {
			n.phase = running
			if !w.bad(n.rev) {
				w.boot(n)
			}
		})
	case running:
		if i >= int(s.size) {
			r.node(s, moveRemove, i, func(_ *State, n *node) { n.phase = terminating })
		}
		if n.proc == procDead && !w.bad(n.rev) && !n.broken && !n.mute() {
			r.node(s, moveStart, i, func(_ *State, n *node) { w.boot(n) })
		}
	case terminating:
		if r.lingers(s, i) {
			r.hookMoves(s, i)
			return
		}
		r.node(s, moveGone, i, func(s *State, _ *node) { r.vanish(s, i) })
	}
}

// vanish ends a pod: its address leads nowhere, its emptyDir is lost.
func (r *run) vanish(s *State, i int) {
	n := &s.n[i]
	foreign := n.foreign
	r.die(s, i, true, foreign)
	disk := *n
	*n = node{}
	if r.world.Durable && (i < int(s.size) || disk.kept) {
		n.diskHist, n.diskSet = disk.diskHist, disk.diskSet
	}
	for j := range s.n {
		f := &s.n[j]
		if f.role == roleReplica && f.follows == uint8(i) {
			f.follows = gone
		}
		if f.fail != failNone && f.target == uint8(i) {
			f.target = gone
		}
	}
	if s.slice == uint8(i) {
		s.slice = gone
	}
	s.reads &^= 1 << i
	s.op.gone |= 1 << i
	if foreign || r.world.alone(s) {
		s.owed &= r.world.lasting(s) // theirs, or the restart that the user has accepted
	}
}

// rollingUpdate is the StatefulSet controller's own way: the highest stale
// ordinal, once all pods are Ready.
func (r *run) rollingUpdate(s *State) {
	for i := range int(s.size) {
		if s.n[i].phase == absent || s.n[i].phase == terminating || (!s.ready(i) && r.world.fresh(s, i)) {
			return
		}
	}
	for i := int(s.size) - 1; i >= 0; i-- {
		if s.n[i].phase == running && !r.world.fresh(s, i) {
			r.node(s, moveRoll, i, r.deleted)
			return
		}
	}
}

// timeMoves let the waits pass that are about time alone.
func (r *run) timeMoves(s *State) {
	if s.attempt == explore.AttemptFailed {
		r.shard(s, moveBackoff, func(s *State) { s.attempt = explore.AttemptWaited })
	}
	if s.busy {
		r.shard(s, moveQuiet, func(s *State) { s.busy = false })
	}
	r.silenceMoves(s)
	for i := range s.n {
		if s.n[i].drain == drainBegun && s.n[i].clients {
			r.node(s, moveDrained, i, func(_ *State, n *node) { n.drain = drainPassed })
		}
	}
}

// silenceMoves let silences become long, each by itself: of the two clocks one may
// be late.
func (r *run) silenceMoves(s *State) {
	if !r.world.losses() {
		return
	}
	for i := range s.n {
		n := &s.n[i]
		if n.mute() && !n.long {
			r.node(s, moveSilent, i, func(_ *State, n *node) { n.long = true })
		}
		if n.proc == procUp && n.role == roleReplica && n.link == linkUp && !n.deaf && !s.passes(n) {
			r.node(s, moveDeaf, i, func(_ *State, n *node) { n.deaf = true })
		}
	}
}
