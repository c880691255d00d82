package cluster

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// checkState is what holds in every state: for each group of slots at most one
// server takes writes, and it has all that was acknowledged.
func (r *run) checkState(s *State) {
	if lost := s.owed &^ r.world.copies(s); lost != 0 {
		r.Violate(9, "the last copy of acknowledged writes %b is gone", lost)
	}
	var taken groups
	for i := range r.world.nodes() {
		mine := s.accepts(i)
		if s.n[i].cut == cutNow {
			continue // it serves on until the node timeout: that is the servers' own
		}
		if both := taken & mine; both != 0 {
			r.Violate(5, "%s takes writes for slots %s, and so does another", podNames[i], r.world.slots(both))
		}
		taken |= mine
		if missing := s.owed.in(mine) &^ s.n[i].set; missing != 0 {
			r.Violate(9, "%s takes writes and lacks acknowledged ones: %b", podNames[i], missing)
		}
	}
}

// checkPlan is what holds for every plan.
func (r *run) checkPlan(s *State, p planned) {
	r.checkLeft(s, p)
	for k := range r.world.shards() {
		stale := slices.ContainsFunc(nodesOf[k], func(i int) bool { return s.n[i].stale })
		held := false
		for _, h := range p.holds {
			held = held || h.Shard == shardNames[k]
			if h.Reason == "" || h.Detail == "" {
				r.Violate(0, "a hold of %s says nothing", h.Shard)
			}
			if h.Reason == model.ShardLost && h.Shard == shardNames[k] && s.owed.in(s.k[k].slots&r.world.homes(s)[k]) != 0 {
				r.Violate(0, "the data of %s pass for lost, and are not", h.Shard)
			}
		}
		if stale && p.steps[k] == 0 && !held {
			r.Violate(0, "a pod of %s is stale, and there is neither a step nor a hold", shardNames[k])
		}
	}
}

// checkPromote: laws 5 and 9 when a server is made primary although nobody has handed
// over to it.
func (r *run) checkPromote(s *State, i int) {
	claim := s.n[i].table.of(s.n[i].follows)
	for j := range r.world.nodes() {
		if j != i && s.accepts(j)&claim != 0 {
			r.Violate(5, "%s is promoted while %s takes writes for the same slots", podNames[i], podNames[j])
		}
	}
	r.checkLacks(s, podNames[i], s.n[i].set, claim)
}

func (r *run) checkLacks(s *State, name string, set writes, claim groups) {
	if missing := s.owed.in(claim) &^ set; missing != 0 {
		r.Violate(9, "%s is to serve and lacks acknowledged writes %b", name, missing)
	}
}

// checkTakeover: law 16.
func (r *run) checkTakeover(s *State, c int) {
	if s.n[c].table.of(s.n[c].follows) == 0 {
		return // it takes nothing
	}
	if s.elects(c) {
		r.Violate(16, "%s takes over although a majority can vote for it", podNames[c])
	}
	for i := range r.world.nodes() {
		if n := &s.n[i]; i != c && n.proc == up && n.primary && (n.cut == cutNow || n.silent) {
			r.Violate(16, "%s takes over beside %s, which may serve", podNames[c], podNames[i])
		}
	}
}

// checkRelease: laws 5 and 9 when a former primary joins as what it was.
func (r *run) checkRelease(s *State, i int) {
	claim := s.n[i].table.of(id(i))
	if r.world.NoPersistence {
		claim = 0
	}
	r.checkLacks(s, podNames[i], s.n[i].diskSet, claim)
}

// checkFollow: law 9 when a server is told to give up its copy.
func (r *run) checkFollow(s *State, i, p int) {
	theirs := r.world.all()
	for j := range r.world.nodes() {
		if shardOf(j) != shardOf(i) {
			theirs &^= s.owned(j)
		}
	}
	set := s.n[i].set | s.n[i].diskSet
	if missing := s.owed.in(theirs) & set &^ s.n[p].set; missing != 0 {
		r.Violate(9, "%s is to give up its copy for that of %s, which lacks acknowledged writes %b", podNames[i], podNames[p], missing)
	}
}

