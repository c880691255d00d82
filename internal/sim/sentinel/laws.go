package sentinel

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// checkState is what holds in every state.
func (r *run) checkState(s *State) {
	if lost := s.owed &^ s.copies(); lost != 0 {
		r.Violate(9, "the last copy of acknowledged writes %b is gone", lost)
	}
}

// checkPlan is what holds for every plan.
func (r *run) checkPlan(s *State, p planned) {
	r.checkLeft(s, p)
	if step, ok := r.world.book.Step(p.step).(model.Publish); ok {
		r.checkPublish(s, index(step.Primary))
	}
	if s.stale() && p.step == 0 && len(p.holds) == 0 {
		r.Violate(0, "a pod is stale, and there is neither a step nor a hold")
	}
	for _, h := range p.holds {
		if h.Reason == "" || h.Detail == "" {
			r.Violate(0, "a hold says nothing")
		}
	}
	r.checkFenced(s, p)
	for k := range s.s {
		if t := &s.s[k]; !t.stale || t.phase != running || t.up || !s.quiet() {
			continue
		}
		if step := r.world.book.Step(p.step); step == nil || !restarts('s')(step) {
			r.Violate(12, "%s does not run and is superseded, and the plan is to %s %v", sentinelNames[k], r.tell(p), p.holds)
		}
	}
}

// checkFenced: law 5, of a primary from which Sentinels that answer fail over no write is
// taken once this is seen, unless they have nobody to promote, or whom they have promoted
// has ended.
func (r *run) checkFenced(s *State, p planned) {
	if s.fo.kind == foNone || s.fo.from >= maxNodes || !s.answers(int(s.fo.by)) {
		return
	}
	from := int(s.fo.from)
	if !s.overthrown(from) || !s.heard(from) || s.n[from].paused {
		return
	}
	if s.fo.part == 1 && s.eligible(int(s.fo.by)) == 0 || s.fo.part > 1 && !s.n[s.fo.to].primary {
		return
	}
	if step, pauses := r.world.book.Step(p.step).(model.PauseWrites); !pauses || index(step.Node) != s.fo.from {
		r.Violate(5, "%s fails over from %s, which takes writes, and the plan is to %s %v", sentinelNames[s.fo.by], podNames[from], r.tell(p), p.holds)
	}
}

// checkPublish: laws 5 and 18 when traffic is to move.
func (r *run) checkPublish(s *State, i uint8) {
	if !s.heard(int(i)) || !s.n[i].primary {
		r.Violate(5, "%s is published as primary, and did not say that it is", podNames[i])
	}
	if other, agreed := r.agreedOn(s); agreed && other != i && s.n[other].up && s.n[other].primary {
		r.Violate(18, "%s is published as primary, and the Sentinels name %s, which is", podNames[i], podNames[other])
	}
}

// stale: a pod runs an older revision.
func (s *State) stale() bool {
	for i := range s.n {
		if s.n[i].stale {
			return true
		}
	}
	for k := range s.s {
		if s.s[k].stale {
			return true
		}
	}
	return false
}

// quiet: no data node needs to be replaced before.
func (s *State) quiet() bool {
	for i := range s.n {
		if s.n[i].phase != absent && !s.n[i].up && s.n[i].gate == gateNever {
			return false
		}
	}
	return true
}

// agreedOn is whom as many Sentinels name as have to agree, of those that answer.
func (r *run) agreedOn(s *State) (uint8, bool) {
	var votes [maxNodes]int
	for k := range s.s {
		if s.answers(k) && s.s[k].watch != nobody {
			votes[s.s[k].watch]++
		}
	}
	for i, n := range votes {
		if n >= r.world.needed() {
			return uint8(i), true
		}
	}
	return nobody, false
}

// mayAct: Sentinels that could elect one of them to promote somebody else than a node: they
// name another one, or enough of them do not reach it.
func (s *State) mayAct(i int) (int, bool) {
	lost := 0
	for k := range s.s {
		if s.active(k) && s.s[k].watch == uint8(i) && s.s[k].lost&(1<<i) != 0 {
			lost++
		}
	}
	for k := range s.s {
		if s.active(k) && (s.s[k].watch != uint8(i) || lost >= quorum) && s.elects(k) && s.superseded(k) < 0 && s.eligible(k) != 0 {
			return k, true
		}
	}
	return 0, false
}

