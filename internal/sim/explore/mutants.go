package explore

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// Plan is what a mutant plans: see changes what the planner is shown, decide what it
// answers. Either may be nil.
func Plan(snap model.Snapshot, see func(*model.Snapshot), decide func(model.Snapshot, *model.Plan)) (model.Plan, error) {
	if see != nil {
		see(&snap)
	}
	p, err := plan.Next(snap)
	if decide != nil && err == nil {
		decide(snap, &p)
	}
	return p, err
}

// Nodes shows the planner every node otherwise.
func Nodes(change func(*model.Shard, *model.Node)) func(*model.Snapshot) {
	return func(snap *model.Snapshot) {
		for k := range snap.Shards {
			shard := &snap.Shards[k]
			for i := range shard.Nodes {
				change(shard, &shard.Nodes[i])
			}
		}
	}
}

// The ways to see a node wrongly that are mutants in every topology.

// OnlyPrimariesLeave makes a host that is to be emptied nothing to the others.
func OnlyPrimariesLeave(s *model.Shard, n *model.Node) {
	if p, ok := s.Primary(); ok && p.Name != n.Name {
		n.Evacuate = ""
	}
}

// NobodyLeaves hides that a host is to be emptied.
func NobodyLeaves(_ *model.Shard, n *model.Node) { n.Evacuate = "" }

// NeverTooLate gives who is on its way out all its time again.
func NeverTooLate(_ *model.Shard, n *model.Node) { n.TerminatingFor = 0 }

// AlwaysTooLate leaves the operator none of it.
func AlwaysTooLate(_ *model.Shard, n *model.Node) { n.TerminatingFor = model.DepartWithin }
