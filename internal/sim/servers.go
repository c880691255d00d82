package sim

// serverMoves are what servers do by themselves.
func (r *run) serverMoves(s *State) {
	for i := range s.n {
		n := &s.n[i]
		if n.phase == absent || n.proc == procDead || n.frozen {
			continue
		}
		if n.proc == procLoading {
			r.node(s, moveLoaded, i, func(_ *State, n *node) { n.proc = procUp })
			continue
		}
		if n.logging {
			r.node(s, moveLogged, i, func(_ *State, n *node) {
				n.logging = false
				r.world.save(n, false)
			})
		}
		switch n.role {
		case roleReplica:
			r.replicaMoves(s, i)
		case rolePrimary:
			r.primaryMoves(s, i)
		}
		if n.fail == failProgress {
			r.takeOver(s, i)
		}
	}
}

func (r *run) replicaMoves(s *State, i int) {
	n := &s.n[i]
	if n.link == linkDown && n.gate == gateIn && n.fail == failNone && n.follows != nobody {
		r.node(s, moveLong, i, func(_ *State, n *node) { n.link = linkLong })
	}
	if n.follows >= maxNodes || n.fail != failNone {
		return
	}
	p := &s.n[n.follows]
	if p.proc != procUp || int(n.follows) == i || !s.passes(n) {
		return
	}
	serves := p.role == rolePrimary || p.link == linkUp
	switch {
	case n.link == linkUp:
		if n.set != p.set || n.hist != p.hist {
			r.node(s, moveReplicate, i, func(_ *State, n *node) {
				n.turn(p.hist)
				n.set = p.set
			})
		}
	case n.cut || !serves || r.world.cannotFollow(n, p):
	case n.link == linkSyncing:
		r.node(s, moveSynced, i, func(s *State, n *node) {
			r.world.fullSync(n, p)
			s.breakLinks(i)
		})
	case n.hist != 0 && n.set != 0 && (n.hist == p.hist || n.hist == p.hist2) && p.set.has(n.set):
		r.node(s, moveResume, i, func(_ *State, n *node) {
			n.link = linkUp
			n.turn(p.hist)
			n.set = p.set // the backlog comes with the answer
		})
	default:
		r.node(s, moveSync, i, func(_ *State, n *node) { n.link = linkSyncing })
	}
}

func (w *World) fullSync(n, p *node) {
	n.link, n.set, n.hist, n.hist2 = linkUp, p.set, p.hist, 0
	switch w.Persist {
	case Snapshots:
		n.diskSet, n.diskHist = n.set, n.hist
	case Log:
		n.logging = true
	case Nothing:
	}
}

func (r *run) primaryMoves(s *State, i int) {
	n := &s.n[i]
	if n.fail == failNone && s.written < r.world.MaxWrites+1 && (s.slice == uint8(i) || n.clients) {
		r.node(s, moveWrite, i, func(s *State, n *node) {
			w := writes(1) << s.written
			s.written++
			n.set |= w
			n.clients = n.clients || s.slice == uint8(i)
			if s.counts(i) {
				s.owed |= w
			}
		})
	}
	if n.fail != failWaiting {
		return
	}
	t := s.target(n)
	able := t.proc == procUp && t.role == roleReplica && t.follows == uint8(i) && t.link == linkUp && !t.stuck() && !n.stuck()
	if able && t.set == n.set {
		r.node(s, moveDemote, i, func(s *State, n *node) {
			n.role, n.follows, n.link, n.fail = roleReplica, n.target, linkDown, failProgress
		})
	}
	if !able || t.set != n.set {
		r.node(s, moveGiveUp, i, func(_ *State, n *node) { n.fail = failNone })
	}
}

// takeOver is PSYNC … FAILOVER: the target becomes primary, or refuses, which
// makes the old one primary again.
func (r *run) takeOver(s *State, i int) {
	n := &s.n[i]
	t := s.target(n)
	if t.proc != procUp || n.cut || t.stuck() || n.stuck() {
		return // it asks again and again
	}
	if t.role == roleReplica && t.hist == n.hist {
		r.node(s, moveTakeOver, i, func(s *State, n *node) {
			if t.follows != uint8(i) {
				s.owed &= t.set // a target reborn in this very moment: see docs/adr/0004
			}
			s.becomePrimary(int(n.target))
			n.fail = failNone
		})
		return
	}
	r.node(s, moveRefused, i, func(s *State, _ *node) { s.becomePrimary(i) })
}

