package sentinel

import (
	"slices"
	"strings"

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
	Credulous bool // whoever says that he is primary is remembered
	Ranked    bool // nodes boot with a priority above 0
}

// Trial is a mutant and the world that has to catch it.
type Trial struct {
	Mutant Mutant
	World  World
}

// Trials are all mutants, each with one gate removed.
func Trials() []Trial {
	return slices.Concat(promoting(), unheard(), telling(), touching(), rollingSentinels(), leaving(), surging(), remembering())
}

// blind makes a mutant that sees every node otherwise.
func blind(name string, change func(*model.Shard, *model.Node)) Mutant {
	return Mutant{Name: name, See: explore.Nodes(change)}
}

// kind says of a step whether it is the one that a gate is for.
type kind func(model.Step) bool

func is[S model.Step](s model.Step) bool { _, ok := s.(S); return ok }

func restarts(letter byte) kind {
	return func(s model.Step) bool {
		r, ok := s.(model.Restart)
		return ok && r.Node.Name[0] == letter
	}
}

// ungated makes a mutant that takes the steps of a kind which would be planned if it saw
// things otherwise, but for the fence: without that another law would catch all of them.
func ungated(name string, of kind, see func(*model.Snapshot)) Mutant {
	return Mutant{Name: name, Decide: func(snap model.Snapshot, p *model.Plan) {
		if s := p.Steps["v"]; s != nil && is[model.PauseWrites](s) {
			return
		}
		see(&snap)
		other, err := plan.Next(snap)
		if err == nil && other.Steps["v"] != nil && of(other.Steps["v"]) {
			p.Steps["v"] = other.Steps["v"]
		}
	}}
}

// without makes a mutant that never takes a step of a kind.
func without(name string, of kind) Mutant {
	return Mutant{Name: name, Decide: func(_ model.Snapshot, p *model.Plan) {
		if s := p.Steps["v"]; s != nil && of(s) {
			delete(p.Steps, "v")
		}
	}}
}

// seen changes every Sentinel that answers and watches.
func seen(snap *model.Snapshot, change func(*model.SentinelNode, *model.Watch)) {
	set := &snap.Sentinels
	set.Nodes = slices.Clone(set.Nodes)
	for k := range set.Nodes {
		if n := &set.Nodes[k]; n.Answered && n.Watch != nil {
			w := *n.Watch
			n.Watch = &w
			change(n, &w)
		}
	}
}

func idle(snap *model.Snapshot) {
	seen(snap, func(_ *model.SentinelNode, w *model.Watch) { w.FailingOver = false })
}

// ended makes those that are silent pass for dead.
func ended(snap *model.Snapshot) {
	snap.Sentinels.Nodes = slices.Clone(snap.Sentinels.Nodes)
	for k := range snap.Sentinels.Nodes {
		n := &snap.Sentinels.Nodes[k]
		n.Dead = n.Dead || !n.Answered
	}
}

func sameEpoch(snap *model.Snapshot) {
	seen(snap, func(_ *model.SentinelNode, w *model.Watch) { w.Epoch = 0 })
}

// agreed makes all that answer name the primary.
func agreed(snap *model.Snapshot) {
	if p, ok := snap.Shards[0].Primary(); ok {
		seen(snap, func(_ *model.SentinelNode, w *model.Watch) { w.Primary = p.Address })
	}
}

// calmed makes every Sentinel one that is of the same mind, and there.
func calmed(snap *model.Snapshot) {
	p, ok := snap.Shards[0].Primary()
	set := &snap.Sentinels
	set.Nodes = slices.Clone(set.Nodes)
	for k := range set.Nodes {
		n := &set.Nodes[k]
		if n.Watch == nil {
			n.Watch = &model.Watch{Settings: set.Settings}
		}
		w := *n.Watch
		n.Watch, n.Answered, n.Ready, n.Phase, n.ID = &w, true, true, model.PodRunning, "id-"+n.Name[2:]
		if ok {
			w.Primary, w.Down, w.FailingOver, w.NoQuorum = p.Address, false, false, ""
		}
	}
	acquainted(snap)
}

// acquainted makes every Sentinel reach all others, besides those that it remembers.
func acquainted(snap *model.Snapshot) {
	seen(snap, func(n *model.SentinelNode, w *model.Watch) {
		all := slices.DeleteFunc(slices.Clone(w.Others), func(o model.WatchedSentinel) bool {
			return slices.ContainsFunc(snap.Sentinels.Nodes, func(m model.SentinelNode) bool { return m.ID == o.ID })
		})
		for _, o := range snap.Sentinels.Nodes {
			if o.ID != n.ID {
				all = append(all, model.WatchedSentinel{ID: o.ID})
			}
		}
		w.Others = all
	})
	ranked(snap)
}

