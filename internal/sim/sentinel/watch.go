package sentinel

import "math/bits"

// quorum is how many Sentinels have to find a primary down.
const quorum = 2

// sentinelMoves are what Sentinels do by themselves.
func (r *run) sentinelMoves(s *State) {
	r.lookAround(s)
	r.findDown(s)
	elected := false
	for k := range s.s {
		if s.active(k) {
			r.hear(s, k)
			elected = elected || r.elect(s, k) // the others that could be are like it
		}
	}
	r.repoint(s)
	switch s.fo.part {
	case 1:
		r.choose(s)
	case 2:
		r.conclude(s)
	case 3:
		r.sentinel(s, moveSwitch, int(s.fo.by), func(s *State, _ *sentinel) { s.name(int(s.fo.by), s.fo.to, s.fo.epoch) })
	}
}

// lookAround lets all Sentinels see what there is to be seen: they find replicas and
// each other, what priorities are, and the addresses of pods that have been replaced.
func (r *run) lookAround(s *State) {
	next := *s
	for k := range s.s {
		if seen := *s; s.active(k) {
			next.s[k] = seen.around(k)
		}
	}
	if next != *s {
		r.emit(Move{Kind: moveLookAround}, next)
	}
}

func (s *State) around(k int) sentinel {
	s.s[k].lost = 0
	t := s.s[k]
	if s.fine(k) {
		for i := range s.n {
			if n := &s.n[i]; n.up && n.follows == t.watch && n.linked {
				t.knows |= 1 << i
			}
		}
	}
	for i := range s.n {
		if t.knows&(1<<i) != 0 && s.sees(k, uint8(i)) {
			t.rank(&s.n[i], i)
		}
	}
	for o := range s.s {
		if o != k && s.active(o) && s.meets(k, o) {
			t.others |= 1 << o
			t.away &^= 1 << o
		}
	}
	return t
}

// rank: a Sentinel sees what priority a node has.
func (t *sentinel) rank(n *node, i int) {
	t.ranked, t.late = t.ranked&^(1<<i), t.late&^(1<<i)
	if !n.zero && t.watch != uint8(i) {
		t.ranked |= 1 << i
	}
	if n.late {
		t.late |= 1 << i
	}
}

// meets: two Sentinels hear each other, by a data node that both of them know.
func (s *State) meets(a, b int) bool {
	if !s.talk(a, b) {
		return false
	}
	both := s.s[a].knows & s.s[b].knows
	for i := range s.n {
		if both&(1<<i) != 0 && s.sees(a, uint8(i)) {
			return true
		}
	}
	return false
}

// findDown: all that do not reach whom they name find it down, and, after a longer
// while, all whose primary says that it is a replica. Servers, gossip and the operator
// are quicker than that (see docs/adr/0004).
func (r *run) findDown(s *State) {
	next, later := *s, *s
	for k := range s.s {
		if !s.active(k) {
			continue
		}
		if !s.sees(k, s.s[k].watch) {
			next.s[k].down = true
		} else if !s.n[s.s[k].watch].primary && s.superseded(k) < 0 {
			later.s[k].down = true
		}
	}
	if next != *s {
		r.emit(Move{Kind: moveFindDown}, next)
	}
	if later != *s && !s.midway() && s.op.step == 0 && r.plan(s).step == 0 {
		r.emit(Move{Kind: moveFindReplica}, later)
	}
}

// midway: a FAILOVER runs whose target can be reached.
func (s *State) midway() bool {
	for i := range s.n {
		if n := &s.n[i]; n.fail != failNone && n.target < maxNodes && s.reach(i, int(n.target)) {
			return true
		}
	}
	return false
}

// hear: a Sentinel believes another one with a higher epoch.
func (r *run) hear(s *State, k int) {
	best := s.superseded(k)
	if best < 0 {
		return
	}
	r.sentinel(s, moveHear, k, func(s *State, _ *sentinel) { s.name(k, s.announced(best), s.s[best].epoch) })
}

