package sentinel

import "github.com/valkeeper/valkeeper/internal/sim/explore"

// podMoves are what Kubernetes does by itself.
func (r *run) podMoves(s *State) {
	for i := range s.n {
		r.podMove(s, i)
		r.drainMove(s, i)
	}
	for k := range s.s {
		switch t := &s.s[k]; {
		case t.phase == absent && k < int(s.sentinels):
			r.sentinel(s, moveStart, k, func(_ *State, t *sentinel) { *t = sentinel{phase: running, up: true, watch: nobody} })
		case t.phase == running && !t.up:
			r.sentinel(s, moveStart, k, func(_ *State, t *sentinel) { t.up = true })
		case t.phase == running && k >= int(s.sentinels), t.phase == terminating:
			r.sentinel(s, moveGone, k, func(s *State, t *sentinel) {
				*t = sentinel{watch: nobody}
				s.op.gone |= sbit(k)
				for o := range s.s {
					s.s[o].away |= 1 << k
				}
			})
		}
	}
}

func (r *run) podMove(s *State, i int) {
	w := r.world
	switch n := &s.n[i]; n.phase {
	case absent:
		if i < int(s.size) {
			r.node(s, moveStart, i, func(s *State, n *node) {
				n.phase, n.follows = running, nobody
				w.boot(s, i)
				for k := range s.s {
					s.s[k].lost |= 1 << i
				}
			})
		}
	case running:
		if i >= int(s.size) {
			r.node(s, moveRemove, i, func(_ *State, n *node) { n.phase = terminating })
		}
		if !n.up {
			r.node(s, moveStart, i, func(s *State, _ *node) { w.boot(s, i) })
		}
	case terminating:
		if r.hookMoves(s, i); s.lingers(i) {
			return
		}
		r.node(s, moveGone, i, func(s *State, _ *node) { w.vanish(s, i) })
	}
}

// boot starts a server: a replica of nobody that no Sentinel may promote, with what
// its disk has. Who watches it sees at once that it has started: what they had seen of
// its priority is no more (see docs/adr/0004).
func (w *World) boot(s *State, i int) {
	n := &s.n[i]
	n.up, n.primary, n.follows, n.linked, n.zero, n.late = true, false, nobody, false, !w.Mutant.Ranked, false
	n.hist, n.hist2, n.set, n.vouched = n.diskHist, 0, n.diskSet, false
	for k := range s.s {
		s.s[k].ranked &^= 1 << i
	}
}

// vanish ends a pod: its address leads nowhere, its emptyDir is lost.
func (w *World) vanish(s *State, i int) {
	foreign := s.n[i].term != explore.TermNone || (s.lead == uint8(i) && s.theirs) // Sentinels promote also who is about to go
	w.die(s, i, true, foreign)
	disk := s.n[i]
	s.n[i] = node{follows: nobody}
	if w.Durable {
		s.n[i].diskHist, s.n[i].diskSet = disk.diskHist, disk.diskSet
	}
	for j := range s.n {
		if s.n[j].follows == uint8(i) {
			s.n[j].follows = gone
		}
		if s.n[j].fail != failNone && s.n[j].target == uint8(i) {
			s.n[j].target = gone
		}
	}
	if s.slice == uint8(i) {
		s.slice = gone
	}
	s.reads &^= 1 << i
	s.op.gone |= 1 << i
	if foreign {
		s.owed &= w.lasting(s)
	}
}

// die ends a server's process. Unless the operator ended it, what it alone had
// acknowledged is written off to whatever did: where a replica lives on, all that no
// living server has; else all that neither a server nor a disk has.
func (w *World) die(s *State, i int, clean, writeOff bool) {
	n := &s.n[i]
	if !n.up {
		return
	}
	lost := n.primary || len(s.primaries()) == 0
	switch {
	case w.Log:
		n.diskHist, n.diskSet = 0, n.set
	case clean:
		n.diskHist, n.diskSet = n.hist, n.set
	}
	heir := lost && s.heir(i)
	n.up = false
	n.tidy()
	s.breakLinks(i)
	if !writeOff {
		return
	}
	if heir {
		s.owed &= s.living()
	}
	s.owed &= w.lasting(s)
}

// heir says whether a replica that is in service or linked, or another primary, lives
// on after i.
func (s *State) heir(i int) bool {
	for j := range s.n {
		n := &s.n[j]
		if j == i || !n.up || n.phase != running {
			continue
		}
		if n.primary || (n.gate == gateIn && n.follows != nobody) || (n.follows == uint8(i) && n.linked) {
			return true
		}
	}
	return false
}

// living is what the servers still hold whose pods nobody has ended.
func (s *State) living() (all writes) {
	for i := range s.n {
		if s.n[i].up && s.n[i].phase == running {
			all |= s.n[i].set
		}
	}
	return all
}

// lasting is what will be there once every pod that is going has gone.
func (w *World) lasting(s *State) (all writes) {
	for i := range s.n {
		n := s.n[i]
		if i >= int(s.size) {
			continue
		}
		if n.phase == terminating && n.up {
			n.diskSet, n.set, n.up = n.set, 0, false
		}
		if w.Durable || (n.phase == running && n.gate != gateNever) {
			all |= n.diskSet
		}
		if n.up {
			all |= n.set
		}
	}
	return all
}