// target is whom a server fails over to; an absent node if its pod is no more.
func (s *State) target(n *node) *node {
	if n.target >= maxNodes {
		return &node{}
	}
	return &s.n[n.target]
}

// breakLinks breaks the links of those that follow i.
func (s *State) breakLinks(i int) {
	for j := range s.n {
		n := &s.n[j]
		if n.role == roleReplica && n.follows == uint8(i) && n.link > linkLong {
			n.link = linkDown
		}
	}
}

// die ends a server's process. Unless the operator ended it, what it alone had
// acknowledged is written off to whatever did: where a replica in service lives on, all that no living
// server has; else all that neither a server nor a disk has.
func (r *run) die(s *State, i int, clean, writeOff bool) {
	n := &s.n[i]
	if n.proc == procDead {
		return
	}
	lost := n.role == rolePrimary || len(s.primaries()) == 0
	if n.proc == procUp {
		r.world.save(n, clean)
	}
	heir := lost && s.heir(i)
	n.proc = procDead
	s.breakLinks(i)
	n.tidy()
	if !writeOff {
		return
	}
	if heir {
		s.owed &= s.living()
	}
	s.owed &= r.world.lasting(s)
}

// save is what is on the disk when the process has ended. One that writes its first log
// refuses to end until it is killed.
func (w *World) save(n *node, clean bool) {
	switch {
	case w.Persist == Nothing, n.logging:
	case w.Persist == Log:
		n.diskHist, n.diskSet = 0, n.set
	case clean:
		n.diskHist, n.diskSet = n.hist, n.set
	}
}

// heir says whether a replica that is in service (or is just being put there) or
// linked, or a primary made by a user, lives on after primary i.
func (s *State) heir(i int) bool {
	for j := range s.n {
		n := &s.n[j]
		if j == i || n.proc != procUp || n.phase != running || n.former {
			continue
		}
		in := n.gate == gateIn || s.op.pub[j]&pubIn != 0
		if n.role == rolePrimary || (in && n.follows != nobody) || (n.follows == uint8(i) && n.link == linkUp) {
			return true
		}
	}
	return false
}

// counts says whether what primary i acknowledges is owed. While a user has made
// a second primary, only that of the first one is, and only if the Service leads
// there: the rest is the user's to lose. So it is while one
// is left that was replaced because it was silent: what that one acknowledges is the
// fault's.
func (s *State) counts(i int) bool {
	all := s.primaries()
	for _, p := range all {
		if s.n[p].stray {
			return len(all) == 1 || (s.slice == uint8(i) && !s.n[i].stray)
		}
	}
	if len(all) > 1 || s.any(func(n *node) bool { return n.former }) {
		return s.slice == uint8(i) && !s.n[i].former
	}
	return true
}

// living is what the servers still hold whose pods nobody has ended.
func (s *State) living() (all writes) {
	for i := range s.n {
		if s.n[i].proc == procUp && s.n[i].phase == running && !s.n[i].former {
			all |= s.n[i].set
		}
	}
	return all
}

// lasting is what can be counted on: what will be there once every pod that is
// going has gone, without the emptyDir of a pod that was never in service and
// whose server is dead or silent. Were that one waited for, a bad spec of one
// replica would keep a primary from coming back.
func (w *World) lasting(s *State) (all writes) {
	for i := range s.n {
		n := s.n[i]
		if (i >= int(s.size) && !n.kept && !s.left(i)) || n.former {
			continue // scaled in: its volume goes with it; or another has replaced it
		}
		if n.phase == terminating && n.proc != procDead {
			w.save(&n, true)
			n.proc = procDead
		}
		if w.Durable || (n.phase == running && n.gate != gateNever) {
			all |= n.diskSet
		}
		if n.proc != procDead && (w.Durable || n.gate != gateNever || !n.mute()) {
			all |= n.set
		}
	}
	return all
}

// boot starts a server's process: a replica of nobody, with what its disk has.
func (w *World) boot(n *node) {
	n.proc, n.role, n.follows, n.link = procUp, roleReplica, nobody, linkDown
	n.hist, n.hist2, n.set = n.diskHist, 0, n.diskSet
	if w.Persist == Log {
		n.hist = 0
	}
	if n.diskSet != 0 {
		n.proc = procLoading
	}
}
