package sim

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// Mutant is an operator with one gate removed. The zero value is the operator
// as it is.
type Mutant struct {
	Name string
	// See changes what the planner is shown.
	See func(*model.Snapshot)
	// Decide changes what it answers.
	Decide func(model.Snapshot, *model.Plan)

	Bare         bool // a StatefulSet is made anew without the extra pod, though its claim is there
	NoReplan     bool // disruptive steps are performed as planned, however long ago
	NoUID        bool // pods are evicted by name alone
	NoBudget     bool // pods are deleted, not evicted
	PromoteFirst bool // handovers are REPLICAOF NO ONE on the target, then the rest
}

// Trial is a mutant and the world that has to catch it.
type Trial struct {
	Mutant Mutant
	World  World
}

// Trials are all mutants, each with one gate removed.
func Trials() []Trial {
	return slices.Concat(seeing(), deciding(), acting(), surging(), surgeEnding(), hearing(), leaving())
}

// blind makes a mutant that sees every node otherwise.
func blind(name string, change func(*model.Shard, *model.Node)) Mutant {
	return Mutant{Name: name, See: explore.Nodes(change)}
}

func seeing() []Trial {
	three := func(f Faults) World {
		return replication("1+2", 3).with(func(w *World) { w.Faults, w.MaxFaults = f, 1 })
	}
	two := func(f Faults) World {
		return replication("1+1", 2).with(func(w *World) { w.Faults, w.MaxFaults, w.MaxCrashes, w.MaxWrites = f, 1, 1, 1 })
	}
	return []Trial{
		{blind("every replica passes for synced", passesForSynced), three(Faults{})},
		{Mutant{Name: "nodes that are down are not counted", See: withoutDown}, three(Faults{Crash: true, Delete: true})},
		{blind("the role is taken from the label", func(_ *model.Shard, n *model.Node) {
			if n.Server.Answered && n.RoleLabel != model.RoleUnknown {
				n.Server.Role = n.RoleLabel
			}
		}), two(Faults{Crash: true})},
		{blind("pods that never came up are protected", func(_ *model.Shard, n *model.Node) {
			n.Admitted = n.Phase != model.PodAbsent
		}), replication("1+1, new, with a bad image", 2).with(func(w *World) {
			w.New, w.Specs = true, []Spec{{Rev: 0, Nodes: 2, Bad: true}, {Rev: 1, Nodes: 2}}
		})},
		{blind("a FAILOVER that runs is not seen", func(_ *model.Shard, n *model.Node) {
			n.Server.FailingOver = false
		}), two(Faults{Crash: true, User: true})},
		{blind("a copy of an unknown history counts for nothing", func(s *model.Shard, n *model.Node) {
			if !slices.Contains(s.Memory.History, n.Server.ReplID) {
				n.Server.Keys, n.Server.ReplID2 = 0, ""
			}
		}), two(Faults{Crash: true}).with(func(w *World) { w.New = true })},
		{blind("clients get no time to leave", func(_ *model.Shard, n *model.Node) {
			n.DrainingFor = clientDrain
		}), two(Faults{})},
		{Mutant{Name: "volumes of absent nodes are forgotten", See: func(snap *model.Snapshot) {
			snap.Policy.Durable = false
		}}, two(Faults{Delete: true}).with(func(w *World) { w.Durable = true })},
		{Mutant{Name: "a failed handover is tried again at once", See: func(snap *model.Snapshot) {
			snap.Shards[0].Attempt = model.Attempt{}
		}}, two(Faults{Timeout: true})},
	}
}

func passesForSynced(shard *model.Shard, n *model.Node) {
	p, ok := shard.Primary()
	if !ok || n.Server.Role != model.RoleReplica || n.Server.Follows == model.Nobody {
		return
	}
	n.Ready, n.Server.LinkUp, n.Server.Syncing = true, true, false
	n.Server.Follows, n.Server.ReplID = p.Address, p.Server.ReplID
	p.Server.Acked[n.Address] = p.Server.Offset
}

func withoutDown(snap *model.Snapshot) {
	s := &snap.Shards[0]
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n model.Node) bool { return n.Down() && n.Server.Role != model.RolePrimary })
}

