package cluster

import (
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// Mutant is an operator with one gate removed. The zero value is the operator
// as it is.
type Mutant struct {
	Name string
	// See changes what the planner is shown.
	See func(*model.Snapshot)
	// Decide changes what it answers.
	Decide func(model.Snapshot, *model.Plan)

	NoReplan  bool // disruptive steps are performed as planned, however long ago
	Unsound   bool // the servers are not asked before a handover
	Unguarded bool // a former primary that starts is not held back
	Credulous bool // whoever says that he is primary is remembered
	NoBump    bool // nobody's epoch is raised before a former primary joins
	NoDisown  bool // slots of members that have failed are not taken from them
}

// Trial is a mutant and the world that has to catch it.
type Trial struct {
	Mutant Mutant
	World  World
}

// Trials are all mutants, each with one gate removed.
func Trials() []Trial {
	return slices.Concat(rolling(), healing(), sharing(), surging(), leaving(), remembering())
}

// blind makes a mutant that sees every node otherwise.
func blind(name string, change func(*model.Shard, *model.Node)) Mutant {
	return Mutant{Name: name, See: explore.Nodes(change)}
}

// instead makes a mutant that does another step than the one planned for a shard.
func instead(name string, change func(model.Snapshot, model.Shard, model.Step) model.Step) Mutant {
	return Mutant{Name: name, Decide: func(snap model.Snapshot, p *model.Plan) {
		for _, shard := range snap.Shards {
			if step := change(snap, shard, p.Steps[shard.Name]); step != nil {
				p.Steps[shard.Name] = step
			}
		}
	}}
}

// unless makes a mutant that does what would be planned if it saw things otherwise,
// where else it would wait.
func unless(name string, see func(*model.Snapshot)) Mutant {
	return Mutant{Name: name, Decide: func(snap model.Snapshot, p *model.Plan) {
		see(&snap)
		other, err := plan.Next(snap)
		if err != nil {
			return
		}
		for name, step := range other.Steps {
			if p.Steps[name] == nil {
				p.Steps[name] = step
			}
		}
	}}
}

// ofOneMind makes every member see those that it knows as they say they are.
func ofOneMind(snap *model.Snapshot) {
	selves := map[string]model.Member{}
	members(snap, func(n *model.Node) {
		self := *selfOf(n)
		selves[self.ID] = self
	})
	members(snap, func(n *model.Node) {
		c := n.Server.Cluster
		c.OK = true
		for i, m := range c.Members {
			if self, answers := selves[m.ID]; answers {
				c.Members[i].Role, c.Members[i].Primary, c.Members[i].Slots = self.Role, self.Primary, self.Slots
			}
		}
	})
}

// linked makes every member reach all others.
func linked(snap *model.Snapshot) {
	ofOneMind(snap)
	var selves []model.Member
	members(snap, func(n *model.Node) { selves = append(selves, *selfOf(n)) })
	members(snap, func(n *model.Node) { n.Server.Cluster.Members = slices.Clone(selves) })
}

func members(snap *model.Snapshot, visit func(*model.Node)) {
	for k := range snap.Shards {
		for i := range snap.Shards[k].Nodes {
			if n := &snap.Shards[k].Nodes[i]; n.Server.Cluster != nil {
				visit(n)
			}
		}
	}
}

// allServed gives what nobody serves to the first primary that is seen.
func allServed(snap *model.Snapshot) {
	missing := model.NewSlots(model.SlotRange{Last: model.SlotCount - 1})
	var first *model.Member
	members(snap, func(n *model.Node) {
		missing = missing.Minus(n.Server.Owned())
		if self := selfOf(n); first == nil && !self.Slots.Empty() {
			first = self
		}
	})
	if first != nil {
		first.Slots = first.Slots.Plus(missing)
	}
	ofOneMind(snap)
}

func selfOf(n *model.Node) *model.Member {
	c := n.Server.Cluster
	i := slices.IndexFunc(c.Members, func(m model.Member) bool { return m.ID == c.ID })
	return &c.Members[i]
}

func rolling() []Trial {
	roll := cluster3("a roll", 0b011).with(func(w *World) { w.MaxCrashes, w.MaxWrites = 1, 2 })
	faulty := cluster3("a roll with faults", 0b001).with(func(w *World) {
		w.Faults, w.MaxFaults, w.MaxWrites = Faults{Crash: true, Failover: true, Silence: true, Of: shard0}, 1, 1
	})
	slow := cluster3("a roll, a failover times out", 0b001).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Timeout: true}, 1 })
	drained := cluster3("two shards were drained at the same time", 0b011).with(func(w *World) { w.Prepare = twoDrained })
	elsewhere := cluster3("a roll, faults in another shard", 0b001).with(func(w *World) {
		w.Faults, w.MaxFaults, w.Durable, w.Parallel = Faults{Crash: true, Delete: true, Failover: true, Of: shard1}, 1, true, 2
	})
	return []Trial{
		{Mutant{Name: "a majority need not know who is primary", See: ofOneMind}, roll},
		{Mutant{Name: "a primary need not know the target", See: linked, Unsound: true}, elsewhere},
		{Mutant{Name: "slots that nobody serves stop nothing", See: allServed}, elsewhere},
		{Mutant{Name: "a rollout works in any number of shards", See: func(snap *model.Snapshot) { snap.Policy.ParallelShards = 3 }}, roll},
		{blind("a failover that runs is not seen", func(_ *model.Shard, n *model.Node) { n.Server.FailingOver = false }), elsewhere},
		{blind("every replica passes for synced", passesForSynced), roll},
		{blind("a failed handover is tried again at once", func(s *model.Shard, _ *model.Node) { s.Attempt = model.Attempt{} }), slow},
		{blind("clients get no time to leave", func(_ *model.Shard, n *model.Node) { n.DrainingFor = clientDrain }), roll},
		{instead("nobody is drained", func(_ model.Snapshot, shard model.Shard, s model.Step) model.Step {
			if d, ok := s.(model.Drain); ok {
				return model.Restart{Node: d.Node, Revision: shard.Revision}
			}
			return nil
		}), roll},
		{instead("the primary is restarted without a handover", func(_ model.Snapshot, _ model.Shard, s model.Step) model.Step {
			if h, ok := s.(model.Handover); ok {
				return model.Restart{Node: h.From, Revision: h.Revision}
			}
			return nil
		}), roll},
		{instead("the target need not be fresh", func(_ model.Snapshot, shard model.Shard, s model.Step) model.Step {
			if d, ok := s.(model.Drain); ok {
				if p, ok := shard.Primary(); ok && p.Ref != d.Node {
					return model.Handover{From: p.Ref, To: d.Node, Revision: shard.Revision}
				}
			}
			return nil
		}), roll},
		{Mutant{Name: "two shards that are drained wait for each other", Decide: othersDrained}, drained},
		{forced("a handover is forced", model.ByElection), roll},
		{forced("a handover is a takeover", model.ByTakeover), roll},
		{Mutant{Name: "no second look before a disruptive step", NoReplan: true}, faulty},
		{Mutant{Name: "a wait gives no reason", Decide: func(_ model.Snapshot, p *model.Plan) { p.Holds = nil }}, roll},
	}
}

