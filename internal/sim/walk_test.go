package sim

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/valkeeper/valkeeper/internal/model"
)

// TestRandomWalksInLargerWorlds goes where the explorer cannot: up to five nodes,
// several specs, more faults, and then leaves the world to itself, which has to
// end with a complete shard.
func TestRandomWalksInLargerWorlds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		walked := []Step{{State: w.Start()}}
		r := newRun(&w)
		for range rapid.IntRange(10, 150).Draw(t, "length") {
			s := walked[len(walked)-1].State
			moves := r.Moves(&s)
			if len(moves) == 0 {
				break
			}
			e := moves[drawMove(t, moves)]
			walked = append(walked, Step{Move: e.Move, State: e.Next})
		}
		if r.Broken() == nil {
			walked = r.settle(walked)
		}
		if r.Broken() != nil {
			t.Fatalf("%v\n%s", r.Broken(), Narrate(walked))
		}
	})
}

// drawMove prefers what happens by itself: faults are rare.
func drawMove(t *rapid.T, moves []edge) int {
	fault := rapid.IntRange(0, 9).Draw(t, "luck") == 9
	var of []int
	for i := range moves {
		if moves[i].Fault == fault {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		return rapid.IntRange(0, len(moves)-1).Draw(t, "move")
	}
	return of[rapid.IntRange(0, len(of)-1).Draw(t, "move")]
}

func drawWorld(t *rapid.T) World {
	nodes := uint8(rapid.IntRange(1, maxNodes).Draw(t, "nodes"))
	fewer := uint8(rapid.IntRange(min(2, int(nodes)), int(nodes)).Draw(t, "fewer"))
	topology, surge := model.Replication, model.SurgeNever
	if nodes < maxNodes { // there is a place for one more
		surge = rapid.SampledFrom([]model.Surge{model.SurgeNever, model.SurgeAuto, model.SurgeAlways}).Draw(t, "surge")
	}
	if nodes == 1 {
		topology = model.Standalone
	}
	return World{
		Name: "walk", Topology: topology, Surge: surge,
		Specs: []Spec{
			{Rev: 0, Nodes: nodes},
			{Rev: 1, Nodes: nodes, Bad: rapid.Bool().Draw(t, "bad")},
			{Rev: 2, Nodes: fewer},
			{Rev: 3, Nodes: nodes},
		},
		Durable: rapid.Bool().Draw(t, "volumes"),
		New:     rapid.Bool().Draw(t, "new"),
		Quiet:   rapid.Bool().Draw(t, "quiet"),
		Faults:  Faults{Crash: true, Delete: true, Silence: true, Freeze: true, Apart: true, Cut: true, Timeout: true, Budget: true},
		// What two crashes within a step can do is the explorer's to say.
		MaxFaults: 3, MaxCrashes: 4, MaxWrites: 5,
	}
}

// settle lets everything happen that is no fault, whatever has waited longest
// first, until the shard is complete.
func (r *run) settle(walked []Step) []Step {
	const patience = 4000
	type who struct {
		kind MoveKind
		node uint8
	}
	last := map[who]int{}
	for turn := 1; turn <= patience && r.Broken() == nil; turn++ {
		s := walked[len(walked)-1].State
		if r.Complete(&s) && int(s.spec) == len(r.world.Specs)-1 {
			return walked
		}
		best := -1
		moves := r.settling(&s)
		for i, e := range moves {
			if best < 0 || last[who{e.Move.Kind, e.Move.Node}] < last[who{moves[best].Move.Kind, moves[best].Move.Node}] {
				best = i
			}
		}
		if best < 0 {
			break
		}
		last[who{moves[best].Move.Kind, moves[best].Move.Node}] = turn
		walked = append(walked, Step{Move: moves[best].Move, State: moves[best].Next})
	}
	s := walked[len(walked)-1].State
	if p := r.plan(&s); r.Broken() == nil && !r.ForPerson(&s) {
		r.Violate(11, "it does not come to rest by itself; the plan is %v, held by %v", p.op, p.holds)
	}
	return walked
}

// settling are the moves of a world without further faults; the user's next wish
// comes when the present one is fulfilled, or cannot be.
func (r *run) settling(s *State) []edge {
	var out []edge
	done := r.Complete(s)
	for _, e := range r.Moves(s) {
		if !e.Fault || (e.Move.Kind == moveSpec && done) {
			out = append(out, e)
		}
	}
	return out
}
