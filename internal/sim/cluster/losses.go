package cluster

// homes are the groups of each shard. What a server of another one has of a group is
// left from a migration, and no copy any more.
func (w *World) homes(s *State) (out [maxShards]groups) {
	if w.Has == nil || (len(w.Has) == len(w.ranges) && len(w.Has) == w.Wished[0]) {
		for k := range out {
			out[k] = w.all()
		}
		return out
	}
	for g := range w.ranges {
		if owner := s.home(g); owner != nobody {
			out[shardOf(int(owner&^ghost))] |= 1 << g
		}
	}
	return out
}

// home is who has the latest claim to a group, or whom others take for its owner if
// nobody claims it any more.
func (s *State) home(g int) id {
	claims, told := nobody, nobody
	later := func(who, than id) bool { return than == nobody || s.epochOf(who) > s.epochOf(than) }
	for i := range s.n {
		n := &s.n[i]
		who := n.table.owner(g)
		if who == nobody || !n.conf {
			continue
		}
		if later(who, told) {
			told = who
		}
		if n.primary && who == id(i) && later(who, claims) {
			claims = who
		}
	}
	if claims != nobody {
		return claims
	}
	return told
}

// copies is everything that any server or disk still holds.
func (w *World) copies(s *State) (all writes) {
	homes := w.homes(s)
	for i := range w.nodes() {
		has := s.n[i].diskSet
		if s.member(i) {
			has |= s.n[i].set
		}
		all |= has.in(homes[shardOf(i)])
	}
	return all
}

// lasting is what can be counted on once every pod that is going has gone, without the
// emptyDir of a pod that was never in service and whose server is dead.
func (w *World) lasting(s *State) (all writes) {
	homes := w.homes(s)
	for i := range w.nodes() {
		n := &s.n[i]
		var has writes
		if n.proc == up && (n.phase == running || (w.Durable && !w.NoPersistence)) {
			has |= n.set
		}
		if w.Durable || (n.phase == running && n.gate != gateNever) {
			has |= n.diskSet
		}
		if s.stays(i) {
			all |= has.in(homes[shardOf(i)])
		}
	}
	return all
}

// die ends a server's process. Unless the operator ended it, what it alone had
// acknowledged is written off to whatever did: where a replica lives on, all that no
// living server of the shard has; else all that is nowhere else.
func (r *run) die(s *State, i int, clean, writeOff bool) {
	n := &s.n[i]
	switch {
	case n.proc != up || r.world.NoPersistence:
	case r.world.Log:
		n.diskSet, n.diskHist = n.set, 0
	case clean:
		n.diskSet, n.diskHist = n.set, n.hist
	}
	was := *n
	s.breakLinks(i)
	n.proc = dead
	n.tidy()
	if !writeOff {
		return
	}
	if was.proc == up {
		r.world.bequeath(s, i, was)
	}
	s.owed &= r.world.lasting(s)
}

// bequeath writes off what a server had, and none of those that may succeed it.
func (w *World) bequeath(s *State, i int, was node) {
	var living writes
	heir := false
	for j := range s.n {
		m := &s.n[j]
		if j != i && shardOf(j) == shardOf(i) && s.member(j) && m.cut == cutNo && m.phase == running && s.stays(j) {
			living |= m.set
			heir = heir || m.primary || m.linked || m.fit || m.gate == gateIn
		}
	}
	if heir {
		s.owed &^= was.set.in(w.homes(s)[shardOf(i)]) &^ living
	}
}

// breakLinks breaks the links of those that follow i, and ends migrations to it.
func (s *State) breakLinks(i int) {
	for j := range s.n {
		n := &s.n[j]
		if !n.primary && n.follows == id(i) {
			n.linked = false
		}
		if n.moves != 0 && n.movesTo == uint8(i) {
			n.moves, n.moveFailed = 0, true
		}
	}
}
