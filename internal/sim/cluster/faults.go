package cluster

// faultMoves are what goes wrong, each at the cost of one fault, and what heals.
func (r *run) faultMoves(s *State) {
	r.healMoves(s)
	if s.busy() && s.crashes < r.world.MaxCrashes {
		next := *s
		next.crashes++
		for k := range next.k {
			next.k[k].op = operator{}
		}
		r.AsFaults(func() { r.emit(Move{Kind: moveCrashOperator}, next) })
	}
	if s.faults >= r.world.MaxFaults {
		return
	}
	r.specMoves(s)
	r.drainFaults(s)
	for i := range r.world.nodes() {
		if of := r.world.Faults.Of; s.n[i].phase == running && s.n[i].cut == cutNo && (of == 0 || of&(1<<i) != 0) {
			r.nodeFaults(s, i)
		}
	}
}

// specMoves are the user's. Who changes their mind does so before any slot has moved:
// later the batches would be others than the world's groups.
func (r *run) specMoves(s *State) {
	if r.world.Faults.Spec && int(s.spec)+1 < len(r.world.Wished) && s.n[0].table == r.world.tables() {
		r.userMove(s, func(s *State) { s.spec++ })
	}
	if r.world.Faults.Image {
		r.userMove(s, func(s *State) {
			for i := range s.n {
				s.n[i].stale = s.n[i].phase != absent
			}
		})
	}
}

func (r *run) userMove(s *State, change func(*State)) {
	next := *s
	next.faults++
	change(&next)
	r.AsFaults(func() { r.emit(Move{Kind: moveSpec}, next) })
}

func (r *run) nodeFaults(s *State, i int) {
	n, f := &s.n[i], r.world.Faults
	if f.Delete && !n.silent && !s.justElected(i, r.world) {
		r.fault1(s, moveDelete, i, func(s *State, n *node) {
			n.phase, n.foreign = terminating, true
			s.owed &= r.world.lasting(s)
		})
	}
	if f.Force && !n.silent {
		r.fault1(s, moveForce, i, func(s *State, n *node) {
			n.phase, n.foreign, n.stale = forgotten, true, false
			s.replaced(i)
		})
	}
	if f.End && !n.silent {
		r.fault1(s, moveEnd, i, func(_ *State, n *node) { n.end() })
	}
	if n.proc == dead {
		return
	}
	if f.Crash && !s.justElected(i, r.world) {
		r.fault1(s, moveCrash, i, func(s *State, _ *node) { r.die(s, i, false, true) })
	}
	if n.proc != up {
		return
	}
	if f.Silence && !n.silent {
		r.fault1(s, moveSilence, i, func(_ *State, n *node) { n.silent = true })
	}
	if f.Cut && !n.silent {
		r.fault1(s, moveCut, i, func(s *State, n *node) {
			was := *n
			n.cut = cutNow
			n.linked, n.meets = false, 0
			s.breakLinks(i)
			r.world.bequeath(s, i, was)
		})
	}
	// A user who hands over by hand while a server is silent is beyond what is claimed
	// (docs/adr/0004).
	if f.Failover && !s.anySilent() && !n.primary && n.linked && n.follows < maxNodes && s.n[n.follows].fail == 0 && s.n[n.follows].primary {
		r.fault1(s, moveFailover, i, func(s *State, n *node) { s.n[n.follows].fail = uint8(i) + 1 })
	}
}

func (s *State) anySilent() bool {
	for i := range s.n {
		if s.n[i].silent {
			return true
		}
	}
	return false
}

// healMoves end what lasts. A node that was without a majority listens before it
// serves again.
func (r *run) healMoves(s *State) {
	for i := range r.world.nodes() {
		n := &s.n[i]
		if n.silent {
			r.node(s, moveHeal, i, func(_ *State, n *node) { n.silent = false })
		}
		if n.cut == cutNow {
			r.node(s, moveStops, i, func(_ *State, n *node) { n.cut = cutFor })
		}
		if n.cut == cutFor {
			r.node(s, moveHeal, i, func(_ *State, n *node) { n.cut, n.listens = cutNo, n.primary })
		}
	}
}
