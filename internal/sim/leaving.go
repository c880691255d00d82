package sim

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// leavingFaults are the wishes of others that a pod, or the primary on a host, may go.
func (r *run) leavingFaults(s *State, i int) {
	f := r.world.Faults
	if f.Drain && !s.n[i].evac {
		r.fault1(s, moveCordon, i, func(_ *State, n *node) { n.evac = true })
	}
	if f.End && !s.n[i].silent {
		r.fault1(s, moveEnd, i, func(_ *State, n *node) { n.end() })
	}
}

// end is a deletion by somebody else. Nothing is lost by it yet: what is, is known when the
// pod is gone.
func (n *node) end() { n.phase, n.foreign, n.term = terminating, true, explore.TermOperator }

// drainMove is whoever empties a host: he tries until the budgets let a pod go.
func (r *run) drainMove(s *State, i int) {
	if n := &s.n[i]; n.evac && n.phase == running && !n.silent && r.world.budgetAllows(s, i) {
		r.node(s, moveEvicted, i, func(_ *State, n *node) { n.end() })
	}
}

// lingers says that the preStop step keeps the server of a pod running.
func (r *run) lingers(s *State, i int) bool {
	n := &s.n[i]
	switch {
	case n.term == explore.TermNone, n.proc != procUp, n.silent:
		return false
	case n.fail != failNone:
		return true // it is waited for, whoever's it is, and has a bound of its own
	}
	return n.role == rolePrimary && n.term != explore.TermAsked && s.followed(i)
}

// followed says that a replica is linked to i.
func (s *State) followed(i int) bool {
	return s.any(func(n *node) bool {
		return n.proc == procUp && n.role == roleReplica && n.follows == uint8(i) && n.link == linkUp
	})
}

// hookMoves are the preStop step's, and the time that passes for it.
func (r *run) hookMoves(s *State, i int) {
	switch n := &s.n[i]; {
	case n.term == explore.TermOperator:
		r.node(s, moveTooLate, i, func(_ *State, n *node) { n.term = explore.TermHook })
	case n.term == explore.TermHook && n.fail == failNone && n.role == rolePrimary:
		for j := range s.n {
			if s.n[j].proc == procUp && s.attached(j, i) {
				r.node(s, moveHook, i, func(s *State, n *node) {
					n.fail, n.target, n.term = failWaiting, uint8(j), explore.TermAsked
					// Who ends a primary while its only other copy restarts has to answer
					// for both: the server cannot know.
					s.n[j].foreign = s.n[j].foreign || s.n[j].phase == terminating
				})
			}
		}
	}
}

// leaver is a node as far as it may have to leave.
func (s *State) leaver(i int) explore.Leaver {
	n := &s.n[i]
	return explore.Leaver{Name: podNames[i], Evac: n.evac, Ending: n.phase == terminating, Term: n.term}
}

// staleWillDo: who leaves may hand over to a node that is no staler than itself, and who is
// on its way out to any.
func (r *run) staleWillDo(s *State, from, to int) bool {
	a := &s.n[from]
	return a.phase == terminating || (a.evac && !r.world.fresh(s, from) && s.n[to].rev == a.rev)
}

// better says that a replica could take over that may stay where it is.
func (s *State) better(primary int) bool {
	for j := range s.n {
		n := &s.n[j]
		if j != primary && !n.evac && !s.down(j) && n.phase == running && s.attached(j, primary) && n.set == s.n[primary].set && j < int(s.size) {
			return true
		}
	}
	return false
}

// leavingWorlds are shards that are drained, or whose pods are deleted, by others.
func leavingWorlds() []World {
	ends, drains := Faults{End: true}, Faults{Drain: true}
	return []World{
		replication("1+1, pods that hand over themselves", 2).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxCrashes, w.MaxWrites = ends, 1, 1, 1
		}),
		replication("1+1, pods that hand over themselves, and what can go wrong", 2).with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{End: true, Timeout: true, Silence: true}, 2
		}),
		replication("1+2, pods that hand over themselves", 3).with(func(w *World) {
			w.Faults, w.MaxFaults = ends, 1
		}),
		replication("1+1, a host is drained", 2).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxCrashes, w.MaxWrites = drains, 1, 1, 1
		}),
		replication("1+2, a host is drained", 3).with(func(w *World) {
			w.Faults, w.MaxFaults = drains, 1
		}),
		replication("1+2, two hosts are drained, none is rolled", 3).with(func(w *World) {
			w.Specs, w.Faults, w.MaxFaults = w.Specs[:1], drains, 2
		}),
		surgingAlone("1 node, two hosts are drained, none is rolled").with(func(w *World) {
			w.Specs, w.Faults, w.MaxFaults, w.MaxCrashes, w.MaxWrites = w.Specs[:1], drains, 2, 1, 1
		}),
		surgingAlone("1 node and an extra one, a host is drained").with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites = drains, 1, 1
		}),
		surgingAlone("1 node rolls, pods that hand over themselves").with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites = ends, 1, 1
		}),
	}
}

// leaving are mutants that heed drains and terminations wrongly.
func leaving() []Trial {
	drained := replication("1+2, a host is drained", 3).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Drain: true}, 1 })
	lone := surgingAlone("1 node, its host is drained").with(func(w *World) { w.Specs, w.Faults, w.MaxFaults = w.Specs[:1], Faults{Drain: true}, 1 })
	letGo := surgingAlone("1 node rolls, pods that hand over themselves").with(func(w *World) { w.Faults, w.MaxFaults, w.MaxWrites = Faults{End: true}, 1, 1 })
	ended := replication("1+1, pods that hand over themselves", 2).with(func(w *World) { w.Faults, w.MaxFaults = Faults{End: true}, 1 })
	return []Trial{
		{blind("a host that is to be emptied is nothing to a target", explore.OnlyPrimariesLeave), drained},
		{blind("primaries stay where a host is to be emptied", explore.NobodyLeaves), drained},
		{Mutant{Name: "a lone node is given nobody to hand over to when its host is to be emptied", See: func(snap *model.Snapshot) {
			snap.Policy.Surge = model.SurgeNever
		}}, lone},
		{Mutant{Name: "nobody says for what a lone node's extra one stays", Decide: func(_ model.Snapshot, p *model.Plan) {
			p.Holds = slices.DeleteFunc(p.Holds, func(h model.Hold) bool { return h.Reason == model.EvictionAwaited })
		}}, lone},
		{blind("a primary that has been let go passes for one that stays", func(s *model.Shard, n *model.Node) {
			if p, ok := s.Primary(); ok && p.Name == n.Name && n.Phase == model.PodRunning {
				s.Size = max(s.Size, n.Ordinal+1)
			}
		}), letGo},
		{blind("the operator begins to hand over however late it is", explore.NeverTooLate), ended},
		{instead("an evacuation takes whoever is synced", func(snap model.Snapshot, _ model.Step) model.Step {
			shard := snap.Shards[0]
			p, ok := shard.Primary()
			if !ok || p.Evacuate == "" || p.Server.FailingOver {
				return nil
			}
			for _, n := range shard.Nodes {
				if n.Evacuate == "" && n.Name != p.Name && model.Synced(p, n, maxLag) {
					return model.Handover{From: p.Ref, To: n.Ref, Revision: shard.Revision}
				}
			}
			return nil
		}), replication("1+1, a host is drained", 2).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Drain: true}, 1 })},
	}
}
