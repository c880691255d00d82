package sentinel

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// Faults are the kinds of fault that a world knows.
type Faults struct {
	Crash    uint8 // data nodes whose process may die; their containers start again
	Delete   uint8 // data nodes whose pods somebody may delete
	End      uint8 // data nodes whose pods somebody may delete, and give them their time (stop.sh)
	Reboot   bool  // a Sentinel's process dies; it starts again with what it knew
	Lose     bool  // a Sentinel loses its state
	Mute     bool  // a Sentinel does not answer the operator any more
	Failover bool  // somebody runs SENTINEL FAILOVER
	Of       uint8 // the Sentinels that all this is about
	// Cuts are the partitions: nodes and Sentinels on the far side of each.
	Cuts []uint8
	// Hosts are the data nodes on each host that may have to be emptied. Whoever drains it
	// evicts them, as their budgets let him.
	Hosts []uint8
}

// World is a small world and its bounds.
type World struct {
	Name string
	// Nodes and Sentinels are how many there are; Wanted and WantedSentinels how many
	// there are to be, if that differs.
	Nodes, Sentinels, Wanted, WantedSentinels uint8
	// Stale are the nodes, and StaleSentinels the Sentinels, of an older revision.
	Stale, StaleSentinels uint8
	// Surge is the user's wish; the zero value is none.
	Surge model.Surge
	// Rises: the Sentinels' version rises with their revision.
	Rises bool
	// Direct: handovers are the operator's FAILOVER TO, not the Sentinels'.
	Direct bool
	// NoHello: Sentinels are told by public commands alone.
	NoHello bool
	Durable bool
	// Log: what a server knows outlives it as an append-only file, which keeps every write
	// and no history.
	Log bool
	// Prepare changes the first state.
	Prepare func(*World, *State)

	Faults Faults
	// MaxFaults, MaxCrashes (of the operator) and MaxWrites are the bounds.
	MaxFaults, MaxCrashes, MaxWrites uint8
	// MaxStates stops the exploration; reaching it is reported.
	MaxStates int
	// Bounded: with one more fault it would be beyond what is claimed, or too large.
	Bounded bool

	// Mutant is what was changed in the operator; the zero value is nothing.
	Mutant Mutant

	book *explore.Book
}

// prepared is a copy of the world that can be walked.
func (w World) prepared() *World {
	w.book = explore.NewBook()
	if w.Sentinels == 0 {
		w.Sentinels = 3
	}
	if w.Wanted == 0 {
		w.Wanted = w.Nodes
	}
	if w.WantedSentinels == 0 {
		w.WantedSentinels = w.Sentinels
	}
	return &w
}

func (w *World) decide(snap model.Snapshot) (model.Plan, error) {
	return explore.Plan(snap, w.Mutant.See, w.Mutant.Decide)
}

// needed is how many Sentinels have to agree.
func (w *World) needed() int { return max(quorum, int(w.WantedSentinels)/2+1) }

// firstWrite is in the shard from the beginning.
const firstWrite writes = 1

// Start is the first state: an instance in service, v-0 being primary.
func (w *World) Start() State {
	s := State{size: w.Nodes, sentinels: w.Sentinels, formed: true, owed: firstWrite, written: 1}
	s.hists[0] = 1
	for i := range s.n {
		s.n[i].follows = nobody
	}
	for i := range int(w.Nodes) {
		s.n[i] = node{phase: running, gate: gateIn, stale: w.Stale&(1<<i) != 0, clients: true, up: true, follows: 0, linked: i > 0,
			primary: i == 0, labeled: i == 0, hist: 1, set: firstWrite, diskHist: 1, diskSet: firstWrite}
		if i > 0 {
			s.reads |= 1 << i
		}
	}
	for k := range s.s {
		s.s[k].watch = nobody
	}
	for k := range int(w.Sentinels) {
		s.s[k] = sentinel{phase: running, up: true, stale: w.StaleSentinels&(1<<k) != 0, watch: 0, epoch: 1,
			knows: 1<<w.Nodes - 1, ranked: (1<<w.Nodes - 1) &^ 1, others: (1<<w.Sentinels - 1) &^ (1 << k)}
	}
	if w.Prepare != nil {
		w.Prepare(w, &s)
	}
	s.canonical()
	return s
}
