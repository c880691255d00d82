package cluster

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// alone: no shard has a replica any more.
func alone(_ *World, s *State) { s.leave(1, 3, 5) }

// surgingAlone are shards without replicas that are rolled, one after the other, with an
// extra node each.
func surgingAlone(name string, stale uint8) World {
	return cluster3(name, stale).with(func(w *World) { w.Alone, w.Surge, w.Prepare = true, model.SurgeAuto, alone })
}

// widened is a shard of two that is rolled with a third node.
func widened(name string) World {
	return cluster3(name, 0b001).with(func(w *World) { w.Surge, w.Wide = model.SurgeAuto, true })
}

func surgeWorlds() []World {
	return []World{
		widened("a shard with a replica rolls with an extra node").with(func(w *World) { w.MaxCrashes, w.MaxWrites = 1, 1 }),
		widened("a shard with a replica rolls with an extra node, a fault of that").with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{Crash: true, Delete: true, Force: true, Of: 1 << extraPlace}, 1
		}),
		widened("a shard with a replica rolls with an extra node, a host is drained").with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{Hosts: []uint8{1}}, 1
		}),
		surgingAlone("two shards roll with an extra node each", 0b011).with(func(w *World) { w.MaxCrashes = 1 }),
		surgingAlone("one shard rolls with an extra node, a fault", 0b001).with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{Delete: true, Crash: true, Of: 0b000001}, 1
		}),
	}
}

// checkSurge: law 14 when a shard is given an extra node: no more shards have one than
// may be rolled at once.
func (r *run) checkSurge(s *State, k int) {
	others := 0
	for other := range r.world.shards() {
		if other != k && int(s.k[other].size) > r.world.size() {
			others++
		}
	}
	if others >= max(1, r.world.Parallel) {
		r.Violate(14, "shard %d is given an extra node, and %d others have one", k, others)
	}
}

// extraFirst: law 19. As long as anything else of its shard is stale, the extra node is in
// service before anything that is up is touched, and it does not leave.
func (r *run) extraFirst(s *State, i int, scaling bool) {
	k := shardOf(i)
	extra := nodesOf[k][min(r.world.size(), len(nodesOf[k])-1)]
	stale := slices.ContainsFunc(nodesOf[k][:r.world.size()], func(j int) bool { return s.n[j].stale })
	if r.world.Surge != model.SurgeAuto || !stale || s.down(i) || (i == extra && !scaling) {
		return
	}
	switch p := s.leader(k); {
	case i == extra:
		r.Violate(19, "%s is to leave, and the rollout has not ended", podNames[i])
	case s.down(extra) || (extra != p && (p < 0 || !s.attached(extra, p))):
		r.Violate(19, "%s is touched before the extra node is in service", podNames[i])
	}
}

// surging are mutants with one gate of a surge removed.
func surging() []Trial {
	two := surgingAlone("two shards roll with an extra node each", 0b011)
	wide := widened("a shard with a replica rolls with an extra node")
	return []Trial{
		{Mutant{Name: "a rollout begins without its extra node", See: func(snap *model.Snapshot) { snap.Policy.Surge = model.SurgeNever }}, wide},
		{instead("the extra node leaves before the rollout has begun", func(_ model.Snapshot, shard model.Shard, s model.Step) model.Step {
			if d, ok := s.(model.Drain); ok && shard.Size == 3 && d.Node.Name == shard.Nodes[1].Name {
				return model.Scale{From: 3, To: 2}
			}
			return nil
		}), wide},
		{Mutant{Name: "every shard is given its extra node at once", Decide: func(snap model.Snapshot, p *model.Plan) {
			for _, shard := range snap.Shards {
				if p.Steps[shard.Name] == nil && shard.Size == 1 && shard.Stale(shard.Nodes[0]) {
					p.Steps[shard.Name] = model.Scale{From: 1, To: 2}
				}
			}
		}}, two},
		{instead("an extra node leaves with its slots", func(_ model.Snapshot, shard model.Shard, s model.Step) model.Step {
			if h, ok := s.(model.Handover); ok && shard.Nodes[1].Name == h.From.Name {
				return model.Scale{From: 2, To: 1}
			}
			return nil
		}), two},
	}
}