// checkHandover: laws 3 to 7, 10, 14, 15 and 20 when a failover is asked for.
func (r *run) checkHandover(s *State, from, to int) {
	a, b := &s.n[from], &s.n[to]
	name := podNames[to]
	switch {
	case !s.member(from) || !a.primary:
		r.Violate(5, "%s hands over and is no primary", podNames[from])
	case b.stale && !a.staleWillDo():
		r.Violate(4, "the target %s is stale", name)
	case s.down(to):
		r.Violate(4, "the target %s is down", name)
	case !s.attached(to, from):
		r.Violate(4, "the target %s is not synced", name)
	case a.set.count()-(a.set&b.set).count() > maxLag:
		r.Violate(4, "the target %s lags by more than the bound", name)
	case s.k[shardOf(from)].attempt == explore.AttemptFailed:
		r.Violate(6, "the last handover has just failed")
	case a.drain != drainNo && a.phase != terminating:
		r.Violate(7, "the drain of %s has begun while it was primary", podNames[from])
	}
	for i := range r.world.nodes() {
		if s.n[i].fail != 0 && !s.n[i].unseen() {
			r.Violate(10, "a failover runs on %s already", podNames[i])
		}
	}
	r.checkKnown(s, from, to)
	leaver := s.leaver(from)
	explore.CheckLeaving(r.Violate, leaver, s.leaver(to), false) // a second replica comes only to surge
	if leaver.Leaves() {
		return // it waits for nobody (plan/exclusive.go)
	}
	r.checkTouch(s, from)
	r.extraFirst(s, from, false)
}

// checkKnown: law 10 besides: every primary that can be seen knows the target, and a
// majority finds the cluster in order.
func (r *run) checkKnown(s *State, from, to int) {
	if !s.elects(to) {
		r.Violate(10, "%s is to be elected, and no majority can", podNames[to])
	}
	for v := range r.world.nodes() {
		if s.owned(v) != 0 && v != from && !s.n[v].unseen() && !s.reach(v, to) {
			r.Violate(10, "%s is to take over, and %s does not know it", podNames[to], podNames[v])
		}
	}
}

// checkBegins: laws 14 and 15 when something is taken from a shard that is well. Two of
// which a node is drained already do not count for each other: their drains cost nobody
// anything yet, and one of them has to go on.
func (r *run) checkBegins(s *State, i int) {
	k := shardOf(i)
	others := 0
	for other := range r.world.shards() {
		bothDrain := s.draining(k) && s.draining(other) && !r.disturbed(s.undrained(), other)
		if other != k && r.disturbed(s, other) && !bothDrain {
			others++
		}
	}
	if others >= max(1, r.world.Parallel) {
		r.Violate(14, "%s is to be touched, and %d other shards are at work", shardNames[k], others)
	}
	if m := s.migrates(k); m >= 0 {
		r.Violate(15, "%s is to be touched, and slots of %s move", podNames[i], podNames[m])
	}
}

// checkTouch is checkBegins for what comes after a second look, which a drain does
// not: all slots are served.
func (r *run) checkTouch(s *State, i int) {
	r.checkBegins(s, i)
	if s.covered() != r.world.all() && r.visible(s) {
		r.Violate(14, "%s is to be touched while slots are served by nobody", podNames[i])
	}
}

// covered are the groups that somebody says he serves.
func (s *State) covered() (out groups) {
	for i := range s.n {
		out |= s.owned(i)
	}
	return out
}

// visible: the operator sees every server that runs.
func (r *run) visible(s *State) bool {
	for i := range r.world.nodes() {
		if s.n[i].unseen() {
			return false
		}
	}
	return true
}

// draining: clients of a node of the shard are sent away.
func (s *State) draining(k int) bool {
	return slices.ContainsFunc(nodesOf[k], func(i int) bool { return s.n[i].drain != drainNo })
}

// undrained is the same state without its drains.
func (s *State) undrained() *State {
	out := *s
	for i := range out.n {
		out.n[i].drain = drainNo
	}
	return &out
}

// disturbed: the operator has begun something in a shard and not ended it.
func (r *run) disturbed(s *State, k int) bool {
	for _, i := range nodesOf[k] {
		if s.n[i].ours || s.n[i].drain != drainNo {
			return true
		}
	}
	return s.k[k].op.part > 0
}

// migrates is a node that gives slots away, from or to a shard; -1 for none.
func (s *State) migrates(k int) int {
	for i := range s.n {
		if s.n[i].moves != 0 && (shardOf(i) == k || shardOf(int(s.n[i].movesTo)) == k) && !s.n[i].silent {
			return i
		}
	}
	return -1
}