// othersDrained takes every step from a shard that is drained while another one is.
func othersDrained(snap model.Snapshot, p *model.Plan) {
	var drained []string
	for _, shard := range snap.Shards {
		if slices.ContainsFunc(shard.Nodes, func(n model.Node) bool { return n.Draining }) {
			drained = append(drained, shard.Name)
		}
	}
	if len(drained) < 2 {
		return
	}
	for _, name := range drained {
		delete(p.Steps, name)
		p.Holds = append(p.Holds, model.Hold{Shard: name, Reason: model.OtherShards, Detail: "another shard is drained"})
	}
}

// forced hands over without the old primary.
func forced(name string, means model.Means) Mutant {
	return instead(name, func(_ model.Snapshot, _ model.Shard, s model.Step) model.Step {
		if h, ok := s.(model.Handover); ok {
			return model.Promote{Node: h.To, Means: means}
		}
		return nil
	})
}

func passesForSynced(shard *model.Shard, n *model.Node) {
	p, ok := shard.Primary()
	if !ok || n.Server.Role != model.RoleReplica || n.Server.Follows == model.Nobody || !n.Server.Answered {
		return
	}
	n.Ready, n.InService, n.Server.LinkUp, n.Server.Unlinked = true, true, true, false
	n.Server.Follows, n.Server.ReplID = p.Address, p.Server.ReplID
	p.Server.Acked[n.Address] = p.Server.Offset
}

