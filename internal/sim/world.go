package sim

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// Persistence is what a server finds again after it has crashed.
type Persistence int

// The kinds of persistence.
const (
	// Snapshots keep the history, but only up to the last one taken.
	Snapshots Persistence = iota
	// Log keeps every write, and forgets the history. After a full synchronisation it is
	// written in a while; until then the disk has what it had before.
	Log
	// Nothing survives the process.
	Nothing
)

// Spec is one state of the user's wish.
type Spec struct {
	Rev   uint8
	Nodes uint8
	// Bad: pods of this revision never start.
	Bad bool
	// Paused: the rollout does not go on.
	Paused bool
	// Surge is another one than the world's.
	Surge model.Surge
}

// Faults are the kinds of fault that a world knows.
type Faults struct {
	Crash     bool // a server process dies; its container starts again
	CrashLoop bool // as above, but it cannot start before its pod is replaced
	Delete    bool // somebody else deletes a pod
	Silence   bool // a server stops answering us, not its clients
	Freeze    bool // a server stops answering anybody
	Apart     bool // a server and its clients are cut off from all others
	Cut       bool // the link of a replica breaks
	User      bool // somebody runs REPLICAOF NO ONE on a replica
	Timeout   bool // a FAILOVER times out though its target was well
	Budget    bool // somebody exhausts the budgets for a while
	Drain     bool // the host of a pod is to be emptied, and is drained within the budgets
	End       bool // somebody deletes a pod that has a preStop step, and gives it its time
	Unset     bool // somebody deletes the StatefulSet: its pods go, its claims stay, and it comes back as it is declared
}

// World is a small world and its bounds.
type World struct {
	Name     string
	Topology model.Topology
	Strategy model.Strategy
	// Specs are what the user wants, one after the other.
	Specs   []Spec
	Durable bool
	Persist Persistence
	// Surge is when a rollout is given an extra node; never, if it is empty.
	Surge model.Surge
	// OldCannotFollow: a pod of an older revision cannot resynchronise from a
	// primary of a newer one once its link has broken.
	OldCannotFollow bool
	// Quiet: Services have to rest before roles move.
	Quiet bool
	// New starts before the first pod, instead of with a shard in service.
	New bool

	Faults Faults
	// MaxFaults, MaxCrashes (of the operator) and MaxWrites are the bounds.
	MaxFaults, MaxCrashes, MaxWrites uint8
	// MaxStates stops the exploration; reaching it is reported.
	MaxStates int

	// Mutant is what was changed in the operator; the zero value is nothing.
	Mutant Mutant
}

func (w *World) decide(snap model.Snapshot) (model.Plan, error) {
	return explore.Plan(snap, w.Mutant.See, w.Mutant.Decide)
}

func (w *World) spec(s *State) Spec { return w.Specs[s.spec] }

// losses says that silences matter in this world.
func (w *World) losses() bool { return w.Faults.Freeze || w.Faults.Apart }

func (w *World) strategy() model.Strategy {
	if w.Strategy == "" {
		return model.StrategyHandover
	}
	return w.Strategy
}

// bad says whether pods of a revision never start.
func (w *World) bad(rev uint8) bool {
	for _, spec := range w.Specs {
		if spec.Rev == rev && spec.Bad {
			return true
		}
	}
	return false
}

// cannotFollow says whether i is too old to resynchronise from p.
func (w *World) cannotFollow(i, p *node) bool { return w.OldCannotFollow && i.rev < p.rev }

// lastRev is the revision that all ends with.
func (w *World) lastRev() uint8 { return w.Specs[len(w.Specs)-1].Rev }

// fresh is the truth that the design's word means.
func (w *World) fresh(s *State, i int) bool {
	return s.n[i].phase != absent && s.n[i].rev == w.spec(s).Rev
}

// firstWrite is in the shard from the beginning.
const firstWrite writes = 1

// Start is the first state: a shard in service, or one before its first pod.
func (w *World) Start() State {
	spec := w.Specs[0]
	s := State{seen: true, size: spec.Nodes, slice: nobody, last: nobody}
	if w.New {
		s.canonical()
		return s
	}
	const h history = 1
	s.formed, s.last, s.hists[0], s.slice = true, 0, h, 0
	s.owed, s.written = firstWrite, 1
	for i := range int(spec.Nodes) {
		n := node{phase: running, rev: spec.Rev, gate: gateIn, proc: procUp, label: roleReplica, role: roleReplica,
			follows: 0, link: linkUp, hist: h, set: firstWrite, clients: true}
		if w.Persist != Nothing {
			n.diskHist, n.diskSet = h, firstWrite
		}
		if i == 0 {
			n.role, n.label = rolePrimary, rolePrimary
		} else {
			s.reads |= 1 << i
		}
		s.n[i] = n
	}
	if spec.Nodes == 1 && w.Topology != model.Standalone {
		s.reads = 1 // reads go on while no replica serves
	}
	s.canonical()
	return s
}