// announced is whom a Sentinel tells the others of: the one that it has promoted, long before
// its own failover has ended.
func (s *State) announced(k int) uint8 {
	if s.fo.kind != foNone && s.fo.by == uint8(k) && s.fo.part == 3 {
		return s.fo.to
	}
	return s.s[k].watch
}

// name makes a Sentinel name a primary. Whoever changes its mind forgets what it was
// about, and looks at all anew.
func (s *State) name(k int, primary, epoch uint8) {
	t := &s.s[k]
	t.epoch = epoch
	if s.fo.kind != foNone && s.fo.by == uint8(k) {
		s.fo = failover{}
	}
	if t.watch == primary {
		return
	}
	t.watch, t.down, t.ranked, t.late = primary, false, 0, 0
	t.knows |= 1 << primary
}

// nextEpoch is more than any Sentinel has.
func (s *State) nextEpoch() uint8 {
	most := s.op.epoch
	for k := range s.s {
		most = max(most, s.s[k].epoch)
	}
	return most + 1
}

// knownEpoch is more than a Sentinel and those that it knows have.
func (s *State) knownEpoch(k int) uint8 {
	most := s.s[k].epoch
	for o := range s.s {
		if s.s[k].others&(1<<o) != 0 {
			most = max(most, s.s[o].epoch)
		}
	}
	return most + 1
}

// begin lets a Sentinel fail over.
func (s *State) begin(kind uint8, k int) {
	s.fo = failover{kind: kind, part: 1, by: uint8(k), from: s.s[k].watch, to: nobody, epoch: s.nextEpoch()}
}

// elect: a Sentinel that finds its primary down, as a quorum does, is elected by a
// majority of those that it knows. News travel faster than that.
func (r *run) elect(s *State, k int) bool {
	if s.fo.kind != foNone || !s.s[k].down || !s.elects(k) || s.superseded(k) >= 0 {
		return false
	}
	found := 0
	for o := range s.s {
		if s.active(o) && (o == k || s.calls(k, o)) && s.s[o].down && s.s[o].watch == s.s[k].watch {
			found++
		}
	}
	if found < quorum {
		return false
	}
	r.sentinel(s, moveElected, k, func(s *State, _ *sentinel) {
		s.begin(foOwn, k)
		for _, p := range s.primaries() {
			if s.sees(k, uint8(p)) && !s.theirs {
				s.fo.kind = foOverrule
			}
		}
	})
	return true
}

// elects: enough of those that a Sentinel knows would vote for it.
func (s *State) elects(k int) bool {
	votes := 1
	for o := range s.s {
		if s.active(o) && s.calls(k, o) {
			votes++
		}
	}
	return votes >= max(quorum, (bits.OnesCount8(s.s[k].others)+1)/2+1)
}

// eligible are those that a Sentinel could promote, whatever they hold: of what it reaches,
// and has last seen with a priority, those that do not come last, if there is one.
func (s *State) eligible(k int) (set uint8) {
	t := &s.s[k]
	for i := range s.n {
		if t.ranked&(1<<i) != 0 && s.sees(k, uint8(i)) {
			set |= 1 << i
		}
	}
	if first := set &^ t.late; first != 0 {
		return first
	}
	return set
}

// candidates are those of them with the most.
func (s *State) candidates(k int) (out []int) {
	able := s.eligible(k)
	most := -1
	for i := range s.n {
		if able&(1<<i) == 0 {
			continue
		}
		switch c := s.n[i].set.count(); {
		case c > most:
			most, out = c, []int{i}
		case c == most:
			out = append(out, i)
		}
	}
	return out
}

