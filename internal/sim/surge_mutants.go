package sim

import (
	"slices"
	"strings"

	"github.com/valkeeper/valkeeper/internal/model"
)

// surging are mutants with one gate removed of how a surge begins and goes on.
func surging() []Trial {
	one := surgingAlone("1 node and an extra one").with(func(w *World) { w.Faults, w.MaxFaults, w.MaxWrites = Faults{Crash: true}, 1, 1 })
	two := surgingPair("1+1 and an extra one")
	return []Trial{
		{Mutant{Name: "a lone primary is restarted before its extra node has come", See: func(snap *model.Snapshot) {
			if len(snap.Shards[0].Nodes) == 1 {
				snap.Policy.Surge = model.SurgeNever
			}
		}}, one},
		{Mutant{Name: "a rollout begins without its extra node", See: func(snap *model.Snapshot) {
			snap.Policy.Surge = model.SurgeNever
		}}, two},
		{Mutant{Name: "the extra node is not waited for", See: withoutExtra}, two},
		{blind("a server that has crashed passes for one that cannot start", func(_ *model.Shard, n *model.Node) {
			n.CannotStart = n.Dead
		}), one.with(func(w *World) { w.Durable = true })},
		{blind("a log that is being written passes for written", func(_ *model.Shard, n *model.Node) {
			n.Server.Rewriting = false
		}), surgingAlone("1 node and an extra one, append-only files").with(func(w *World) { w.Durable, w.Persist = true, Log })},
		{blind("the extra node passes for the newest revision", func(s *model.Shard, n *model.Node) {
			if n.Ordinal == 2 && n.Admitted && s.Revision != "" {
				n.Revision = s.Revision
			}
		}), two.with(func(w *World) {
			w.Specs = []Spec{{Rev: 0, Nodes: 2}, {Rev: 1, Nodes: 2}, {Rev: 2, Nodes: 2}}
		})},
	}
}

// surgeEnding are mutants with one gate removed of how an extra node leaves.
func surgeEnding() []Trial {
	one := surgingAlone("1 node and an extra one").with(func(w *World) { w.Faults, w.MaxFaults, w.MaxWrites = Faults{Crash: true}, 1, 1 })
	two := surgingPair("1+1 and an extra one")
	return []Trial{
		{instead("the extra node leaves with the role", func(snap model.Snapshot, s model.Step) model.Step {
			shard := snap.Shards[0]
			if h, ok := s.(model.Handover); ok && h.From.Name == "v-1" {
				return model.Scale{From: shard.Size, To: shard.Size - 1}
			}
			return nil
		}), one},
		{Mutant{Name: "the extra node leaves while the last other one is away", Decide: func(snap model.Snapshot, p *model.Plan) {
			shard := snap.Shards[0]
			away := slices.ContainsFunc(p.Holds, func(h model.Hold) bool {
				return strings.HasPrefix(h.Detail, "no pod leaves before it has synced") && h.Node == "v-0"
			})
			if away && shard.Size == 2 && p.Steps["v"] == nil {
				p.Steps["v"] = model.Scale{From: 2, To: 1}
			}
		}}, one},
		{instead("the extra node leaves before the rollout has begun", func(snap model.Snapshot, s model.Step) model.Step {
			shard := snap.Shards[0]
			if d, ok := s.(model.Drain); ok && d.Node.Name == "v-1" && shard.Size == 3 {
				return model.Scale{From: 3, To: 2}
			}
			return nil
		}), two},
		{Mutant{Name: "a pod that is on its way out passes for one that stays", See: func(snap *model.Snapshot) {
			s := &snap.Shards[0]
			if last := s.Nodes[len(s.Nodes)-1]; last.Phase == model.PodRunning {
				s.Size = max(s.Size, last.Ordinal+1)
			}
		}}, one},
		{Mutant{Name: "a StatefulSet that was deleted comes back without its extra pod", Bare: true, See: withoutLeftovers},
			unset("1 node and an extra one, the StatefulSet is deleted")},
		{Mutant{Name: "the claim of the last primary is not looked for", See: withoutLeftovers},
			unset("1 node and an extra one, the StatefulSet is deleted")},
		{Mutant{Name: "nobody takes the extra node away", Decide: func(_ model.Snapshot, p *model.Plan) {
			if s, ok := p.Steps["v"].(model.Scale); ok && s.To < s.From {
				delete(p.Steps, "v")
			}
		}}, one},
	}
}

func withoutLeftovers(snap *model.Snapshot) { snap.Shards[0].Leftovers = nil }

// withoutExtra does not see a node beyond those wished for that is down.
func withoutExtra(snap *model.Snapshot) {
	s := &snap.Shards[0]
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n model.Node) bool { return snap.Policy.Extra(n) && n.Down() })
}