// ranked makes every Sentinel know and reach all replicas, as promotable as they are.
func ranked(snap *model.Snapshot) {
	seen(snap, func(_ *model.SentinelNode, w *model.Watch) {
		w.Replicas = nil
		for _, n := range snap.Shards[0].Nodes {
			if n.Address != w.Primary && n.Address != "" {
				w.Replicas = append(w.Replicas, model.WatchedReplica{Address: n.Address, Priority: n.Server.Priority})
			}
		}
	})
}

func twoPrimaries(snap *model.Snapshot) bool { return len(snap.Shards[0].Primaries()) > 1 }

// unheard are mutants that heed wrongly that no Sentinel knows who is to be promoted.
func unheard() []Trial {
	lone := calm("1+2, a crash before any Sentinel knows the last node", 3).with(func(w *World) {
		w.Prepare, w.Faults, w.MaxFaults, w.MaxWrites = lastJoined, Faults{Crash: node0}, 1, 1
	})
	loneMute := lone.with(func(w *World) {
		w.Name += ", one of them silent"
		w.Prepare = func(w *World, s *State) { lastJoined(w, s); s.s[0].mute = true }
	})
	return []Trial{
		{ungated("one that no Sentinel knows is promoted beside one that is silent", is[model.Promote], ended), loneMute},
		{Mutant{Name: "Sentinels are asked for one that none of them knows", Decide: func(_ model.Snapshot, p *model.Plan) {
			if s, ok := p.Steps["v"].(model.Promote); ok {
				s.Means = model.BySentinel
				p.Steps["v"] = s
			}
		}}, lone},
	}
}

func promoting() []Trial {
	crash := calm("1+1, two crashes", 2).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Crash: node0 | node1}, 2 })
	mute := calm("1+1, a crash, most Sentinels silent", 2).with(func(w *World) {
		w.Faults, w.MaxFaults, w.Prepare = Faults{Crash: node0}, 1, func(_ *World, s *State) { s.s[1].mute, s.s[2].mute = true, true }
	})
	users := calm("1+1, a user's failover", 2).with(func(w *World) { w.Faults, w.MaxFaults, w.MaxWrites = Faults{Failover: true, Of: 1}, 1, 1 })
	unheard := users.with(func(w *World) {
		w.Name, w.Prepare = "1+1, a user's failover, unheard", func(_ *World, s *State) { s.s[0].mute = true }
	})
	cutTwice := calm("1+1, two partitions", 2).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Cuts: []uint8{node0, node1}}, 2 })
	cutLater := calm("1+1, volumes, a deletion and a partition", 2).with(func(w *World) {
		w.Durable, w.Faults, w.MaxFaults, w.MaxWrites = true, Faults{Delete: node0, Cuts: []uint8{node0}}, 2, 2
	})
	replaced := calm("1+1, volumes, a deletion", 2).with(func(w *World) {
		w.Durable, w.Faults, w.MaxFaults, w.MaxWrites = true, Faults{Delete: node0}, 1, 1
	})
	copies := calm("1+2, volumes, two crashes", 3).with(func(w *World) {
		w.Durable, w.Faults, w.MaxFaults, w.MaxWrites, w.MaxStates = true, Faults{Crash: node0 | node2}, 2, 1, 150_000
	})
	return []Trial{
		{ungated("a server is promoted before Sentinels reach it", is[model.Promote], func(snap *model.Snapshot) {
			seen(snap, func(_ *model.SentinelNode, w *model.Watch) { w.SilentFor = 0 })
		}), replaced},
		{ungated("silent Sentinels cannot act", is[model.Promote], ended), mute},
		{ungated("nobody waits for a failover before a promotion", is[model.Promote], idle), crash},
		{without("a primary from which Sentinels fail over takes writes", is[model.PauseWrites]), users},
		{ungated("two primaries are settled in a failover", is[model.Follow], func(snap *model.Snapshot) {
			if twoPrimaries(snap) {
				idle(snap)
			}
		}), users},
		{ungated("one that fails over is taken for one that has told the others", is[model.Follow], func(snap *model.Snapshot) {
			seen(snap, func(_ *model.SentinelNode, w *model.Watch) {
				if w.FailingOver {
					w.Replicas = []model.WatchedReplica{{Address: w.Primary, Chosen: true}}
				}
			})
		}), users},
		{ungated("two primaries are settled without those that are silent", is[model.Follow], func(snap *model.Snapshot) {
			if twoPrimaries(snap) {
				ended(snap)
			}
		}), unheard},
		{ungated("an outdated name counts", is[model.Promote], sameEpoch), crash},
		{ungated("a primary that Sentinels do not name is trusted", is[model.Publish], agreed), cutTwice},
		{ungated("a silent primary that Sentinels reach passes for gone", is[model.Promote], func(snap *model.Snapshot) {
			seen(snap, func(_ *model.SentinelNode, w *model.Watch) { w.Down = true })
		}), cutLater},
		{Mutant{Name: "the operator promotes beside the Sentinels", Decide: func(_ model.Snapshot, p *model.Plan) {
			if s, ok := p.Steps["v"].(model.Promote); ok {
				p.Steps["v"] = model.Promote{Node: s.Node}
			}
		}}, crash},
		{without("the chosen copy is not let be promoted", func(s model.Step) bool {
			r, ok := s.(model.Rank)
			return ok && r.Why == "it is to be promoted"
		}), crash},
		{ungated("Sentinels are asked before they have seen the priorities", is[model.Promote], ranked), copies},
		{Mutant{Name: "Sentinels may choose a lesser copy", Decide: lesserCopies}, copies},
		{Mutant{Name: "a node boots as one that may be promoted", Ranked: true}, crash},
	}
}