// choose: the elected Sentinel promotes a replica, or tells the primary to hand over.
func (r *run) choose(s *State) {
	k := int(s.fo.by)
	x := s.fo.from
	able := s.candidates(k)
	coordinated := s.fo.kind == foCoordinated
	if len(able) == 0 || coordinated && !s.fine(k) {
		r.sentinel(s, moveNoReplica, k, func(s *State, _ *sentinel) { s.fo = failover{} })
		return
	}
	for _, i := range able {
		r.node(s, moveChosen, i, func(s *State, n *node) {
			s.fo.part, s.fo.to = 2, uint8(i)
			if !coordinated {
				r.wins(s, i)
				return
			}
			p := &s.n[x]
			if p.fail == failNone && n.follows == x && n.linked {
				p.fail, p.target = failWaiting, uint8(i)
			}
		})
	}
}

// wins: a Sentinel has promoted a node. What that one lacks is written off to whoever
// has asked for it, if it was not the operator, or to the Sentinels if they did not reach
// the primary.
func (r *run) wins(s *State, i int) {
	s.theirs = s.fo.kind == foUser || s.fo.kind == foOwn
	if s.theirs {
		s.owed &= s.n[i].set
	}
	r.checkWins(s, i)
	s.lead = uint8(i)
	s.become(i)
}

// conclude: the Sentinel sees that the role has moved, and tells the others of the new
// primary, then lets the replicas follow that one before it names it itself; or it gives
// up: at once where no FAILOVER runs, and after failover-timeout where the target of one
// cannot be reached.
func (r *run) conclude(s *State) {
	k, to := int(s.fo.by), s.fo.to
	p := &s.n[s.fo.from]
	switch {
	case s.sees(k, to) && s.n[to].primary:
		r.sentinel(s, movePromotedSeen, k, func(s *State, t *sentinel) {
			s.fo.part, t.epoch = 3, s.fo.epoch
		})
	case s.fo.kind == foCoordinated && s.sees(k, s.fo.from) && p.fail != failNone && s.midway():
	default:
		r.sentinel(s, moveFailoverEnds, k, func(s *State, _ *sentinel) { s.fo = failover{} })
	}
}

// repoint: Sentinels let whom they know follow whom they name, if that one is primary.
// News travel faster than that.
func (r *run) repoint(s *State) {
	for i := range s.n {
		var told uint8
		for k := range s.s {
			p := s.s[k].watch
			if !s.repoints(k, i) || told&(1<<p) != 0 {
				continue
			}
			told |= 1 << p
			r.node(s, moveRepoint, i, func(s *State, _ *node) {
				if s.n[i].primary && s.lead == uint8(i) && s.theirs {
					s.owed &= s.n[p].set
					s.lead = p
				}
				r.checkFollow(s, i, int(p))
				s.point(i, p)
			})
		}
	}
}

// disown writes off what was written to a primary that a Sentinel has promoted and then
// told nobody of, because it died or gave up: the latest that others know is another one.
func (s *State) disown(i int, p uint8) {
	if !s.n[i].primary || s.lead != uint8(i) || !s.theirs || s.fo.to == uint8(i) && s.fo.kind != foNone {
		return
	}
	if known := s.epochOf(uint8(i)); known > 0 && known >= s.epochOf(p) {
		return
	}
	s.owed &= s.n[p].set
	s.lead = p
}

// epochOf is the highest epoch with which a node is named; 0 if it is not, or was never
// failed over to.
func (s *State) epochOf(i uint8) uint8 {
	var most uint8
	for k := range s.s {
		if s.active(k) && s.s[k].watch == i {
			most = max(most, s.s[k].epoch)
		}
	}
	return most
}

func (s *State) repoints(k, i int) bool {
	busy := s.fo.kind != foNone && (s.fo.by == uint8(k) || (s.fo.part >= 2 && s.fo.to == uint8(i)))
	if busy || !s.active(k) || !s.fine(k) || s.s[k].watch == uint8(i) || s.superseded(k) >= 0 {
		return false
	}
	return s.s[k].knows&(1<<i) != 0 && s.sees(k, uint8(i)) && s.n[i].follows != s.s[k].watch && s.n[i].fail == failNone
}
