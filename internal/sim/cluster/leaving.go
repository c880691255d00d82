package cluster

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// drainFaults are hosts that are to be emptied. Several nodes may be on one.
func (r *run) drainFaults(s *State) {
	for _, host := range r.world.Faults.Hosts {
		next := *s
		next.faults++
		for i := range r.world.nodes() {
			next.n[i].evac = next.n[i].evac || (host&(1<<i) != 0 && s.n[i].phase != absent)
		}
		if next.n == s.n {
			continue
		}
		r.AsFaults(func() { r.emit(Move{Kind: moveCordon, Whom: explore.Places(host, podNames[:])}, next) })
	}
}

// end is a deletion by somebody else that leaves the pod its time. Nothing is lost by it
// yet: what is, is known when the pod is gone.
func (n *node) end() { n.phase, n.foreign, n.term = terminating, true, explore.TermOperator }

// drainMove is whoever empties a host: he tries until the budgets let a pod go. A Ready
// primary has one of its own that never does; its label follows the role at the operator's
// next look.
func (r *run) drainMove(s *State, i int) {
	n := &s.n[i]
	labelled := int(s.k[shardOf(i)].last) == i+1
	if n.evac && n.phase == running && !n.silent && n.cut == cutNo && (!labelled || !s.ready(i)) {
		r.node(s, moveEvicted, i, func(_ *State, n *node) { n.end() })
	}
}

// lingers says that the preStop step keeps the server of a pod running.
func (s *State) lingers(i int) bool {
	n := &s.n[i]
	if n.term == explore.TermNone || n.proc != up || n.silent {
		return false
	}
	// A failover is waited for, whoever's it is, and has a bound of its own.
	return n.fail != 0 || (n.primary && n.term != explore.TermAsked && s.heir(i) >= 0)
}

// heir is a replica that is linked to i; -1 for none.
func (s *State) heir(i int) int {
	for j := range s.n {
		if m := &s.n[j]; m.proc == up && !m.primary && m.follows == id(i) && m.linked {
			return j
		}
	}
	return -1
}

// hookMoves are the preStop step's, and the time that passes for it.
func (r *run) hookMoves(s *State, i int) {
	switch n, j := &s.n[i], s.heir(i); {
	case n.term == explore.TermOperator:
		r.node(s, moveTooLate, i, func(_ *State, n *node) { n.term = explore.TermHook })
	case n.term == explore.TermHook && n.fail == 0 && n.primary && j >= 0:
		r.node(s, moveHook, i, func(s *State, n *node) {
			n.fail, n.term = uint8(j)+1, explore.TermAsked
			// Who ends a primary while its only other copy restarts has to answer for
			// both: the server cannot know.
			s.n[j].foreign = s.n[j].foreign || s.n[j].phase == terminating
		})
	}
}

// unheard says that another one hands over to i, and has not heard yet that i has been
// elected. News takes milliseconds, and a pod's end longer: what ends before it is heard of
// would be a second loss within the first (docs/adr/0004).
func (s *State) unheard(i int) bool {
	for j := range s.n {
		if s.n[j].fail == uint8(i)+1 && s.n[i].primary && s.owned(i) != 0 && s.reach(i, j) && s.news(j) {
			return true
		}
	}
	return false
}

// leaver is a node as far as it may have to leave.
func (s *State) leaver(i int) explore.Leaver {
	n := &s.n[i]
	return explore.Leaver{Name: podNames[i], Evac: n.evac, Ending: n.phase == terminating, Term: n.term}
}

// staleWillDo: who leaves may hand over to a node that is no staler than itself, and who is
// on its way out is better followed by a stale one than by none.
func (n *node) staleWillDo() bool { return n.phase == terminating || (n.evac && n.stale) }

// checkLeft: law 20 at every look: who has to go, and could, is not forgotten. That it is on
// its way out is no reason.
func (r *run) checkLeft(s *State, p planned) {
	for k := range r.world.shards() {
		i := s.leader(k)
		if i < 0 || p.steps[k] != 0 || !s.another(i, func(j int) bool { return r.couldLeave(s, i, j) }) {
			continue
		}
		said := false
		for _, h := range p.holds {
			said = said || h.Shard == shardNames[k] && (h.Reason != model.PodStarting || h.Node != podNames[i])
		}
		if !said {
			r.Violate(20, "%s has to go and could hand over, and there is neither a step nor a hold", podNames[i])
		}
	}
}

// couldLeave says that a primary has to go, that it is the operator's turn, and that
// nothing is in the way of its handover.
func (r *run) couldLeave(s *State, from, to int) bool {
	a, b := &s.n[from], &s.n[to]
	due := (a.evac && a.phase == running && !b.evac) || a.term == explore.TermOperator
	if !due || s.owned(from) == 0 || !r.visible(s) || s.down(to) || b.phase != running || !s.stays(to) || b.drain != drainNo ||
		!s.attached(to, from) || (b.stale && !a.staleWillDo()) || s.k[shardOf(from)].attempt == explore.AttemptFailed {
		return false
	}
	for v := range r.world.nodes() {
		if s.n[v].fail != 0 || s.n[v].moves != 0 || s.news(v) || (s.owned(v) != 0 && !s.ok(v, r.world.all())) {
			return false
		}
	}
	return s.elects(to)
}

// The hosts of two primaries, and of the replica of the first.
const (
	twoPrimaries uint8 = 0b000101
	firstReplica uint8 = 0b000010
)

// drained is a cluster whose hosts are to be emptied.
func drained(name string, stale uint8, faults uint8, hosts ...uint8) World {
	return cluster3(name, stale).with(func(w *World) {
		w.Durable, w.Faults, w.MaxFaults = true, Faults{Hosts: hosts}, faults
	})
}

// ended is one of which somebody deletes a pod, and gives it its time.
func ended(name string) World {
	return cluster3(name, 0).with(func(w *World) {
		w.Durable, w.Faults, w.MaxFaults = true, Faults{End: true, Of: shard0}, 1
	})
}

func leavingWorlds() []World {
	return []World{
		drained("the host of two primaries is drained", 0, 1, twoPrimaries).with(func(w *World) { w.MaxCrashes = 1 }),
		drained("both hosts of a shard are drained", 0, 2, 1, firstReplica),
		drained("a shard rolls, and its hosts are drained", 1, 1, 1, firstReplica),
		ended("pods that hand over themselves").with(func(w *World) { w.MaxCrashes, w.MaxWrites = 1, 1 }),
	}
}

// leaving are mutants that heed drains and terminations wrongly.
func leaving() []Trial {
	two := drained("the host of two primaries is drained", 0, 1, twoPrimaries).with(func(w *World) { w.MaxCrashes = 1 })
	both := drained("both hosts of a shard are drained", 0, 2, 1, firstReplica)
	one := ended("pods that hand over themselves")
	return []Trial{
		{blind("a host that is to be emptied is nothing to a target", explore.OnlyPrimariesLeave), both},
		{blind("primaries stay where a host is to be emptied", explore.NobodyLeaves), both},
		{blind("two shards leave a host at the same time", func(_ *model.Shard, n *model.Node) { n.Server.FailingOver = false }), two},
		{blind("the operator begins to hand over however late it is", explore.NeverTooLate), one},
		{blind("a primary on its way out is left to its preStop step", explore.AlwaysTooLate), one},
	}
}