func healing() []Trial {
	crashes := cluster3("two crashes, volumes", 0).with(func(w *World) {
		w.Faults, w.MaxFaults, w.MaxWrites, w.Durable = Faults{Crash: true, Delete: true, Of: shard0}, 2, 2, true
	})
	cut := cluster3("a majority of hosts is cut off", 0).with(func(w *World) {
		w.Faults, w.MaxFaults, w.Durable = Faults{Cut: true, Silence: true, Of: shard0 | shard1}, 2, true
	})
	deletions := cluster3("three deletions, volumes", 0).with(func(w *World) {
		w.Faults, w.MaxFaults, w.MaxWrites, w.Durable = Faults{Delete: true, Of: shard0}, 3, 1, true
	})
	lost := cluster3("a shard is lost", 0).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Delete: true, Of: shard0}, 2 })
	empty := lost.with(func(w *World) { w.Name, w.ReassignEmpty = "a shard is lost, and may be empty", true })
	return []Trial{
		{Mutant{Name: "a former primary is not held back", Unguarded: true}, crashes},
		{Mutant{Name: "a former primary joins over a later epoch", NoBump: true}, crashes},
		{instead("a former primary joins at once", func(_ model.Snapshot, shard model.Shard, _ model.Step) model.Step {
			for _, n := range shard.Nodes {
				if n.Server.Held {
					return model.Release{Node: n.Ref}
				}
			}
			return nil
		}), crashes},
		{instead("a shard without slots waits for votes", func(_ model.Snapshot, _ model.Shard, s model.Step) model.Step {
			if p, ok := s.(model.Promote); ok {
				return model.Promote{Node: p.Node, Means: model.ByElection}
			}
			return nil
		}), World{Name: "from 2 to 3 shards, deletions", Wished: []int{3}, Has: two, MaxFaults: 1, Faults: Faults{Delete: true, Of: 0b110000}}},
		{Mutant{Name: "a former primary joins before others know who has superseded it", Decide: joinsEarly}, crashes},
		{Mutant{Name: "whoever says that he is primary is remembered", Credulous: true}, deletions},
		{blind("a replica that has just booted counts as an heir", func(_ *model.Shard, n *model.Node) { n.Server.Unlinked = false }), crashes},
		{Mutant{Name: "volumes of absent nodes are forgotten", See: func(snap *model.Snapshot) { snap.Policy.Durable = false }}, crashes},
		{instead("there is no vote", func(_ model.Snapshot, _ model.Shard, s model.Step) model.Step {
			if p, ok := s.(model.Promote); ok && p.Means == model.ByElection {
				return model.Promote{Node: p.Node, Means: model.ByTakeover}
			}
			return nil
		}), crashes},
		{blind("a silent server counts as dead", func(_ *model.Shard, n *model.Node) { n.Dead = n.Dead || !n.Server.Answered }), cut},
		{blind("a silent server counts as fenced", func(_ *model.Shard, n *model.Node) { n.HostLost = n.HostLost || !n.Server.Answered }), cut},
		{blind("what a replica hears does not count", func(_ *model.Shard, n *model.Node) { n.Server.LastIO = time.Hour }), deletedByForce()},
		{Mutant{Name: "lost data are replaced by an empty shard", See: func(snap *model.Snapshot) { snap.Policy.ReassignEmpty = true }}, lost},
		{instead("slots of a lost shard go to another one", toAnother), lost},
		{Mutant{Name: "what a lost shard had is not remembered", See: func(snap *model.Snapshot) {
			for k := range snap.Shards {
				snap.Shards[k].Memory.Slots = nil
			}
		}}, lost},
		{Mutant{Name: "slots of the lost are not taken from them", NoDisown: true}, empty},
		{instead("slots are given to a stranger", func(_ model.Snapshot, shard model.Shard, s model.Step) model.Step {
			m, ok := s.(model.Meet)
			if _, has := shard.Primary(); !ok || has || shard.Memory.Slots.Empty() || len(m.Nodes) == 0 {
				return nil
			}
			return model.AddSlots{Node: m.Nodes[0], Slots: shard.Memory.Slots}
		}), empty},
	}
}

