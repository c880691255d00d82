package cluster

// serverMoves are what servers do by themselves.
func (r *run) serverMoves(s *State) {
	for k := range r.world.shards() {
		r.shardHears(s, k)
	}
	for i := range r.world.nodes() {
		if !s.member(i) {
			continue
		}
		r.memberMoves(s, i)
		if s.n[i].primary {
			r.primaryMoves(s, i)
		} else {
			r.replicaMoves(s, i)
		}
	}
}

// shardHears: news spread by gossip. A shard hears them as one: what one of its
// nodes hears later than another makes no difference to the other shards.
func (r *run) shardHears(s *State, k int) {
	some := false
	for i := range r.world.nodes() {
		some = some || (shardOf(i) == k && s.news(i))
	}
	if !some {
		return
	}
	r.emitShard(s, moveHear, k, func(s *State) {
		for i := range r.world.nodes() {
			if shardOf(i) == k {
				s.hear(i)
			}
		}
	})
}

// memberMoves are those of the bus.
func (r *run) memberMoves(s *State, i int) {
	n := &s.n[i]
	if n.cut != cutNo {
		return
	}
	if n.lost && s.findsOthers(i) {
		r.node(s, moveFound, i, func(_ *State, n *node) { n.lost = false })
	}
	if n.meets != 0 {
		r.node(s, moveMet, i, func(s *State, n *node) {
			via := n.meets - 1
			n.meets = 0
			if s.member(int(via)) && s.n[via].cut == cutNo {
				s.introduce(i, int(via))
			}
		})
	}
}

// introduce makes two parts one.
func (s *State) introduce(i, via int) {
	a, b := &s.n[i], &s.n[via]
	a.lost, b.lost = false, false
	a.forgot &^= 1 << via
	b.forgot &^= 1 << i
	known := a.ghosts | b.ghosts
	s.relabel(b.part, a.part)
	for j := range s.n {
		if s.n[j].conf && s.n[j].part == a.part && s.n[j].proc == up {
			s.n[j].ghosts |= known
		}
	}
	for j := range s.n { // who is introduced is told who is who
		if s.member(j) {
			s.hear(j)
		}
	}
}

// findsOthers: somebody of its part is where it was.
func (s *State) findsOthers(i int) bool {
	for j := range s.n {
		m := &s.n[j]
		if j != i && s.member(j) && m.part == s.n[i].part && !m.lost && m.cut == cutNo && m.forgot&(1<<i) == 0 {
			return true
		}
	}
	return false
}

func (r *run) primaryMoves(s *State, i int) {
	n := &s.n[i]
	if n.listens && n.cut == cutNo && s.majority(i) {
		r.node(s, moveListened, i, func(s *State, n *node) {
			n.listens = false
			s.hear(i)
			for j := range s.n { // who listens is heard as well
				if s.reach(j, i) {
					s.hear(j)
				}
			}
		})
	}
	r.write(s, i)
	if n.fail != 0 {
		r.failover(s, i, int(n.fail-1))
	}
	if n.moves != 0 {
		r.migrate(s, i, int(n.movesTo))
	}
	if n.moveFailed {
		r.node(s, moveAgain, i, func(_ *State, n *node) { n.moveFailed = false })
	}
}

// write acknowledges one write to the first group that has room for another. A
// server that has been told to end, or is about to be, takes none; one that nobody told,
// as its pod was deleted by force, goes on.
func (r *run) write(s *State, i int) {
	n := &s.n[i]
	serves := n.phase == forgotten || (n.phase == running && s.stays(i))
	if s.written >= r.world.MaxWrites || n.cut != cutNo || !serves || !s.ok(i, r.world.all()) {
		return
	}
	mine := s.accepts(i)
	for g := range maxGroups {
		w := writes(1) << (2 * g)
		if s.n[i].set&w != 0 || s.owed&w != 0 {
			w <<= 1
		}
		if !mine.has(g) || (s.n[i].set|s.owed)&w != 0 {
			continue
		}
		r.node(s, moveWrite, i, func(s *State, n *node) {
			s.written++
			n.set |= w
			s.owed |= w
		})
		return
	}
}

// failover is the servers' own manual failover: the primary holds back writes until
// its target has them all and is elected, or the time is over.
func (r *run) failover(s *State, i, t int) {
	target := &s.n[t]
	able := s.member(t) && !target.primary && target.follows == id(i) && target.linked && s.elects(t)
	switch {
	case able && target.set == s.n[i].set:
		r.node(s, moveElected, t, func(s *State, _ *node) { s.win(t) })
		if r.world.Faults.Timeout && s.faults < r.world.MaxFaults {
			r.fault1(s, moveGiveUp, i, func(_ *State, n *node) { n.fail = 0 })
		}
	case able, s.owned(t) != 0 && s.reach(i, t): // it will have them; it will hear of it
	default:
		r.node(s, moveGiveUp, i, func(_ *State, n *node) { n.fail = 0 })
	}
}