// serverMoves are what servers do by themselves.
func (r *run) serverMoves(s *State) {
	for i := range s.n {
		n := &s.n[i]
		if !n.up {
			continue
		}
		if n.primary {
			r.primaryMoves(s, i)
		} else {
			r.replicaMoves(s, i)
		}
		if n.fail == failProgress {
			r.takeOver(s, i)
		}
	}
}

func (r *run) replicaMoves(s *State, i int) {
	n := &s.n[i]
	if n.follows >= maxNodes || n.fail != failNone || int(n.follows) == i || !s.reach(i, int(n.follows)) {
		return
	}
	p := &s.n[n.follows]
	switch {
	case !n.linked && (p.primary || p.linked):
		r.node(s, moveSynced, i, func(s *State, _ *node) { s.synchronise(i, p) })
	case n.linked && (n.set != p.set || n.hist != p.hist):
		r.node(s, moveReplicate, i, func(_ *State, n *node) {
			n.turn(p.hist)
			n.set = p.set
		})
	}
}

// synchronise is partial where the copy is a beginning of the primary's, and the backlog
// comes with the answer.
func (s *State) synchronise(i int, p *node) {
	n := &s.n[i]
	if n.hist != 0 && n.set != 0 && (n.hist == p.hist || n.hist == p.hist2) && p.set.has(n.set) {
		n.turn(p.hist)
	} else {
		n.hist, n.hist2, n.diskHist, n.diskSet = p.hist, 0, p.hist, p.set
		s.breakLinks(i)
	}
	n.linked, n.set = true, p.set
}

// breakLinks breaks the links of those that follow i.
func (s *State) breakLinks(i int) {
	for j := range s.n {
		if s.n[j].follows == uint8(i) {
			s.n[j].linked = false
		}
	}
}

// serves: clients are connected to a node, or find it by the Service, or ask Sentinels
// for it.
func (s *State) serves(i int) bool {
	if s.slice == uint8(i) || s.n[i].clients {
		return true
	}
	for k := range s.s {
		if s.active(k) && s.s[k].watch == uint8(i) && s.sees(k, uint8(i)) {
			return true
		}
	}
	return false
}

func (r *run) primaryMoves(s *State, i int) {
	n := &s.n[i]
	if n.fail == failNone && !n.paused && s.written < r.world.MaxWrites+1 && s.serves(i) {
		r.node(s, moveWrite, i, func(s *State, n *node) {
			w := writes(1) << s.written
			s.written++
			n.set |= w
			n.clients = true
			if len(s.primaries()) == 1 || s.lead == uint8(i) {
				s.owed |= w
			}
		})
	}
	if n.fail != failWaiting {
		return
	}
	t := s.target(n)
	able := t.up && !t.primary && t.follows == uint8(i) && t.linked
	if able && t.set == n.set {
		r.node(s, moveDemote, i, func(_ *State, n *node) {
			n.primary, n.follows, n.linked, n.fail = false, n.target, false, failProgress
		})
		return
	}
	r.node(s, moveGiveUp, i, func(_ *State, n *node) { n.fail = failNone })
}

// takeOver is PSYNC … FAILOVER: the target becomes primary, or refuses, which makes the
// old one primary again.
func (r *run) takeOver(s *State, i int) {
	n := &s.n[i]
	if n.target >= maxNodes || !s.reach(i, int(n.target)) {
		return // it asks again and again
	}
	if t := s.target(n); !t.primary && t.hist == n.hist {
		r.node(s, moveTakeOver, i, func(s *State, n *node) {
			to := int(n.target)
			n.fail = failNone
			if s.n[to].follows != uint8(i) {
				s.owed &= s.n[to].set // a target reborn in this very moment: see docs/adr/0004
			}
			s.becomePrimary(to)
		})
		return
	}
	r.node(s, moveRefused, i, func(s *State, _ *node) {
		if len(s.primaries()) == 0 {
			s.becomePrimary(i)
		}
		s.become(i)
	})
}

// target is whom a server fails over to; an absent node if its pod is no more.
func (s *State) target(n *node) *node {
	if n.target >= maxNodes {
		return &node{follows: nobody}
	}
	return &s.n[n.target]
}

// becomePrimary is REPLICAOF NO ONE and its like: a new history begins. One that is
// primary already stays as it is.
func (s *State) becomePrimary(i int) {
	s.lead, s.theirs = uint8(i), false
	s.become(i)
}

func (s *State) become(i int) {
	n := &s.n[i]
	if n.primary {
		return
	}
	n.turn(s.newHistory())
	n.primary, n.follows, n.linked, n.fail = true, nobody, false, failNone
}

// point is REPLICAOF.
func (s *State) point(i int, primary uint8) {
	n := &s.n[i]
	n.primary, n.follows, n.linked, n.fail = false, primary, false, failNone
	s.breakLinks(i)
}
