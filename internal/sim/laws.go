package sim

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// handover says whether all laws bind, or only those of the opt-out.
func (r *run) binds() bool { return r.world.strategy() == model.StrategyHandover }

// checkState is what holds in every state.
func (r *run) checkState(s *State) {
	if lost := s.owed &^ s.copies(); lost != 0 {
		r.Violate(9, "the last copy of acknowledged writes %b is gone", lost)
	}
}

// checkPlan is what holds for every plan.
func (r *run) checkPlan(s *State, p planned) {
	if op := p.op; op.kind == stepPublish {
		if n := &s.n[op.a]; n.proc != procUp || n.role != rolePrimary || n.mute() {
			r.Violate(5, "%s is published as primary, and did not say that it is", podNames[op.a])
		}
	}
	if !r.binds() || !s.seen {
		return
	}
	stale := false
	for i := range s.n {
		if s.n[i].phase == absent || r.world.fresh(s, i) {
			continue
		}
		stale = true
		if s.neverUp(i) && r.wished(s, i) && !r.world.spec(s).Paused && (p.op.kind != stepRestart || s.n[p.op.a].gate != gateNever) {
			r.Violate(12, "%s was never in service and is superseded, and the plan is to %s %v", podNames[i], p.op, p.holds)
		}
	}
	if stale && p.step == nil && len(p.holds) == 0 {
		r.Violate(0, "a pod is stale, and there is neither a step nor a hold")
	}
	if r.world.oversized(s) && p.step == nil && len(p.holds) == 0 {
		r.Violate(0, "a pod more than is wished for stays, and there is neither a step nor a hold")
	}
}

// wished: law 12 is about pods that are to come up. An extra one that is not wished for any
// more only leaves.
func (r *run) wished(s *State, i int) bool {
	nodes := int(r.world.spec(s).Nodes)
	return i < nodes || i == nodes && r.world.surges(s) && r.staleBelow(s, nodes)
}

// served: a silent server that was promoted and has never served is a primary to
// nobody: another may be made, and law 12 may replace it.
func (s *State) served(i int) bool {
	n := &s.n[i]
	return n.gate != gateNever || s.slice == uint8(i) || n.clients || !n.mute()
}

// neverUp: a pod that has never been in service and in which nothing runs.
func (s *State) neverUp(i int) bool {
	n := &s.n[i]
	return n.gate == gateNever && n.proc == procDead && (n.phase == pending || n.phase == running) &&
		!n.mute() && s.slice != uint8(i)
}

// checkPromote: laws 5, 9 and 10 when a server is made primary.
func (r *run) checkPromote(s *State, i int) {
	for _, p := range s.primaries() {
		if p == i || !s.served(p) || (s.n[p].former && s.slice != uint8(p)) {
			continue // to nobody, or another has replaced it long ago
		}
		if why := s.notLost(p); why != "" {
			r.Violate(5, "%s is made primary while %s is: %s", podNames[i], podNames[p], why)
		}
		s.n[p].former = true
		s.owed &= s.heard() // what only the lost one has is the fault's
	}
	if s.passedOver() {
		s.owed &= s.heard()
	}
	if missing := s.owed &^ s.n[i].set; missing != 0 {
		r.Violate(9, "%s is made primary and lacks acknowledged writes %b", podNames[i], missing)
	}
	for j := range s.n {
		n := &s.n[j]
		if n.mute() && n.long {
			continue // lost: should it come back, its target refuses, or it gives up
		}
		if t := s.target(n); n.fail != failNone && t.proc == procUp && (j != i || t.follows == uint8(i)) {
			r.Violate(10, "%s is made primary while the FAILOVER of %s runs", podNames[i], podNames[j])
		}
	}
}

// checkFollow: law 9 when a server is told to give up its copy.
func (r *run) checkFollow(s *State, i, primary int) {
	n, p := &s.n[i], &s.n[primary]
	if missing := s.owed & n.set &^ p.set; missing != 0 {
		r.Violate(9, "%s is to follow %s, which lacks acknowledged writes %b", podNames[i], podNames[primary], missing)
	}
}