// checkPromote: laws 5, 9, 10 and 18 when the operator makes a server primary.
func (r *run) checkPromote(s *State, i int) {
	for _, p := range s.primaries() {
		if p != i && s.served(p) {
			r.Violate(5, "%s is made primary while %s is", podNames[i], podNames[p])
		}
	}
	if missing := s.owed &^ s.n[i].set; missing != 0 {
		r.Violate(9, "%s is made primary and lacks acknowledged writes %b", podNames[i], missing)
	}
	if s.fo.kind != foNone {
		r.Violate(10, "%s is made primary while %s fails over", podNames[i], sentinelNames[s.fo.by])
	}
	if k, able := s.mayAct(i); able {
		r.Violate(18, "%s is made primary, and %s and others may promote another one", podNames[i], sentinelNames[k])
	}
	for j := range s.n {
		n := &s.n[j]
		if t := s.target(n); n.fail != failNone && t.up && (j != i || t.follows == uint8(i)) {
			r.Violate(10, "%s is made primary while the FAILOVER of %s runs", podNames[i], podNames[j])
		}
	}
}

// served: a server that the operator does not hear, that was promoted and that no client
// can have found is a primary to nobody: another may be made.
func (s *State) served(i int) bool {
	return s.heard(i) || s.n[i].gate != gateNever || s.serves(i)
}

// checkAsk: laws 5 and 10 when Sentinels are asked to promote. What they do themselves
// to a primary that they do not reach is theirs.
func (r *run) checkAsk(s *State, k uint8) {
	if s.fo.kind != foNone && s.answers(int(s.fo.by)) {
		r.Violate(10, "a Sentinel is asked to fail over while %s does", sentinelNames[s.fo.by])
	}
	for _, p := range s.primaries() {
		if s.served(p) && (!s.s[k].down || !s.elects(int(k))) {
			r.Violate(5, "a Sentinel is asked to fail over while %s is primary", podNames[p])
		}
	}
}

// checkWins: law 9 when Sentinels have promoted a node.
func (r *run) checkWins(s *State, i int) {
	if missing := s.owed &^ s.n[i].set; missing != 0 {
		r.Violate(9, "the Sentinels promote %s, which lacks acknowledged writes %b", podNames[i], missing)
	}
	if n := &s.n[i]; !n.primary && n.follows == nobody && !n.vouched {
		r.Violate(18, "the Sentinels promote %s, which has booted and was not compared", podNames[i])
	}
}

// checkFollow: law 9 when a server is told to give up its copy.
func (r *run) checkFollow(s *State, i, primary int) {
	n, p := &s.n[i], &s.n[primary]
	if missing := s.owed & n.set &^ p.set; missing != 0 {
		r.Violate(9, "%s is to follow %s, which lacks acknowledged writes %b", podNames[i], podNames[primary], missing)
	}
}

// checkRank: laws 9 and 18 when Sentinels are let promote a node.
func (r *run) checkRank(s *State, i, priority int) {
	if priority == 0 {
		return
	}
	all := s.primaries()
	if len(all) == 1 && !s.attached(i, all[0]) {
		r.Violate(18, "%s may be promoted from now on, and is not in step with %s", podNames[i], podNames[all[0]])
	}
	if missing := s.owed &^ s.n[i].set; len(all) == 0 && missing != 0 {
		r.Violate(9, "%s may be promoted from now on, and lacks acknowledged writes %b", podNames[i], missing)
	}
}

// checkHandover: laws 2, 4, 6, 7, 10, 18 and 20 when a role is to move.
func (r *run) checkHandover(s *State, from, to int) {
	a, b := &s.n[from], &s.n[to]
	name := podNames[to]
	switch {
	case !a.up || !a.primary:
		r.Violate(5, "%s hands over and is no primary", podNames[from])
	case b.stale && !a.staleWillDo():
		r.Violate(4, "the target %s is stale", name)
	case s.down(to):
		r.Violate(4, "the target %s is down", name)
	case !s.attached(to, from):
		r.Violate(4, "the target %s is not synced", name)
	case a.set.count()-b.set.count() > maxLag:
		r.Violate(4, "the target %s lags by more than the bound", name)
	case a.fail != failNone:
		r.Violate(10, "a FAILOVER runs already")
	case s.attempt == explore.AttemptFailed:
		r.Violate(6, "the last handover has just failed")
	case a.drain != drainNo && a.phase != terminating:
		r.Violate(7, "the drain of %s has begun while it was primary", podNames[from])
	}
	r.checkOneMind(s, from, "a handover is to begin")
	r.checkChoice(s, from)
	r.checkLeaving(s, from, to)
	if s.leaver(from).Leaves() {
		return // it waits for nobody else
	}
	r.othersUp(s, to, from)
	r.checkExtra(s, from, from)
}

