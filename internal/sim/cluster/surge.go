package cluster

import "github.com/valkeeper/valkeeper/internal/model"

// alone: no shard has a replica any more.
func alone(_ *World, s *State) { s.leave(1, 3, 5) }

// surging are shards without replicas that are rolled, one after the other, with an
// extra node each.
func surging(name string, stale uint8) World {
	return cluster3(name, stale).with(func(w *World) { w.Alone, w.Surge, w.Prepare = true, model.SurgeAuto, alone })
}

func surgeWorlds() []World {
	return []World{
		surging("two shards roll with an extra node each", 0b011).with(func(w *World) { w.MaxCrashes = 1 }),
		surging("one shard rolls with an extra node, a fault", 0b001).with(func(w *World) {
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
		r.violate(14, "shard %d is given an extra node, and %d others have one", k, others)
	}
}

// surges are mutants with one gate of a surge removed.
func surges() []Trial {
	two := surging("two shards roll with an extra node each", 0b011)
	return []Trial{
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