// lesserCopies asks the Sentinels without ranking the other copies 0.
func lesserCopies(snap model.Snapshot, p *model.Plan) {
	r, ok := p.Steps["v"].(model.Rank)
	if _, has := snap.Shards[0].Primary(); !ok || has || r.Priority > 0 {
		return
	}
	for _, n := range snap.Shards[0].Nodes {
		if strings.HasPrefix(r.Why, n.Name) {
			p.Steps["v"] = model.Promote{Node: n.Ref, Means: model.BySentinel}
		}
	}
}

func telling() []Trial {
	loses := calm("1+1, a Sentinel loses its state", 2).with(func(w *World) {
		w.Faults, w.MaxFaults, w.MaxCrashes = Faults{Lose: true, Failover: true, Of: 1}, 1, 1
	})
	moved := calm("1+1, the role has moved, Sentinels silent", 2).with(func(w *World) {
		w.Prepare = func(_ *World, s *State) {
			roleMoved(s)
			s.s[1].mute, s.s[2].mute = true, true
		}
	})
	crash := calm("1+1, a crash", 2).with(func(w *World) { w.Faults, w.MaxFaults = Faults{Crash: node0 | node1}, 1 })
	fewer := calm("4 Sentinels to 3, a crash", 2).with(func(w *World) {
		w.Sentinels, w.WantedSentinels, w.Faults, w.MaxFaults = 4, 3, Faults{Crash: node1}, 1
	})
	failing := loses.with(func(w *World) {
		w.Name, w.MaxFaults, w.MaxCrashes, w.Faults = "1+1, a Sentinel loses its state, a user's failover", 2, 0, Faults{Lose: true, Failover: true, Of: 3}
	})
	return []Trial{
		{without("a Sentinel that watches nobody is not told", is[model.WatchPrimary]), loses},
		{without("a Sentinel is not told how to watch", is[model.SetWatch]), loses},
		{ungated("Sentinels are told during a failover", is[model.WatchPrimary], idle), failing},
		{ungated("Sentinels are told while most are silent", is[model.WatchPrimary], func(snap *model.Snapshot) {
			nodes := slices.Clone(snap.Sentinels.Nodes)
			for k := range nodes {
				if n := &nodes[k]; !n.Answered {
					n.Answered, n.Watch = true, nodes[0].Watch
				}
			}
			snap.Sentinels.Nodes = nodes
		}), moved},
		{ungated("who is about to hear is told", is[model.WatchPrimary], sameEpoch), crash},
		{without("what is no more is not forgotten", is[model.ResetWatch]), fewer},
		{ungated("a Sentinel is reset before the last has found the others", is[model.ResetWatch], func(snap *model.Snapshot) {
			acquainted(snap)
			seen(snap, func(_ *model.SentinelNode, w *model.Watch) { w.NoQuorum = "" })
		}), fewer},
		{ungated("a Sentinel is reset while another is not of one mind", is[model.ResetWatch], calmed), fewer},
		{ungated("a Sentinel is reset while a node is down", is[model.ResetWatch], func(snap *model.Snapshot) {
			nodes := slices.Clone(snap.Shards[0].Nodes)
			snap.Shards[0].Nodes = slices.DeleteFunc(nodes, func(n model.Node) bool { return !n.Server.Answered })
		}), fewer},
		{without("replicas are not let be promoted again", is[model.Rank]), crash},
		{Mutant{Name: "whoever answers may be promoted", Decide: func(snap model.Snapshot, p *model.Plan) {
			for _, n := range snap.Shards[0].Nodes {
				if _, ok := snap.Shards[0].Primary(); ok && n.Server.Answered && n.Server.Role == model.RoleReplica && n.Server.Priority == 0 {
					p.Steps["v"] = model.Rank{Node: n.Ref, Priority: model.UsualPriority}
				}
			}
		}}, crash},
	}
}

