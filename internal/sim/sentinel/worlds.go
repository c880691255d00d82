package sentinel

import "slices"

// roll is an instance of so many nodes whose pods are stale.
func roll(name string, nodes uint8) World {
	return World{Name: name, Nodes: nodes, Stale: 1<<nodes - 1}
}

// almost is a roll in which only the primary is stale.
func almost(name string, nodes uint8) World {
	w := roll(name, nodes)
	w.Stale = node0
	return w
}

// with changes a world.
func (w World) with(change func(*World)) World {
	change(&w)
	return w
}

// calm is an instance in which nothing is to be done.
func calm(name string, nodes uint8) World {
	return World{Name: name, Nodes: nodes}
}

const (
	node0 uint8 = 1 << iota
	node1
	node2
)

// Worlds are what `go test` explores, each of them whole.
func Worlds() []World {
	return slices.Concat(rolls(), losses(), leavingWorlds(), surgingWorlds())
}

func rolls() []World {
	return []World{
		roll("1+1 rolls, operators that die, a write", 2).with(func(w *World) { w.MaxCrashes, w.MaxWrites = 2, 1 }),
		roll("1+1 rolls, handovers direct", 2).with(func(w *World) { w.Direct, w.MaxCrashes, w.MaxWrites = true, 2, 1 }),
		roll("1+1 rolls, handovers direct, public commands", 2).with(func(w *World) { w.Direct, w.NoHello, w.MaxCrashes, w.MaxWrites = true, true, 1, 1 }),
		roll("1+1 rolls, crashes and deletions", 2).with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{Crash: node0 | node1, Delete: node0 | node1}, 1
		}),
		almost("a handover, crashes, operators that die", 2).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxCrashes = Faults{Crash: node0 | node1}, 1, 1
		}),
		roll("1+1 rolls, Sentinels in trouble", 2).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxCrashes = Faults{Reboot: true, Lose: true, Mute: true, Failover: true, Of: 3}, 1, 1
			w.Bounded = true // docs/adr/0004
		}),
		almost("a handover, partitions", 2).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites = Faults{Cuts: cuts}, 1, 1
		}),
		roll("1+2 rolls", 3).with(func(w *World) { w.MaxCrashes, w.MaxWrites = 1, 0 }),
		roll("1+2 rolls, handovers direct", 3).with(func(w *World) { w.Direct, w.MaxCrashes = true, 1 }),
		calm("Sentinels roll", 2).with(func(w *World) { w.StaleSentinels, w.MaxCrashes = 7, 1 }),
		calm("Sentinels roll, trouble", 2).with(func(w *World) {
			w.StaleSentinels, w.Faults, w.MaxFaults = 7, Faults{Crash: node0 | node1, Reboot: true, Lose: true, Mute: true, Failover: true, Cuts: cuts, Of: 5}, 1
		}),
		roll("all roll, the Sentinels' version rises", 2).with(func(w *World) { w.StaleSentinels, w.Rises, w.MaxCrashes = 7, true, 1 }),
	}
}

// cuts are the partitions: the primary alone on the far side; the replica there with two
// Sentinels, and the operator on the side of the primary; two Sentinels there alone.
var cuts = []uint8{node0, node1 | sbit(1) | sbit(2), sbit(1) | sbit(2)}

func losses() []World {
	return []World{
		calm("two faults", 2).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites = Faults{Crash: node0, Lose: true, Mute: true, Failover: true, Of: 3}, 2, 1
			w.Bounded = true // docs/adr/0004
		}),
		calm("two faults, volumes", 2).with(func(w *World) {
			w.Durable, w.Faults, w.MaxFaults, w.MaxWrites = true, Faults{Crash: node0, Delete: node0 | node1}, 2, 1
		}),
		calm("a partition and another fault, volumes", 2).with(func(w *World) {
			w.Durable, w.Faults, w.MaxFaults, w.MaxWrites = true, Faults{Crash: node0, Delete: node1, Cuts: cuts}, 2, 1
			w.Bounded = true // docs/adr/0004
		}),
		logsCrash(),
		calm("1+2, crashes", 3).with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{Crash: node0}, 2
		}),
		calm("1+2, a crash before any Sentinel knows the last node", 3).with(func(w *World) {
			w.Prepare, w.Faults, w.MaxFaults, w.MaxWrites = lastJoined, Faults{Crash: node0}, 1, 1
		}),
		calm("1+2 to 1+1", 3).with(func(w *World) { w.Wanted, w.MaxCrashes = 2, 1 }),
		calm("4 Sentinels to 3", 2).with(func(w *World) {
			w.Sentinels, w.WantedSentinels, w.MaxCrashes = 4, 3, 1
			w.Faults, w.MaxFaults = Faults{Lose: true, Reboot: true, Mute: true, Of: 9}, 1
		}),
		calm("4 stale Sentinels to 3, a crash", 2).with(func(w *World) {
			w.Sentinels, w.WantedSentinels, w.StaleSentinels, w.MaxCrashes = 4, 3, 7, 1
			w.Faults, w.MaxFaults = Faults{Crash: node1, Lose: true, Of: 1}, 1
		}),
		calm("1+2 to 1+1, another leads", 3).with(func(w *World) {
			w.Wanted, w.Prepare = 2, lastLeads
			w.Faults, w.MaxFaults = Faults{Crash: node2}, 1
		}),
	}
}

// lastLeads: the node that is to leave is primary.
func lastLeads(_ *World, s *State) {
	s.n[0], s.n[2] = s.n[2], s.n[0]
	for i := range 2 {
		s.n[i].follows = 2
	}
	s.slice, s.reads, s.last, s.lead = 2, 3, 2, 2
	for k := range s.s {
		if s.s[k].watch == 0 {
			s.s[k].watch, s.s[k].ranked = 2, 3
		}
	}
}

// lastJoined: the last node is in service, and no Sentinel has heard of it yet.
func lastJoined(_ *World, s *State) {
	for k := range s.s {
		s.s[k].knows &^= node2
		s.s[k].ranked &^= node2
	}
}

// LargeWorlds are what `make explore` walks besides: more faults at a time, up to a
// bound of states.
func LargeWorlds() []World {
	const most = 2_000_000
	crash := Faults{Crash: node0 | node1}
	out := []World{
		almost("1+2, a handover, crashes", 3).with(func(w *World) { w.Faults, w.MaxFaults, w.MaxStates = crash, 1, most }),
		almost("1+2, a direct handover, crashes", 3).with(func(w *World) { w.Direct, w.Faults, w.MaxFaults, w.MaxStates = true, crash, 1, most }),
		drainedAndEnded().with(func(w *World) { w.MaxStates = most }),
	}
	for _, w := range Worlds() {
		w.Name += ", one more fault"
		w.MaxFaults++
		w.MaxStates = most
		if !w.Bounded {
			out = append(out, w)
		}
	}
	return out
}
