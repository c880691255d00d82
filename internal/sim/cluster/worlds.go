package cluster

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// even are the even shares of so many shards.
func even(shards int) [][]int {
	var out [][]int
	for k := range shards {
		out = append(out, []int{model.EvenCount(k, shards)})
	}
	return out
}

// batchShort are three shards of which the last lacks a batch that the first has.
// two are two shards that will give a third of what they have in batches, three are
// three of which the last will give all that it has to the others.
var (
	batchShort = [][]int{{5462, 600}, {5461}, {5461 - 600}}

	two   = [][]int{{5461, 1, 682, 1024, 1024}, {5461, 1, 682, 1024, 1024}}
	three = [][]int{{5462}, {5461}, {683, 1024, 1024, 682, 1024, 1024}}
)

// cluster3 is a cluster of three shards in service.
func cluster3(name string, stale uint8) World {
	return World{Name: name, Wished: []int{3}, Has: even(3), Stale: stale}
}

// with changes a world.
func (w World) with(change func(*World)) World {
	change(&w)
	return w
}

// replicasRolled: every replica runs the newest revision.
func replicasRolled(_ *World, s *State) {
	for i := range s.n {
		s.n[i].stale = s.n[i].stale && s.n[i].primary
	}
}

// twoDrained: a look that had not seen one shard's drain has begun another's.
func twoDrained(_ *World, s *State) { s.n[1].drain, s.n[3].drain = drainBegun, drainBegun }

// secondLeads: the second node of the first shard has been elected, and the other
// shards have no replica any more.
func secondLeads(_ *World, s *State) {
	s.win(1)
	for i := range s.n {
		s.hear(i)
	}
	s.n[0].hist, s.n[0].linked, s.n[0].fit = s.n[1].hist, true, true
	s.k[0].believe(1, s.n[1].hist)
	s.leave(3, 5)
}

// leave takes nodes away, as if they had never been.
func (s *State) leave(nodes ...int) {
	for _, i := range nodes {
		s.k[shardOf(i)].size = 1
		s.n[i] = node{}
	}
}

// The nodes of the first shards.
const (
	shard0 uint8 = 0b000011
	shard1 uint8 = 0b001100
)

// Worlds are what `go test` explores, each of them whole.
func Worlds() []World {
	return slices.Concat(rolls(), losses(), changes(), surgeWorlds(), leavingWorlds())
}

func rolls() []World {
	return []World{
		cluster3("two shards roll, operators that die, a write", 0b011).with(func(w *World) {
			w.MaxCrashes, w.MaxWrites = 1, 1
		}),
		cluster3("one shard rolls, faults in it", 0b001).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites = Faults{Crash: true, Delete: true, Failover: true, Silence: true, Timeout: true, Of: shard0}, 1, 1
		}),
		cluster3("one shard rolls, faults in another, volumes", 0b001).with(func(w *World) {
			w.Faults, w.MaxFaults, w.Durable = Faults{Crash: true, Delete: true, Failover: true, Silence: true, Of: shard1}, 1, true
		}),
		cluster3("two shards roll at the same time, their replicas have", 0b011).with(func(w *World) {
			w.Parallel, w.Prepare = 2, replicasRolled
		}),
		cluster3("two shards were drained at the same time", 0b011).with(func(w *World) {
			w.Prepare, w.MaxCrashes = twoDrained, 1
		}),
	}
}

func losses() []World {
	return []World{
		cluster3("two crashes, volumes", 0).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites, w.Durable = Faults{Crash: true, Of: shard0}, 2, 2, true
		}),
		cluster3("two deletions, volumes", 0).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites, w.Durable = Faults{Delete: true, Crash: true, Of: shard0}, 2, 1, true
		}),
		deletedByForce(),
		logsCrash(),
		cluster3("a crash in a roll, append-only files", 0b001).with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites, w.Log, w.Bounded = Faults{Crash: true, Of: shard0}, 1, 1, true, true
		}),
		cluster3("no persistence", 0b001).with(func(w *World) {
			w.Faults, w.MaxFaults, w.NoPersistence = Faults{Crash: true, Of: shard0}, 1, true
		}),
		cluster3("a majority of hosts is cut off", 0).with(func(w *World) {
			w.Faults, w.MaxFaults, w.Durable = Faults{Cut: true, Of: shard0 | shard1}, 2, true
		}),
		cluster3("a shard is lost", 0).with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{Delete: true, Of: shard0}, 2
		}),
		cluster3("a shard is lost, and may be empty", 0).with(func(w *World) {
			w.Faults, w.MaxFaults, w.ReassignEmpty = Faults{Delete: true, Of: shard0}, 2, true
		}),
	}
}

