package sentinel

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// logsCrash: both servers crash, one after the other, and have forgotten their histories.
// The operator may not have looked since the first one did.
func logsCrash() World {
	return calm("two crashes, append-only files", 2).with(func(w *World) {
		w.Log, w.Faults, w.MaxFaults, w.MaxWrites, w.MaxCrashes = true, Faults{Crash: node0 | node1}, 2, 1, 1
	})
}

// justPromoted: what a log has forgotten the Sentinels know, or the operator, a moment after
// a promotion. A crash within that is beyond what is claimed (docs/adr/0004).
func (s *State) justPromoted(i int, w *World) bool {
	return w.Log && s.n[i].primary && s.last != uint8(i) && s.epochOf(uint8(i))+1 < s.nextEpoch()
}

// remembering are mutants that choose among copies without a history by one memory alone.
func remembering() []Trial {
	makes := func(s model.Step) bool { return is[model.Promote](s) || is[model.Rank](s) }
	return []Trial{
		{ungated("the operator's memory counts, whomever the Sentinels name", makes, func(snap *model.Snapshot) {
			if last, ok := snap.Shards[0].Node(snap.Shards[0].Memory.Primary); ok && len(snap.Shards[0].Primaries()) == 0 {
				seen(snap, func(_ *model.SentinelNode, w *model.Watch) { w.Primary = last.Address })
			}
		}), logsCrash()},
		{ungated("whom the Sentinels name counts, whatever the operator remembers", makes, func(snap *model.Snapshot) {
			snap.Shards = slices.Clone(snap.Shards)
			for _, n := range snap.Shards[0].Nodes {
				if snap.Sentinels.Agreeing(n.Address) >= snap.Sentinels.Needed() {
					snap.Shards[0].Memory.Primary = n.Name
				}
			}
		}), logsCrash()},
	}
}