// checkChoice: law 4, by Sentinel: none that answers would promote what is not to
// become primary.
func (r *run) checkChoice(s *State, from int) {
	for k := range s.s {
		if !s.answers(k) || s.s[k].watch == nobody {
			continue
		}
		if s.s[k].ranked == 0 {
			r.Violate(4, "a handover is to begin, and %s sees nobody to promote", sentinelNames[k])
		}
		for i := range s.n {
			bad := i >= int(r.world.Wanted) || (from >= int(r.world.Wanted) && s.n[i].stale)
			if bad && s.n[from].phase == running && s.eligible(k)&(1<<i) != 0 {
				r.Violate(4, "a handover is to begin, and %s may promote %s", sentinelNames[k], podNames[i])
			}
		}
	}
}

// checkOneMind: laws 10 and 18: no Sentinel fails over, and enough of those that
// answer name the primary and reach it, and none names another.
func (r *run) checkOneMind(s *State, primary int, what string) {
	if s.fo.kind != foNone && s.answers(int(s.fo.by)) {
		r.Violate(10, "%s while %s fails over", what, sentinelNames[s.fo.by])
	}
	agree := 0
	for k := range s.s {
		t := &s.s[k]
		switch {
		case !s.answers(k):
		case t.watch != uint8(primary):
			r.Violate(18, "%s while %s does not name %s", what, sentinelNames[k], podNames[primary])
		case t.down:
			r.Violate(18, "%s while %s finds %s down", what, sentinelNames[k], podNames[primary])
		case !s.elects(k):
			r.Violate(18, "%s while %s sees no quorum", what, sentinelNames[k])
		default:
			agree++
		}
	}
	if agree < r.world.needed() {
		r.Violate(18, "%s while %d Sentinels agree", what, agree)
	}
}

// othersUp: law 2, nothing is begun while another node is down or not synced: that of a
// surge counts as long as the rollout goes on.
func (r *run) othersUp(s *State, victim, primary int) {
	count := int(min(s.size, r.world.Wanted))
	if r.world.surges(s) {
		count = int(s.size)
	}
	for j := range count {
		switch {
		case j == victim:
		case s.down(j):
			r.Violate(2, "%s is to go while %s is down", podNames[victim], podNames[j])
		case j != primary && !s.attached(j, primary):
			r.Violate(2, "%s is to go while %s is not synced", podNames[victim], podNames[j])
		}
	}
}

// checkTakeDown: laws 1, 2, 3, 6, 7, 10 and 18 when a data node is about to go.
func (r *run) checkTakeDown(s *State, i int, scaling bool) {
	n, name := &s.n[i], podNames[i]
	if !scaling && !n.stale && !s.down(i) {
		r.Violate(1, "%s is fresh and healthy", name)
	}
	if n.up && n.primary {
		r.Violate(3, "%s is primary", name)
	}
	for j := range s.n {
		if f := &s.n[j]; f.fail != failNone && (j == i || f.target == uint8(i)) {
			r.Violate(10, "%s is part of a FAILOVER that runs", name)
		}
	}
	if s.down(i) || n.phase == absent {
		return
	}
	all := s.visible()
	if len(all) != 1 {
		r.Violate(6, "%s is to go, and the primary is not beyond doubt: %v", name, all)
		return
	}
	p := all[0]
	r.checkOneMind(s, p, name+" is to go")
	r.othersUp(s, i, p)
	r.checkExtra(s, i, p)
	switch {
	case s.slice != uint8(p):
		r.Violate(7, "%s is to go, and the primary Service does not lead to %s", name, podNames[p])
	case s.reads&(1<<i) != 0:
		r.Violate(7, "%s is to go, and the replicas' Service leads to it", name)
	case n.clients && n.drain != drainPassed:
		r.Violate(7, "%s is to go with clients that have not had their time", name)
	}
}