// migrate ends an atomic migration, well or not.
func (r *run) migrate(s *State, i, to int) {
	well := s.reach(i, to) && s.n[to].primary && s.owned(i)&s.n[i].moves == s.n[i].moves && s.n[i].fail == 0 && s.n[to].fail == 0
	if !well {
		r.node(s, moveMoveFailed, i, func(_ *State, n *node) { n.moves, n.moveFailed = 0, true })
		return
	}
	r.node(s, moveMoved, i, func(s *State, n *node) {
		t := &s.n[to]
		t.epoch = s.top(to) + 1
		for g := range maxGroups {
			if n.moves.has(g) {
				t.table, n.table = t.table.with(g, id(to)), n.table.with(g, id(to))
			}
		}
		// The source keeps what it has given away: its offset does not fall either.
		t.set = t.set&^t.set.in(n.moves) | n.set.in(n.moves)
		n.moves = 0
		for j := range s.n {
			if shardOf(j) == shardOf(to) || shardOf(j) == shardOf(i) {
				s.hear(j)
			}
		}
	})
}

func (r *run) replicaMoves(s *State, i int) {
	n := &s.n[i]
	if n.follows < maxNodes && n.cut == cutNo {
		r.replicate(s, i, int(n.follows))
	}
	if n.fit && n.phase == running && s.widow(i) && s.elects(i) && s.best(i) {
		r.node(s, moveElected, i, func(s *State, _ *node) { s.win(i) })
	}
}

func (r *run) replicate(s *State, i, from int) {
	n, p := &s.n[i], &s.n[from]
	if !s.reach(i, from) || !p.primary {
		return
	}
	if n.linked {
		if n.set != p.set || n.hist != p.hist {
			r.node(s, moveReplicate, i, func(_ *State, n *node) {
				n.set = p.set
				n.turn(p.hist)
			})
		}
		return
	}
	r.node(s, moveSynced, i, func(s *State, n *node) {
		p := &s.n[from]
		if p.hist == 0 {
			p.hist = s.newHistory()
		}
		partial := n.hist != 0 && (n.hist == p.hist || n.hist == p.hist2) && n.set&^p.set == 0
		if partial {
			n.turn(p.hist)
		} else {
			n.hist, n.hist2 = p.hist, 0
		}
		n.set, n.linked, n.fit = p.set, true, true
		s.hear(i) // it has been talking with its primary
		if !partial && !r.world.NoPersistence {
			n.diskSet, n.diskHist = n.set, n.hist
		}
	})
}

// widow: the primary of a replica is no member any more, or has stopped.
func (s *State) widow(i int) bool {
	p := s.n[i].follows
	if p >= maxNodes {
		return p != nobody
	}
	return !s.member(int(p)) || s.n[p].cut == cutFor
}

// best: no other replica that could be elected has more.
func (s *State) best(i int) bool {
	for j := range s.n {
		m := &s.n[j]
		if j != i && s.member(j) && !m.primary && m.fit && m.follows == s.n[i].follows && m.set.count() > s.n[i].set.count() {
			return false
		}
	}
	return true
}

// boot starts a server's process, as start.sh does.
func (r *run) boot(s *State, i int) {
	n := &s.n[i]
	switch {
	case !n.conf:
		s.newIdentity(i)
		n.proc = up
	case n.primary && !r.world.Mutant.Unguarded:
		n.proc = held
		return
	default:
		n.proc = up
	}
	n.set, n.hist, n.hist2 = n.diskSet, n.diskHist, 0
	if n.primary && n.hist != 0 {
		n.turn(s.newHistory())
	}
	n.listens = n.primary && n.table != unowned
}

// released lets a held server join with the identity that it had, or with a new one
// if its data are gone by design.
func (r *run) released(s *State, i int) {
	n := &s.n[i]
	if r.world.NoPersistence {
		s.loseIdentity(i)
	}
	if !n.conf {
		n.proc = dead
		r.boot(s, i)
		return
	}
	n.proc, n.listens = up, true
	n.set, n.hist, n.hist2 = n.diskSet, n.diskHist, 0
	if n.hist != 0 {
		n.turn(s.newHistory())
	}
}