// toAnother gives the slots of a shard that nothing is left of to the primary of another
// one.
func toAnother(snap model.Snapshot, shard model.Shard, s model.Step) model.Step {
	p, ok := shard.Primary()
	if s != nil || !ok {
		return nil
	}
	for _, other := range snap.Shards {
		if !other.Memory.Slots.Empty() && !slices.ContainsFunc(other.Nodes, func(n model.Node) bool { return n.Server.Answered }) {
			return model.AddSlots{Node: p.Ref, Slots: other.Memory.Slots}
		}
	}
	return nil
}

// goesUnforgotten drains a shard without slots and lets it go.
func goesUnforgotten(_ model.Snapshot, shard model.Shard, _ model.Step) model.Step {
	if !shard.Leaving || shard.Size == 0 || !shard.Memory.Slots.Empty() {
		return nil
	}
	for _, n := range shard.Nodes {
		switch {
		case !n.Draining:
			return model.Drain{Node: n.Ref, Start: true}
		case n.Server.Clients > 0:
			return nil
		}
	}
	return model.Scale{From: shard.Size}
}

// joinsEarly lets a former primary go as soon as its shard has another one.
func joinsEarly(snap model.Snapshot, p *model.Plan) {
	for _, shard := range snap.Shards {
		primary, ok := shard.Primary()
		for _, n := range shard.Nodes {
			if ok && n.Server.Held && p.Steps[shard.Name] == nil {
				p.Steps[shard.Name] = model.Release{Node: n.Ref, Over: primary.Ref}
			}
		}
	}
}

func sharing() []Trial {
	moves := World{Name: "a batch is moved, and the image changes", Wished: []int{3}, Has: batchShort,
		MaxFaults: 1, Faults: Faults{Image: true}}
	fewer := World{Name: "from 3 to 2 shards", Wished: []int{2}, Has: three}
	alone := cluster3("the replicas go, one is primary", 0).with(func(w *World) { w.Alone, w.Prepare = true, secondLeads })
	rest := func(snap *model.Snapshot) {
		for k := range snap.Shards {
			for i := range snap.Shards[k].Nodes {
				n := &snap.Shards[k].Nodes[i]
				n.Revision, n.Draining = snap.Shards[k].Revision, false
			}
		}
	}
	return []Trial{
		{blind("a migration that runs is not seen", func(_ *model.Shard, n *model.Node) {
			if n.Server.Cluster != nil {
				n.Server.Cluster.Moves = nil
			}
		}), moves},
		{unless("a migration waits for no rollout", rest), moves},
		{instead("a shard goes before its slots have", func(_ model.Snapshot, shard model.Shard, _ model.Step) model.Step {
			if shard.Leaving && shard.Size > 0 {
				return model.Scale{From: shard.Size}
			}
			return nil
		}), fewer},
		{instead("a shard goes before it is forgotten", goesUnforgotten), fewer},
		{instead("a primary goes without a handover", func(_ model.Snapshot, shard model.Shard, s model.Step) model.Step {
			if _, ok := s.(model.Handover); ok {
				return model.Scale{From: shard.Size, To: shard.Size - 1}
			}
			return nil
		}), alone},
		{Mutant{Name: "what a shard had when it was last seen is all that it has", See: func(snap *model.Snapshot) {
			last := snap.Shards[len(snap.Shards)-1]
			if _, ok := last.Primary(); !ok && last.Leaving && last.Memory.Slots.Empty() {
				allServed(snap)
			}
		}}, leavesUnseen()},
		{blind("clients of a shard that goes get no time to leave", func(_ *model.Shard, n *model.Node) { n.DrainingFor = clientDrain }), fewer},
		{instead("a shard that leaves is forgotten with its slots", func(snap model.Snapshot, shard model.Shard, s model.Step) model.Step {
			last := snap.Shards[len(snap.Shards)-1]
			if shard.Leaving || !last.Leaving || s != nil || len(last.Nodes) == 0 {
				return nil
			}
			return model.Forget{At: []model.Ref{shard.Nodes[0].Ref}, IDs: []string{last.Nodes[0].Name}}
		}), fewer},
	}
}
