package sentinel

// faultMoves are what goes wrong. Each but the operator's own death costs one of the
// world's faults; what heals costs nothing.
func (r *run) faultMoves(s *State) {
	r.AsFaults(func() { r.faults(s) })
}

func (r *run) faults(s *State) {
	if s.op.step != 0 && s.crashes < r.world.MaxCrashes {
		next := *s
		next.crashes++
		next.op = operator{}
		r.emit(Move{Kind: moveCrashOperator}, next)
	}
	if s.faults >= r.world.MaxFaults {
		return
	}
	spent := *s
	spent.faults++
	f := r.world.Faults
	r.drainFaults(&spent)
	for i := range s.n {
		n := &s.n[i]
		if f.Crash&(1<<i) != 0 && n.up && !s.justPromoted(i, r.world) {
			r.node(&spent, moveCrash, i, func(s *State, _ *node) { r.world.die(s, i, false, true) })
		}
		if f.Delete&(1<<i) != 0 && n.phase == running {
			r.node(&spent, moveDelete, i, func(s *State, n *node) { r.deleted(s, n) })
		}
		if f.End&(1<<i) != 0 && n.phase == running && !s.farNode(i) {
			r.node(&spent, moveEnd, i, func(_ *State, n *node) { n.end() })
		}
	}
	for k := range s.s {
		r.sentinelFaults(&spent, k)
	}
	if s.far != 0 {
		return
	}
	for _, far := range f.Cuts {
		next := spent
		next.far = far
		r.emit(Move{Kind: moveCut}, next)
	}
}

func (r *run) sentinelFaults(s *State, k int) {
	f, t := r.world.Faults, &s.s[k]
	if !t.up || f.Of&(1<<k) == 0 {
		return
	}
	if f.Reboot {
		r.sentinel(s, moveReboot, k, func(s *State, t *sentinel) {
			if to := s.announced(k); to != t.watch {
				s.name(k, to, t.epoch) // it has written down whom it has promoted
			}
			t.up, t.ranked, t.late = false, 0, 0
		})
	}
	if f.Lose && t.watch != nobody {
		r.sentinel(s, moveLose, k, func(s *State, t *sentinel) {
			t.watch = nobody
			if s.fo.by == uint8(k) {
				s.fo = failover{}
			}
		})
	}
	if f.Mute && !t.mute {
		r.sentinel(s, moveMute, k, func(_ *State, t *sentinel) { t.mute = true })
	}
	if f.Failover && s.active(k) && s.fo.kind == foNone && len(s.candidates(k)) > 0 {
		r.sentinel(s, moveFailover, k, func(s *State, _ *sentinel) { s.begin(foUser, k) })
	}
}

// deleted is what somebody else's deletion does: the server ends at once, and what only
// it and its emptyDir hold is theirs to answer for.
func (r *run) deleted(s *State, n *node) {
	for i := range s.n {
		if &s.n[i] != n {
			continue
		}
		n.phase = terminating
		if !r.world.Durable {
			n.diskHist, n.diskSet = 0, 0
		}
		r.world.die(s, i, r.world.Durable, true)
		s.owed &= r.world.lasting(s)
	}
}
