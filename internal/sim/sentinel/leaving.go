package sentinel

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// drainFaults are hosts that are to be emptied. Several nodes may be on one.
func (r *run) drainFaults(s *State) {
	for _, host := range r.world.Faults.Hosts {
		next := *s
		for i := range next.n {
			next.n[i].evac = next.n[i].evac || (host&(1<<i) != 0 && s.n[i].phase != absent)
		}
		if next.n != s.n {
			r.emit(Move{Kind: moveCordon, Whom: explore.Places(host, podNames[:])}, next)
		}
	}
}

// end is a deletion by somebody else that leaves the pod its time. Nothing is lost by it
// yet: what is, is known when the pod is gone.
func (n *node) end() { n.phase, n.term = terminating, explore.TermOperator }

// drainMove is whoever empties a host: he tries until the budgets let a pod go.
func (r *run) drainMove(s *State, i int) {
	if n := &s.n[i]; n.evac && n.phase == running && !s.farNode(i) && r.budgetAllows(s, i) {
		r.node(s, moveEvicted, i, func(_ *State, n *node) { n.end() })
	}
}

// budgetAllows: no Ready primary goes, and one replica at a time.
func (r *run) budgetAllows(s *State, i int) bool {
	left := int(r.world.Wanted) - 2
	for j := range s.n {
		if j != i && s.ready(j) && !s.n[j].labeled {
			left--
		}
	}
	return !s.ready(i) || (!s.n[i].labeled && left <= 0)
}

// lingers says that the preStop step keeps the server of a pod running: while somebody
// could take over and its patience lasts, and while a FAILOVER runs.
func (s *State) lingers(i int) bool {
	n := &s.n[i]
	if n.term == explore.TermNone || !n.up || s.farNode(i) {
		return false
	}
	return n.fail != failNone || (n.term == explore.TermOperator && n.primary && s.followed(i))
}

// followed says that a replica is linked to i.
func (s *State) followed(i int) bool {
	for j := range s.n {
		if r := &s.n[j]; r.up && r.follows == uint8(i) && r.linked {
			return true
		}
	}
	return false
}

// hookMoves are the time that passes for the preStop step. It asks for nothing: it lets the
// server go when its patience is over, and the Sentinels elect another one.
func (r *run) hookMoves(s *State, i int) {
	if s.n[i].term == explore.TermOperator {
		r.node(s, moveTooLate, i, func(_ *State, n *node) { n.term = explore.TermHook })
	}
}

// leaver is a node as far as it may have to leave.
func (s *State) leaver(i int) explore.Leaver {
	n := &s.n[i]
	return explore.Leaver{Name: podNames[i], Evac: n.evac, Ending: n.phase == terminating, Term: n.term}
}

// staleWillDo: who leaves may hand over to a node that is no staler than itself, and who is
// on its way out is better followed by a stale one than by none.
func (n *node) staleWillDo() bool { return n.phase == terminating || (n.evac && n.stale) }

// better says that a replica could take over that may stay where it is.
func (r *run) better(s *State, primary int) bool {
	for j := range int(min(s.size, r.world.Wanted)) {
		if j != primary && !s.n[j].evac && !s.down(j) && s.attached(j, primary) {
			return true
		}
	}
	return false
}

// checkLeaving: laws 10 and 20 when a role is to move: neither the target nor whom a
// Sentinel may choose instead has to leave its own host, if another one has not. Who is on
// its way out does not wait until the Sentinels have seen new priorities.
func (r *run) checkLeaving(s *State, from, to int) {
	a := &s.n[from]
	explore.CheckLeaving(r.Violate, s.leaver(from), s.leaver(to), r.better(s, from))
	for k := range s.s {
		for i := range s.n {
			if a.phase == running && s.answers(k) && s.n[i].evac && s.s[k].ranked&(1<<i) != 0 && s.sees(k, uint8(i)) && r.better(s, from) {
				r.Violate(20, "a handover is to begin, and %s may promote %s, which has to leave its host", sentinelNames[k], podNames[i])
			}
		}
	}
}

// checkLeft: law 20 at every look: who has to go, and could, is not forgotten. That it is on
// its way out is no reason.
func (r *run) checkLeft(s *State, p planned) {
	all := s.primaries()
	if p.step != 0 || len(all) != 1 || slices.ContainsFunc(p.holds, func(h model.Hold) bool {
		return h.Reason != model.PodStarting || h.Node != podNames[all[0]]
	}) {
		return
	}
	for to := range int(min(s.size, r.world.Wanted)) {
		if r.couldLeave(s, all[0], to) {
			r.Violate(20, "%s has to go and could hand over to %s, and there is neither a step nor a hold", podNames[all[0]], podNames[to])
		}
	}
}

