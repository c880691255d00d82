package sentinel

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
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

	book *book
}

// book numbers the steps.
type book struct {
	steps   []model.Step
	numbers map[string]uint16
}

func (b *book) number(step model.Step) uint16 {
	if step == nil {
		return 0
	}
	key := fmt.Sprintf("%#v", step)
	if n, ok := b.numbers[key]; ok {
		return n
	}
	b.steps = append(b.steps, step)
	b.numbers[key] = uint16(len(b.steps)) //nolint:gosec // some hundreds
	return b.numbers[key]
}

func (b *book) step(number uint16) model.Step {
	if number == 0 {
		return nil
	}
	return b.steps[number-1]
}

// prepared is a copy of the world that can be walked.
func (w World) prepared() *World {
	w.book = &book{numbers: map[string]uint16{}}
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
	if see := w.Mutant.See; see != nil {
		see(&snap)
	}
	p, err := plan.Next(snap)
	if decide := w.Mutant.Decide; decide != nil && err == nil {
		decide(snap, &p)
	}
	return p, err
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
