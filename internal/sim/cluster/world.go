package cluster

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// Faults are the kinds of fault that a world knows.
type Faults struct {
	Crash    bool // a server process dies; its container starts again
	Delete   bool // somebody else deletes a pod
	Force    bool // somebody else deletes a pod by force: its process runs on for a moment
	Silence  bool // a server stops answering us, and nobody else
	Cut      bool // a host is cut off
	Failover bool // somebody runs CLUSTER FAILOVER on a replica
	Timeout  bool // a failover is not over in time though all is well
	Spec     bool // the user wants another number of shards before there are as many as before
	Image    bool // the user changes the image of all pods
	End      bool // somebody else deletes a pod, and gives it its time (stop.sh)
	// Hosts are the nodes on each host that may have to be emptied. Whoever drains it evicts
	// them, as their budgets let him.
	Hosts []uint8
	// Of are the nodes that faults befall; 0 is all of them.
	Of uint8
}

// World is a small cluster and its bounds: shards of two nodes each.
type World struct {
	Name string
	// Wished are the numbers of shards that the user wants, one after the other.
	Wished []int
	// Has is what each shard has at the beginning: the sizes of its groups, in the
	// order of the slots. A group is never divided in this world. Without any the
	// cluster has yet to be founded.
	Has [][]int
	// Alone: the user wants no replicas any more.
	Alone bool
	// Surge is when a rollout is given an extra node. There has to be a place for it:
	// where the user wants no replicas, or, if the world is Wide, in the first of three
	// shards.
	Surge model.Surge
	Wide  bool
	// Stale are the shards whose pods run an older revision.
	Stale uint8
	// Parallel is in how many shards a rollout may work at the same time.
	Parallel      int
	Durable       bool
	NoPersistence bool
	// Log: what a server knows outlives it as an append-only file, which keeps every
	// write and no history.
	Log           bool
	ReassignEmpty bool
	// Prepare changes the first state.
	Prepare func(*World, *State)

	Faults Faults
	// MaxFaults, MaxCrashes (of the operator) and MaxWrites are the bounds.
	MaxFaults, MaxCrashes, MaxWrites uint8
	// Bounded: one more fault leads beyond what is claimed (docs/adr/0004).
	Bounded bool
	// MaxStates stops the exploration; reaching it is reported.
	MaxStates int

	// Mutant is what was changed in the operator; the zero value is nothing.
	Mutant Mutant

	// ranges are the groups, sets the slots of each set of groups.
	ranges []model.SlotRange
	sets   []model.Slots
	book   *explore.Book
}

// prepared numbers the groups.
func (w World) prepared() *World {
	parts := w.Has
	if parts == nil {
		parts = even(w.Wished[0])
	}
	first := 0
	for _, shard := range parts {
		for _, size := range shard {
			w.ranges = append(w.ranges, model.SlotRange{First: first, Last: first + size - 1})
			first += size
		}
	}
	w.sets = make([]model.Slots, 1<<len(w.ranges))
	for g := range w.sets {
		var in []model.SlotRange
		for one, r := range w.ranges {
			if groups(g).has(one) {
				in = append(in, r)
			}
		}
		w.sets[g] = model.NewSlots(in...)
	}
	w.book = explore.NewBook()
	return &w
}

func (w *World) shards() int {
	most := len(w.Has)
	for _, n := range w.Wished {
		most = max(most, n)
	}
	return most
}

func (w *World) nodes() int {
	if w.Wide {
		return maxNodes
	}
	return 2 * w.shards()
}

// size is how many nodes a shard is to have.
func (w *World) size() int {
	if w.Alone {
		return 1
	}
	return 2
}

func (w *World) wished(s *State) int { return w.Wished[s.spec] }

// all are all groups.
func (w *World) all() groups { return groups(1<<len(w.ranges) - 1) }

func (w *World) slots(g groups) model.Slots { return w.sets[g] }

// groupsOf are the groups that a set of slots consists of.
func (w *World) groupsOf(slots model.Slots) groups {
	var out groups
	for g, r := range w.ranges {
		if slots.Has(r.First) {
			out |= 1 << g
		}
	}
	if w.slots(out).Count() != slots.Count() {
		panic("the groups of " + w.Name + " do not fit " + slots.String())
	}
	return out
}

func (w *World) decide(snap model.Snapshot) (model.Plan, error) {
	return explore.Plan(snap, w.Mutant.See, w.Mutant.Decide)
}

// Start is the first state: a cluster in service, or one before its first pod.
func (w *World) Start() State {
	s := State{}
	for k := range w.shards() {
		s.k[k].size = 2
	}
	for i := range s.n {
		s.n[i].tidy()
	}
	if w.Has != nil {
		w.inService(&s)
	}
	if w.Prepare != nil {
		w.Prepare(w, &s)
	}
	s.canonical()
	return s
}

// tables is who owns what at the beginning.
func (w *World) tables() table {
	out, g := unowned, 0
	for k, parts := range w.Has {
		for range parts {
			out = out.with(g, id(2*k))
			g++
		}
	}
	return out
}

func (w *World) inService(s *State) {
	s.formed = true
	tables := w.tables()
	for k := range w.Has {
		p := id(2 * k)
		mine := tables.of(p)
		h := uint8(k + 1)
		set := writes(0x55555555).in(mine)
		s.owed |= set
		s.k[k].formed, s.k[k].last, s.k[k].slots, s.k[k].hists[0] = true, p+1, mine, h
		for i := 2 * k; i < 2*k+2; i++ {
			n := &s.n[i]
			*n = node{phase: running, gate: gateIn, stale: w.Stale&(1<<k) != 0, proc: up, conf: true, table: tables, follows: nobody,
				primary: i == int(p), hist: h, set: set, epoch: h}
			if !n.primary {
				n.follows, n.linked, n.fit = p, true, true
			}
			if !w.NoPersistence {
				n.diskHist, n.diskSet = h, set
			}
		}
	}
}