// couldLeave says that a primary has to go, that it is the operator's turn, and that
// nothing is in the way of its handover.
func (r *run) couldLeave(s *State, from, to int) bool {
	a, b := &s.n[from], &s.n[to]
	due := (a.evac && a.phase == running && !b.evac) || a.term == explore.TermOperator
	if !due || from == to || s.far != 0 || s.fo.kind != foNone || a.fail != failNone || s.attempt == explore.AttemptFailed || s.down(to) ||
		b.drain != drainNo || b.zero || !s.attached(to, from) || (b.stale && !a.staleWillDo()) {
		return false
	}
	for k := range int(r.world.WantedSentinels) {
		if !s.complete(k, maxSentinels, from) || s.s[k].mute || s.s[k].ranked&(1<<to) == 0 {
			return false
		}
	}
	return true
}

// drained is an instance whose hosts are to be emptied, terminated one of which somebody
// deletes a pod, and gives it its time.
func drained(name string, nodes, faults uint8, hosts ...uint8) World {
	return calm(name, nodes).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Hosts: hosts}, faults })
}

func terminated(name string) World {
	return calm(name, 2).with(func(w *World) { w.Faults, w.MaxFaults = Faults{End: node0 | node1}, 1 })
}

func leavingWorlds() []World {
	return []World{
		drained("1+1, both hosts are drained", 2, 2, node0, node1).with(func(w *World) { w.MaxCrashes = 1 }),
		drained("1+2, the host of the primary and a replica is drained", 3, 1, node0|node1).with(func(w *World) { w.MaxCrashes = 1 }),
		drained("1+1 rolls, a host is drained", 2, 1, node0, node1).with(func(w *World) { w.Stale = node0 | node1 }),
		terminated("1+1, pods that are given their time").with(func(w *World) { w.MaxCrashes, w.MaxWrites = 1, 1 }),
	}
}

// drainedAndEnded is drained and, at the same time, somebody deletes the primary's pod.
func drainedAndEnded() World {
	return drained("1+2, a host is drained, the primary is given its time", 3, 2, node1).with(func(w *World) { w.Faults.End = node0 })
}

// leaving are mutants that heed drains and terminations wrongly.
func leaving() []Trial {
	both := drained("1+1, both hosts are drained", 2, 2, node0, node1)
	shared := drained("1+2, the host of the primary and a replica is drained", 3, 1, node0|node1)
	one := terminated("1+1, pods that are given their time")
	return []Trial{
		{blind("a host that is to be emptied is nothing to a target", explore.OnlyPrimariesLeave), both},
		{blind("primaries stay where a host is to be emptied", explore.NobodyLeaves), both},
		{Mutant{Name: "Sentinels may choose whose host is to be emptied", Decide: unshunned}, shared},
		{blind("the operator begins to hand over however late it is", explore.NeverTooLate), one},
		{blind("a primary on its way out is left to the Sentinels", explore.AlwaysTooLate), one},
		{Mutant{Name: "a primary on its way out waits until Sentinels shun others", Decide: waitsForShunning},
			drainedAndEnded().with(func(w *World) { w.MaxStates = 50_000 })},
	}
}

// unshunned hands over to the node that is to become primary, whomever the Sentinels may
// choose instead.
func unshunned(snap model.Snapshot, p *model.Plan) {
	target := snap.Shards[0].Nodes[len(snap.Shards[0].Nodes)-1]
	explore.Nodes(explore.OnlyPrimariesLeave)(&snap)
	other, err := plan.Next(snap)
	if err != nil {
		return
	}
	if h, ok := other.Steps["v"].(model.Handover); ok && target.Name != h.From.Name {
		h.To = target.Ref
		p.Steps["v"] = h
	}
}

// waitsForShunning hands over once no Sentinel could promote whose host is to be emptied.
func waitsForShunning(snap model.Snapshot, p *model.Plan) {
	if _, ok := p.Steps["v"].(model.Handover); !ok {
		return
	}
	for _, n := range snap.Shards[0].Nodes {
		if n.Evacuate != "" && n.Server.Priority > 0 && n.Server.Role == model.RoleReplica {
			delete(p.Steps, "v")
		}
	}
}
