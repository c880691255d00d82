package cluster

import "math/bits"

// reach: both are members, know each other, and their link stands.
func (s *State) reach(i, j int) bool {
	a, b := &s.n[i], &s.n[j]
	switch {
	case a.proc != up || b.proc != up:
		return false
	case i == j:
		return true
	case a.part != b.part || a.forgot&(1<<j) != 0 || b.forgot&(1<<i) != 0:
		return false
	}
	return !a.lost && !b.lost && a.cut == cutNo && b.cut == cutNo
}

// serves: in the eyes of i a member that owns slots is there.
func (s *State) serves(i int, who id) bool { return who < maxNodes && s.reach(i, int(who)) }

// majority: i reaches more than half of those who own slots in its eyes.
func (s *State) majority(i int) bool {
	there, size := s.electorate(i)
	return 2*there > size
}

// electorate counts the owners of slots that i knows, and those that it reaches.
func (s *State) electorate(i int) (there, size int) {
	owners := s.n[i].table.owners()
	for rest := owners; rest != 0; rest &= rest - 1 {
		if s.serves(i, id(bits.TrailingZeros16(rest))) {
			there++
		}
	}
	return there, bits.OnesCount16(owners)
}

// ok is cluster_state: all groups are served, and a majority is there.
func (s *State) ok(i int, all groups) bool {
	for g := range maxGroups {
		if all.has(g) && !s.serves(i, s.n[i].table.owner(g)) {
			return false
		}
	}
	return s.majority(i)
}

// claims are the groups that j tells i of, each with its owner: its own, and, of those
// that i itself claims, the ones whose owner is another one by what j knows (an UPDATE).
func (s *State) claims(i, j, g int) id {
	if s.owned(j).has(g) {
		return id(j)
	}
	if told := s.n[j].table.owner(g); s.n[i].primary && s.n[i].table.owner(g) == id(i) && !s.unclaimed(j, told, g) {
		return told
	}
	return nobody
}

// unclaimed: i reaches whom it takes for the owner of a group, and that one does not
// say so: it has given it away.
func (s *State) unclaimed(i int, owner id, g int) bool {
	return s.serves(i, owner) && !s.owned(int(owner)).has(g)
}

// newer is who owns a group by what j tells i, if i believes it; nobody if there is
// nothing new.
func (s *State) newer(i, j, g int) id {
	old, claim := s.n[i].table.owner(g), s.claims(i, j, g)
	if claim == nobody || claim == old {
		return nobody
	}
	if old != nobody && s.epochOf(claim) <= s.epochOf(old) && !s.unclaimed(i, old, g) {
		return nobody
	}
	return claim
}

// hear tells a node all news of those that it reaches.
func (s *State) hear(i int) {
	for j := range s.n {
		if i == j || !s.reach(i, j) {
			continue
		}
		for g := range maxGroups {
			if who := s.newer(i, j, g); who != nobody {
				s.believe(i, g, who)
			}
		}
	}
}

// believe gives a group to another owner in the eyes of i. Who has lost its last one to
// a node of its own shard becomes its replica, and so does who followed it.
func (s *State) believe(i, g int, who id) {
	n := &s.n[i]
	leader := n.follows
	if n.primary {
		leader = id(i)
	}
	lost := n.table.owner(g) == leader
	n.table = n.table.with(g, who)
	if who&ghost != 0 {
		n.ghosts |= 1 << (who &^ ghost)
	}
	if !lost || n.table.of(leader) != 0 || shardOf(int(leader&^ghost)) != shardOf(int(who&^ghost)) || who == id(i) {
		return
	}
	n.primary, n.follows, n.linked, n.fit, n.fail = false, who, false, false, 0
	s.breakLinks(i)
}

// news says whether there is anything that a node has not heard of.
func (s *State) news(i int) bool {
	if !s.member(i) {
		return false
	}
	for j := range s.n {
		if i == j || !s.reach(i, j) {
			continue
		}
		for g := range maxGroups {
			if s.newer(i, j, g) != nobody {
				return true
			}
		}
	}
	return false
}

// top is the highest epoch that a node has heard of.
func (s *State) top(i int) uint8 {
	most := s.n[i].epoch
	for j := range s.n {
		if s.n[j].conf && s.n[j].part == s.n[i].part {
			most = max(most, s.n[j].epoch)
		}
		if s.n[i].ghosts&(1<<j) != 0 {
			most = max(most, s.ghostEpoch[j])
		}
	}
	return most
}

// elects: a majority of the owners, as the candidate knows them, votes for it in the
// place of the primary that it follows.
func (s *State) elects(c int) bool {
	n := &s.n[c]
	claim := n.table.of(n.follows)
	if claim == 0 || n.cut != cutNo || s.succeeded(c, claim) {
		return false
	}
	votes := 0
	owners := n.table.owners()
	for rest := owners; rest != 0; rest &= rest - 1 {
		v := id(bits.TrailingZeros16(rest))
		if s.serves(c, v) && s.votes(int(v), c, claim) {
			votes++
		}
	}
	return 2*votes > bits.OnesCount16(owners)
}

// succeeded: another one has been elected in the place of the same primary, and lives.
// Whoever voted for him votes for nobody else for a while.
func (s *State) succeeded(c int, claim groups) bool {
	epoch := s.epochOf(s.n[c].follows)
	for j := range s.n {
		if j != c && s.owned(j)&claim != 0 && s.n[j].epoch > epoch && s.n[j].cut != cutFor {
			return true
		}
	}
	return false
}

// votes: the voter serves slots, and knows of no newer owner of what is claimed.
func (s *State) votes(v, c int, claim groups) bool {
	if s.owned(v) == 0 || s.n[v].listens {
		return false
	}
	epoch := s.epochOf(s.n[c].follows)
	for g := range maxGroups {
		if claim.has(g) && s.epochOf(s.n[v].table.owner(g)) > epoch {
			return false
		}
	}
	return true
}

// win makes a replica the primary of all that its primary owned in its eyes.
func (s *State) win(c int) {
	n := &s.n[c]
	claim := n.table.of(n.follows)
	n.epoch = s.top(c) + 1
	for g := range maxGroups {
		if claim.has(g) {
			n.table = n.table.with(g, id(c))
		}
	}
	n.primary = true
	n.turn(s.newHistory())
}

// loseIdentity makes a node a stranger: the others keep what they knew of it, as a
// ghost.
func (s *State) loseIdentity(i int) {
	n := &s.n[i]
	if !n.conf {
		return
	}
	old, was := id(i)|ghost, *n
	for j := range s.n {
		m := &s.n[j]
		if j == i || !m.conf {
			continue
		}
		if m.part == was.part && m.forgot&(1<<i) == 0 {
			m.ghosts |= 1 << i
		}
		m.forgot &^= 1 << i
		for g := range maxGroups {
			if m.table.owner(g) == id(i) {
				m.table = m.table.with(g, old)
			}
		}
		if !m.primary && m.follows == id(i) {
			m.follows, m.linked = old, false
		}
	}
	s.ghostEpoch[i] = max(s.ghostEpoch[i], was.epoch)
	n.conf = false
	n.tidy()
}

// newIdentity is what a server without nodes.conf makes.
func (s *State) newIdentity(i int) {
	n := &s.n[i]
	n.conf, n.primary, n.follows, n.table = true, true, nobody, unowned
	n.epoch, n.ghosts, n.forgot, n.lost = 0, 0, 0, false
	n.part = uint8(maxNodes + i) // nobody's
}