func changes() []World {
	return []World{
		cluster3("the replicas go, one is primary", 0).with(func(w *World) {
			w.Alone, w.Prepare, w.MaxCrashes, w.MaxWrites = true, secondLeads, 1, 1
			w.Faults, w.MaxFaults = Faults{Crash: true, Of: shard0}, 1
		}),
		{Name: "2 shards are founded", Wished: []int{2}, MaxCrashes: 1},
		{Name: "a batch is moved, the image changes", Wished: []int{3}, Has: batchShort,
			MaxCrashes: 1, MaxFaults: 1, Faults: Faults{Image: true}},
		{Name: "a batch is moved, faults at both ends", Wished: []int{3}, Has: batchShort, MaxFaults: 1, MaxWrites: 1, Durable: true,
			Faults: Faults{Crash: true, Failover: true, Delete: true, Of: 0b110011}},
		{Name: "from 2 to 3 shards", Wished: []int{3}, Has: two, MaxCrashes: 1},
		{Name: "from 2 to 3 shards, a fault in the new one", Wished: []int{3}, Has: two, MaxFaults: 1, Bounded: true,
			Faults: Faults{Crash: true, Delete: true, Of: 0b110000}},
		{Name: "from 3 to 2 shards, a fault in the old one", Wished: []int{2}, Has: three, MaxFaults: 1,
			Faults: Faults{Crash: true, Delete: true, Of: 0b110000}},
		{Name: "from 3 to 2 shards", Wished: []int{2}, Has: three, MaxCrashes: 1},
		leavesUnseen(),
		{Name: "from 3 to 2 shards and back", Wished: []int{2, 3}, Has: three, MaxFaults: 1, Faults: Faults{Spec: true}},
	}
}

// leavesUnseen: the shard that is to go took a batch after it had last been seen.
func leavesUnseen() World {
	return World{Name: "a shard leaves with slots that nobody saw arrive", Wished: []int{2}, Has: [][]int{{8192}, {7168}, {1024}},
		Prepare:   func(_ *World, s *State) { s.k[2].slots = 0 },
		MaxFaults: 1, Durable: true, Faults: Faults{Crash: true, Delete: true, Of: 0b110000}}
}

// deletedByForce: the processes of pods that are gone serve on for a moment.
func deletedByForce() World {
	return cluster3("a shard rolls, pods are deleted by force", 0b001).with(func(w *World) {
		w.Faults, w.MaxFaults, w.MaxWrites, w.Durable = Faults{Force: true, Of: shard0}, 1, 1, true
	})
}

// LargeWorlds are what `make explore` walks besides: more faults at a time, up to a
// bound of states.
func LargeWorlds() []World {
	const most = 2_000_000
	out := []World{
		cluster3("two shards roll at the same time", 0b011).with(func(w *World) { w.Parallel = 2 }),
		cluster3("three shards roll, two at a time", 0b111).with(func(w *World) { w.Parallel, w.Prepare = 2, replicasRolled }),
		{Name: "3 shards are founded", Wished: []int{3}},
		{Name: "from 3 to 2 shards, crashes", Wished: []int{2}, Has: three, MaxFaults: 1, Durable: true, Faults: Faults{Crash: true}},
	}
	for _, w := range Worlds() {
		w.Name += ", one more fault"
		w.MaxFaults++
		if !w.Bounded {
			out = append(out, w)
		}
	}
	for i := range out {
		out[i].MaxStates = most
	}
	return out
}