// roleMoved: the role has moved, and no Sentinel has heard of it.
func roleMoved(s *State) {
	s.n[0].follows, s.n[0].primary, s.n[0].linked, s.n[0].labeled = 1, false, true, false
	s.n[1].follows, s.n[1].primary, s.n[1].linked, s.n[1].labeled = nobody, true, false, true
	s.slice, s.reads, s.last, s.lead = 1, node0, 1, 1
}

func touching() []Trial {
	faults := almost("1+1, a handover, Sentinels in trouble", 2).with(func(w *World) {
		w.Faults, w.MaxFaults = Faults{Failover: true, Lose: true, Of: 1}, 1
	})
	zero := almost("1+1, a handover to one that was not seen", 2).with(func(w *World) {
		w.Prepare = func(_ *World, s *State) {
			for k := range s.s {
				s.s[k].ranked = 0
			}
		}
	})
	stale := calm("1+2 to 1+1, another leads, a stale one stays", 3).with(func(w *World) {
		w.Wanted, w.Prepare = 2, func(w *World, s *State) {
			lastLeads(w, s)
			s.n[0].stale = true
		}
	})
	rolls := roll("1+1 rolls, Sentinels in trouble", 2).with(func(w *World) {
		w.Faults, w.MaxFaults = Faults{Failover: true, Lose: true, Of: 1}, 1
	})
	return []Trial{
		{Mutant{Name: "no second look before a disruptive step", NoReplan: true}, faults},
		{ungated("a handover waits for no agreement", is[model.Handover], calmed), faults},
		{ungated("a handover waits for no failover", is[model.Handover], idle), faults},
		{ungated("a Sentinel need not see the target", is[model.Handover], ranked), zero},
		{ungated("Sentinels may choose whom they must not", is[model.Handover], func(snap *model.Snapshot) {
			for i := range snap.Shards[0].Nodes {
				snap.Shards[0].Nodes[i].Revision = snap.Shards[0].Revision
			}
		}), stale},
		{ungated("a replica goes while Sentinels do not agree", restarts('v'), calmed), rolls},
		{ungated("a replica goes in a failover", restarts('v'), idle), rolls},
	}
}

func rollingSentinels() []Trial {
	trouble := calm("Sentinels roll, one in trouble", 2).with(func(w *World) {
		w.StaleSentinels, w.Faults, w.MaxFaults = 7, Faults{Reboot: true, Failover: true, Mute: true, Of: 3}, 1
	})
	fewer := calm("4 Sentinels to 3, one in trouble", 2).with(func(w *World) {
		w.Sentinels, w.WantedSentinels, w.Faults, w.MaxFaults = 4, 3, Faults{Lose: true, Failover: true, Reboot: true, Of: 3}, 2
	})
	remembered := calm("4 stale Sentinels to 3, a crash", 2).with(func(w *World) {
		w.Sentinels, w.WantedSentinels, w.StaleSentinels, w.Faults, w.MaxFaults = 4, 3, 7, Faults{Crash: node1}, 1
	})
	return []Trial{
		{ungated("a Sentinel goes while one that has left is remembered", restarts('s'), func(snap *model.Snapshot) {
			seen(snap, func(_ *model.SentinelNode, w *model.Watch) {
				w.Others = slices.DeleteFunc(slices.Clone(w.Others), func(o model.WatchedSentinel) bool {
					return !slices.ContainsFunc(snap.Sentinels.Nodes, func(n model.SentinelNode) bool { return n.ID == o.ID })
				})
			})
		}), remembered},
		{ungated("Sentinels go before the last is back", restarts('s'), calmed), trouble},
		{ungated("Sentinels go before the last knows the others", restarts('s'), acquainted), trouble},
		{ungated("a Sentinel goes in a failover", restarts('s'), idle), trouble},
		{without("a Sentinel that never comes up is protected", restarts('s')), trouble},
		{ungated("a Sentinel is taken away while another is down", is[model.ScaleSentinels], calmed), fewer},
	}
}
