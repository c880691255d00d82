package sentinel

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// surges is the truth about a rollout that is given an extra node.
func (w *World) surges(s *State) bool {
	return w.Surge == model.SurgeAuto && slices.ContainsFunc(s.n[:w.Wanted], func(n node) bool { return n.phase != absent && n.stale })
}

// checkExtra: law 19. As long as anything else is stale, the extra node is in service, and
// could be promoted, before anything else that is up is touched; and it does not leave.
func (r *run) checkExtra(s *State, victim, primary int) {
	extra := int(r.world.Wanted)
	if !r.world.surges(s) {
		return
	}
	switch name := podNames[victim]; {
	case victim == extra:
		r.Violate(19, "%s is to leave, and the rollout has not ended", name)
	case s.down(extra) || extra != primary && !s.attached(extra, primary):
		r.Violate(19, "%s is touched before the extra node is in service", name)
	case s.n[extra].stale:
		r.Violate(19, "%s is touched before the extra node runs the newest revision", name)
	case extra != primary && s.n[extra].zero:
		r.Violate(19, "%s is touched before the extra node could be promoted", name)
	}
	for k := range s.s {
		if s.answers(k) && s.s[k].watch != nobody && s.s[k].knows&(1<<extra) == 0 {
			r.Violate(19, "%s is touched before %s knows the extra node", podNames[victim], sentinelNames[k])
		}
	}
}

// surgingRoll is a primary and a replica that roll with an extra node.
func surgingRoll(name string) World {
	return World{Name: name, Nodes: 2, Stale: node0 | node1, Surge: model.SurgeAuto}
}

func surgingWorlds() []World {
	return []World{
		surgingRoll("1+1 rolls with an extra node, operators that die").with(func(w *World) { w.MaxCrashes = 1 }),
		surgingRoll("1+1 rolls with an extra node, a write").with(func(w *World) { w.MaxWrites, w.Bounded = 1, true }),
		extraBefore("1+2 to 1+1 in a roll, the last one becomes the extra node").with(func(w *World) { w.MaxCrashes = 1 }),
		extraBefore("1+1 rolls, a crash while only the extra node is left").with(func(w *World) {
			w.Prepare, w.Faults, w.MaxFaults, w.Bounded = replicaAway, Faults{Crash: node0}, 1, true
		}),
	}
}

// extraBefore is a roll that only lacks the primary's restart, and one node more than is
// wished for, which is one among equals.
func extraBefore(name string) World {
	return World{Name: name, Nodes: 3, Wanted: 2, Stale: node0, Surge: model.SurgeAuto}
}

// replicaAway: the only replica restarts, and the extra node comes last.
func replicaAway(_ *World, s *State) {
	s.n[1], s.n[2].late, s.reads = node{follows: nobody}, true, node2
	for k := range s.s {
		t := &s.s[k]
		t.ranked &= node2
		t.late = t.ranked
	}
}

// surging are mutants that heed the extra node of a rollout wrongly.
func surging() []Trial {
	roll := surgingRoll("1+1 rolls with an extra node")
	before := extraBefore("1+2 to 1+1 in a roll, the last one becomes the extra node")
	extra := func(priority int) func(s *model.Shard, n *model.Node) {
		return func(_ *model.Shard, n *model.Node) {
			if n.Ordinal == 2 && n.Server.Role == model.RoleReplica {
				n.Server.Priority = priority
			}
		}
	}
	touches := func(s model.Step) bool { return is[model.Drain](s) || restarts('v')(s) }
	return []Trial{
		{Mutant{Name: "the extra node is one among equals", Decide: func(_ model.Snapshot, p *model.Plan) {
			if s, ok := p.Steps["v"].(model.Rank); ok && s.Priority > 0 {
				s.Priority = model.UsualPriority
				p.Steps["v"] = s
			}
		}, See: amongEquals}, roll},
		{blind("the extra node is not let be promoted", extra(model.LastPriority)), roll},
		{ungated("Sentinels need not know the extra node", touches, ranked), roll},
		{ungated("Sentinels need not have seen that the extra node comes last", is[model.Handover], ranked), before},
		{Mutant{Name: "a rollout begins without its extra node", See: func(snap *model.Snapshot) { snap.Policy.Surge = model.SurgeNever }}, roll},
	}
}

// amongEquals shows the extra node, and what Sentinels have seen of it, as if it came last.
func amongEquals(snap *model.Snapshot) {
	last := func(priority int) int { return min(1, priority) * model.LastPriority }
	address := ""
	for i := range snap.Shards[0].Nodes {
		if n := &snap.Shards[0].Nodes[i]; snap.Policy.Extra(*n) {
			n.Server.Priority, address = last(n.Server.Priority), n.Address
		}
	}
	seen(snap, func(_ *model.SentinelNode, w *model.Watch) {
		w.Replicas = slices.Clone(w.Replicas)
		for i := range w.Replicas {
			if r := &w.Replicas[i]; r.Address == address {
				r.Priority = last(r.Priority)
			}
		}
	})
}
