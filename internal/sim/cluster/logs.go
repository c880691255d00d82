package cluster

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// logsCrash: both servers of a shard end, one after the other, and have forgotten their
// histories; new pods have new addresses. The operator may not have looked since the first
// one ended.
func logsCrash() World {
	return cluster3("two crashes or deletions, append-only files", 0).with(func(w *World) {
		w.Log, w.Durable, w.Faults, w.MaxFaults, w.MaxWrites = true, true, Faults{Crash: true, Delete: true, Of: shard0}, 2, 1
	})
}

// justElected: what a log has forgotten the others know, within milliseconds after an
// election, and so does the former primary. An end within those is beyond what is claimed
// (docs/adr/0004).
func (s *State) justElected(i int, w *World) bool {
	if !w.Log || s.owned(i) == 0 {
		return false
	}
	return !s.agreed(i) || slices.ContainsFunc(nodesOf[shardOf(i)], func(j int) bool { return j != i && s.owned(j) != 0 })
}

// remembering are mutants that choose among copies without a history by the operator's
// memory alone.
func remembering() []Trial {
	return []Trial{
		{instead("the operator's memory counts, whomever the others have elected", func(_ model.Snapshot, shard model.Shard, _ model.Step) model.Step {
			last, ok := shard.Node(shard.Memory.Primary)
			if !ok || slices.ContainsFunc(shard.Nodes, func(n model.Node) bool { return !n.Server.Held }) {
				return nil
			}
			return model.Release{Node: last.Ref}
		}), logsCrash()},
	}
}
