package sim

// faultMoves are what goes wrong. Each but the operator's own death costs one of
// the world's faults; what heals costs nothing.
func (r *run) faultMoves(s *State) {
	if s.op.kind != stepNone && s.crashes < r.world.MaxCrashes {
		r.shardFault(s, moveCrashOperator, func(s *State) {
			s.crashes++
			s.op = operator{}
		})
	}
	if s.faults >= r.world.MaxFaults {
		return
	}
	if r.world.Faults.Budget && !s.tight {
		r.shardFault(s, moveTight, func(s *State) {
			s.faults++
			s.tight = true
		})
	}
	if r.world.Faults.Unset {
		r.unset(s)
	}
	for i := range s.n {
		if s.n[i].phase == running {
			r.nodeFaults(s, i)
		}
	}
}

func (r *run) nodeFaults(s *State, i int) {
	n, f := &s.n[i], r.world.Faults
	if f.Delete && !n.mute() {
		r.fault1(s, moveDelete, i, r.deleted)
	}
	r.leavingFaults(s, i)
	if n.proc != procUp {
		return
	}
	if f.Crash {
		r.fault1(s, moveCrash, i, func(s *State, _ *node) { r.die(s, i, false, true) })
	}
	if f.CrashLoop && !n.broken && n.rev != r.world.lastRev() {
		r.fault1(s, moveCrashLoop, i, func(s *State, n *node) {
			r.die(s, i, false, true)
			n.broken = true
		})
	}
	r.muteFaults(s, i)
	if f.Silence && !n.mute() && !s.any(func(n *node) bool { return n.stray }) {
		r.fault1(s, moveSilence, i, func(s *State, n *node) {
			n.silent = true
			r.unheard(s, i)
		})
	}
	if f.Timeout && n.fail == failWaiting {
		r.fault1(s, moveGiveUp, i, func(_ *State, n *node) { n.fail = failNone })
	}
	if n.role != roleReplica || n.follows >= maxNodes || n.fail != failNone {
		return
	}
	if f.Cut && !n.cut && n.link >= linkSyncing {
		r.fault1(s, moveCut, i, func(_ *State, n *node) { n.cut, n.link = true, linkDown })
	}
	// A user who promotes a replica in the midst of a handover, or while a server
	// is silent, is beyond what is claimed (docs/adr/0004).
	midway := s.failingOver() || s.op.kind == stepHandover || s.any((*node).mute)
	if f.User && n.link == linkUp && !midway {
		r.fault1(s, moveUser, i, func(s *State, _ *node) {
			s.becomePrimary(i)
			s.n[i].stray = true
		})
	}
}

// muteFaults stop a server, or cut it off.
func (r *run) muteFaults(s *State, i int) {
	n, f := &s.n[i], r.world.Faults
	if n.mute() || s.any(func(n *node) bool { return n.stray }) {
		return
	}
	if f.Freeze {
		r.fault1(s, moveFreeze, i, func(s *State, n *node) {
			n.frozen = true
			r.unheard(s, i)
		})
	}
	if f.Apart {
		r.fault1(s, moveApart, i, func(s *State, n *node) {
			n.apart = true
			r.unheard(s, i)
		})
	}
}

// unheard: nobody waits for the emptyDir of a pod that was never in service, and cannot be
// heard; nor for such a pod at all, where a replica in service lives on in a shard without a
// primary. What only that pod has is written off to whatever took it away (docs/adr/0004).
func (r *run) unheard(s *State, i int) {
	s.owed &= r.world.lasting(s)
	if s.n[i].gate != gateNever || len(s.primaries()) > 0 || !s.heir(i) {
		return
	}
	var heard writes
	for j := range s.n {
		if n := &s.n[j]; j != i && n.proc == procUp && n.phase == running && !n.former && !n.mute() {
			heard |= n.set
		}
	}
	s.owed &= heard
}

// healMoves end what lasts.
func (r *run) healMoves(s *State) {
	if s.tight {
		r.shard(s, moveLoose, func(s *State) { s.tight = false })
	}
	for i := range s.n {
		if s.n[i].mute() {
			r.node(s, moveHeal, i, func(_ *State, n *node) { n.silent, n.frozen, n.apart = false, false, false })
		}
		if s.n[i].cut {
			r.node(s, moveHeal, i, func(_ *State, n *node) { n.cut = false })
		}
	}
}

// specMoves are the user's next wish. Where the present one cannot work it is
// the mending that the shard waits for, else it is one more interruption.
func (r *run) specMoves(s *State) {
	if int(s.spec)+1 >= len(r.world.Specs) {
		return
	}
	change := r.shard
	if !r.mendable(s) {
		change = r.shardFault
	}
	change(s, moveSpec, func(s *State) {
		before := r.world.spec(s).Rev
		s.spec++
		if r.world.spec(s).Rev != before {
			s.seen = false
		}
	})
}

// mendable says that only another spec gets the shard on.
func (r *run) mendable(s *State) bool {
	if spec := r.world.spec(s); spec.Bad || spec.Paused {
		return true
	}
	for i := range s.n {
		if s.n[i].broken {
			return true
		}
	}
	return false
}

// deleted is what somebody else's deletion does at once. What only an emptyDir
// in there holds is theirs to answer for, and so is, in a shard without a primary,
// what only the deleted server has: nobody's disk is waited for there.
func (r *run) deleted(s *State, n *node) {
	n.phase, n.foreign = terminating, true
	s.owed &= r.world.lasting(s)
	if len(s.primaries()) == 0 && s.heir(maxNodes) {
		s.owed &= s.living()
	}
}

func (s *State) any(is func(*node) bool) bool {
	for i := range s.n {
		if is(&s.n[i]) {
			return true
		}
	}
	return false
}