// checkTakeDown: laws 1 to 3, 6, 7, 14 and 15 when a pod is about to go.
func (r *run) checkTakeDown(s *State, i int) {
	n, name := &s.n[i], podNames[i]
	if !n.stale && !s.down(i) {
		r.Violate(1, "%s is fresh and healthy", name)
	}
	if s.member(i) && n.primary && n.table.of(id(i)) != 0 {
		r.Violate(3, "%s is a primary with slots", name)
	}
	if s.down(i) {
		return
	}
	r.checkTouch(s, i)
	r.extraFirst(s, i, false)
	p := s.leader(shardOf(i))
	switch {
	case s.another(i, func(j int) bool { return s.stays(j) && s.down(j) }):
		r.Violate(2, "%s is to go while another node of its shard is down", name)
	case p < 0:
		r.Violate(6, "%s is to go, and who is primary is not beyond doubt", name)
	case s.down(p) || !s.agreed(p):
		r.Violate(6, "%s is to go before a majority knows %s as primary", name, podNames[p])
	case n.drain != drainPassed:
		r.Violate(7, "%s is to go with clients that have not had their time", name)
	case !s.majority(p):
		r.Violate(14, "%s is to go without a majority of primaries", name)
	}
}

// leader is the only node of a shard that serves; -1 if there is none.
func (s *State) leader(k int) int {
	found := -1
	for _, i := range nodesOf[k] {
		if s.member(i) && s.n[i].primary && (s.owned(i) != 0 || s.followed(i)) {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// checkTakeAway: law 17 when a node is to go for good.
func (r *run) checkTakeAway(s *State, i int) {
	others := *s
	others.n[i] = node{}
	if s.n[i].primary && s.n[i].table.of(id(i))&^others.covered() != 0 {
		r.Violate(17, "%s owns slots and is to be taken away", podNames[i])
	}
	set := s.n[i].set | s.n[i].diskSet
	if only := s.owed & set &^ r.world.copies(&others); only != 0 {
		r.Violate(17, "%s is to be taken away and has the only copy of %b", podNames[i], only)
	}
	if !s.down(i) && s.n[i].drain != drainPassed {
		r.Violate(7, "%s is to be taken away with clients that have not had their time", podNames[i])
	}
	if shardOf(i) < r.world.wished(s) {
		r.checkTouch(s, i)
		r.extraFirst(s, i, true)
		return
	}
	for j := range r.world.nodes() {
		if shardOf(j) != shardOf(i) && s.reach(j, i) {
			r.Violate(17, "%s is to be taken away, and %s still knows it", podNames[i], podNames[j])
		}
	}
}

// checkForget: law 17: who owns slots is not forgotten, nor are they with it.
func (r *run) checkForget(s *State, i int, who id) {
	for j := range r.world.nodes() {
		stays := shardOf(j) < r.world.wished(s)
		if stays && s.member(j) && s.n[j].table.of(who) != 0 && s.n[j].part == s.n[i].part {
			r.Violate(17, "%s is to forget %s, which owns slots", podNames[i], idName(who))
		}
	}
}

// checkAddSlots: laws 5, 9 and 17 when slots that nobody serves get an owner.
func (r *run) checkAddSlots(s *State, i int, claim groups) {
	for j := range r.world.nodes() {
		if j != i && s.owned(j)&claim != 0 {
			r.Violate(5, "%s is given slots that %s serves", podNames[i], podNames[j])
		}
	}
	if s.formed && !r.world.ReassignEmpty && !s.reassign && s.n[i].set.in(claim) == 0 {
		r.Violate(17, "%s is given slots of data that are lost, unasked", podNames[i])
	}
	r.checkLacks(s, podNames[i], s.n[i].set, claim)
}

// checkMove: law 15 when slots begin to move.
func (r *run) checkMove(s *State, from, to int) {
	for _, i := range []int{from, to} {
		k := shardOf(i)
		switch {
		case r.disturbed(s, k), s.n[i].fail != 0:
			r.Violate(15, "slots are to move from or to %s, which is at work", shardNames[k])
		case s.migrates(k) >= 0:
			r.Violate(15, "slots are to move from or to %s, and others are on their way", shardNames[k])
		}
	}
}