// instead makes a mutant that does another step than the one planned.
func instead(name string, change func(model.Snapshot, model.Step) model.Step) Mutant {
	return Mutant{Name: name, Decide: func(snap model.Snapshot, p *model.Plan) {
		if step := change(snap, p.Steps["v"]); step != nil {
			p.Steps["v"] = step
		}
	}}
}

func deciding() []Trial {
	two := replication("1+1", 2).with(func(w *World) {
		w.Faults, w.MaxFaults, w.MaxWrites = Faults{Timeout: true, Crash: true}, 1, 1
	})
	users := replication("1+1 and a user", 2).with(func(w *World) { w.Faults, w.MaxFaults, w.MaxWrites = Faults{User: true}, 1, 3 })
	return []Trial{
		{instead("the primary is restarted without a handover", func(_ model.Snapshot, s model.Step) model.Step {
			if h, ok := s.(model.Handover); ok {
				return model.Restart{Node: h.From, Revision: h.Revision}
			}
			return nil
		}), two},
		{instead("the primary is restarted when its handover has failed", func(snap model.Snapshot, s model.Step) model.Step {
			shard := snap.Shards[0]
			if p, ok := shard.Primary(); ok && s == nil && shard.Attempt.Failures > 0 && shard.Stale(p) {
				return model.Restart{Node: p.Ref, Revision: shard.Revision}
			}
			return nil
		}), two},
		{instead("the target need not be fresh", func(snap model.Snapshot, s model.Step) model.Step {
			p, ok := snap.Shards[0].Primary()
			if d, drain := s.(model.Drain); ok && drain && d.Node != p.Ref {
				return model.Handover{From: p.Ref, To: d.Node, Revision: snap.Shards[0].Revision}
			}
			return nil
		}), two},
		{instead("nobody is drained", func(snap model.Snapshot, s model.Step) model.Step {
			if d, ok := s.(model.Drain); ok {
				return model.Restart{Node: d.Node, Revision: snap.Shards[0].Revision}
			}
			return nil
		}), two},
		{instead("Services are published when the roll has ended", func(snap model.Snapshot, s model.Step) model.Step {
			rules, err := topology.For(snap)
			if _, ok := s.(model.Publish); !ok || err != nil {
				return nil
			}
			return rollout.Next(rules, snap.Policy, snap.Shards[0]).Step
		}), two},
		{instead("of two primaries the one with more keys stays", moreKeys), users},
		{Mutant{Name: "any pod that is not Ready means wait", Decide: waitForAll},
			replication("1+2", 3).with(func(w *World) { w.Faults, w.MaxFaults = Faults{CrashLoop: true}, 1 })},
		{Mutant{Name: "a wait gives no reason", Decide: func(_ model.Snapshot, p *model.Plan) {
			p.Holds = nil
		}}, replication("1+2", 3)},
	}
}

func moreKeys(snap model.Snapshot, _ model.Step) model.Step {
	all := snap.Shards[0].Primaries()
	if len(all) != 2 {
		return nil
	}
	keep, yield := all[0], all[1]
	if yield.Server.Keys > keep.Server.Keys {
		keep, yield = yield, keep
	}
	return model.Follow{Node: yield.Ref, Primary: keep.Ref}
}

func waitForAll(snap model.Snapshot, p *model.Plan) {
	if _, restart := p.Steps["v"].(model.Restart); !restart {
		return
	}
	for _, n := range snap.Shards[0].Nodes {
		if n.Down() {
			*p = model.Plan{Holds: []model.Hold{{Shard: "v", Reason: model.NodeDown, Node: n.Name}}}
			return
		}
	}
}

func acting() []Trial {
	faults := func(f Faults) World {
		return replication("1+2", 3).with(func(w *World) { w.Faults, w.MaxFaults, w.MaxWrites = f, 1, 1 })
	}
	return []Trial{
		{Mutant{Name: "no second look before a disruptive step", NoReplan: true}, faults(Faults{Crash: true})},
		{Mutant{Name: "pods are evicted without their UID", NoUID: true}, faults(Faults{Delete: true})},
		{Mutant{Name: "pods are deleted, not evicted", NoBudget: true}, faults(Faults{Budget: true})},
		{Mutant{Name: "handovers promote first", PromoteFirst: true}, faults(Faults{})},
	}
}