// checkHandover: laws 2, 4, 6, 7 and 10 when a FAILOVER is sent.
func (r *run) checkHandover(s *State, from, to int) {
	a, b := &s.n[from], &s.n[to]
	name := podNames[to]
	switch {
	case a.proc != procUp || a.role != rolePrimary:
		r.Violate(5, "%s hands over and is no primary", podNames[from])
	case !r.world.fresh(s, to) && !r.staleWillDo(s, from, to):
		r.Violate(4, "the target %s is stale", name)
	case s.down(to):
		r.Violate(4, "the target %s is down", name)
	case !s.attached(to, from):
		r.Violate(4, "the target %s is not synced", name)
	case a.set.count()-b.set.count() > maxLag:
		r.Violate(4, "the target %s lags by more than the bound", name)
	case s.failingOver():
		r.Violate(10, "a FAILOVER runs already")
	case s.attempt == explore.AttemptFailed:
		r.Violate(6, "the last handover has just failed")
	case a.drain != drainNo && a.phase != terminating:
		r.Violate(7, "the drain of %s has begun while it was primary: its bound is spent before its clients can leave", podNames[from])
	case s.busy:
		r.Violate(7, "Services have just changed")
	}
	if r.world.Mutant.PromoteFirst {
		r.checkPromote(s, to)
	}
	leaver := s.leaver(from)
	explore.CheckLeaving(r.Violate, leaver, s.leaver(to), s.better(from))
	if !leaver.Leaves() {
		r.othersUp(s, to, from)
		r.extraFirst(s, from, from, false)
	}
}

// othersUp: law 2, nothing is begun while another node is down or not synced.
func (r *run) othersUp(s *State, victim, primary int) {
	for j := range int(min(s.size, r.world.spec(s).Nodes)) {
		switch {
		case j == victim:
		case s.down(j):
			r.Violate(2, "%s is to go while %s is down", podNames[victim], podNames[j])
		case j != primary && !s.attached(j, primary):
			r.Violate(2, "%s is to go while %s is not synced", podNames[victim], podNames[j])
		}
	}
}

// checkTakeDown: laws 1, 2, 3, 6, 7 and 10 when a pod is about to go.
func (r *run) checkTakeDown(s *State, i int, scaling bool) {
	n, name := &s.n[i], podNames[i]
	if !scaling && r.world.fresh(s, i) && !s.down(i) {
		r.Violate(1, "%s is fresh and healthy", name)
	}
	if r.world.alone(s) {
		return
	}
	if n.proc == procUp && n.role == rolePrimary && s.served(i) {
		r.Violate(3, "%s is primary", name)
	}
	for j := range s.n {
		if f := &s.n[j]; f.fail != failNone && (j == i || f.target == uint8(i)) {
			r.Violate(10, "%s is part of a FAILOVER that runs", name)
		}
	}
	r.onDisk(s, i, scaling)
	if s.down(i) || n.phase == absent {
		if !scaling {
			r.letCrashed(s, i)
		}
		return
	}
	primaries := s.primaries()
	if len(primaries) != 1 {
		r.Violate(6, "%s is to go, and the primary is not beyond doubt: %v", name, primaries)
		return
	}
	p := primaries[0]
	r.othersUp(s, i, p)
	r.extraFirst(s, i, p, scaling)
	switch {
	case s.slice != uint8(p):
		r.Violate(7, "%s is to go, and the primary Service does not lead to %s", name, podNames[p])
	case s.reads&(1<<i) != 0:
		r.Violate(7, "%s is to go, and the replicas' Service leads to it", name)
	case n.clients && n.drain != drainPassed:
		r.Violate(7, "%s is to go with clients that have not had their time", name)
	}
}

// onDisk: law 9. Where every write is logged, no disk goes, and no server is restarted to
// take another's copy, that alone has what would be there again if all servers crashed.
func (r *run) onDisk(s *State, victim int, scaling bool) {
	if r.world.Persist != Log || !scaling && s.down(victim) {
		return
	}
	var others writes
	for j := range s.n {
		if j != victim && j < int(s.size) {
			others |= s.n[j].logged()
		}
	}
	if only := s.owed & s.n[victim].logged() &^ others; only != 0 {
		r.Violate(9, "%s is to go, and acknowledged writes %b are on no other disk", podNames[victim], only)
	}
}

// logged is what is on the disk of a server that logs every write.
func (n *node) logged() writes {
	if n.proc != procUp || n.logging {
		return n.diskSet
	}
	return n.set
}

// checkEvict: laws 1, 3 and 8 at the eviction itself.
func (r *run) checkEvict(s *State, i int, replaced bool) {
	switch {
	case replaced:
		r.Violate(1, "the pod of %s is another one than was looked at", podNames[i])
	case !r.world.alone(s) && s.n[i].proc == procUp && s.n[i].role == rolePrimary && !s.n[i].mute():
		r.Violate(3, "%s has become primary", podNames[i])
	case !r.world.budgetAllows(s, i):
		r.Violate(8, "a budget forbids that the pod of %s goes", podNames[i])
	}
}
