package sentinel

import (
	"os"
	"sync"
	"testing"
)

// TestNoInterleavingBreaksALaw walks every interleaving of the worlds.
func TestNoInterleavingBreaksALaw(t *testing.T) {
	worlds := Worlds()
	if large() {
		worlds = LargeWorlds()
	}
	for _, w := range worlds {
		t.Run(w.Name, func(t *testing.T) {
			if !large() {
				t.Parallel() // memory is for one large world at a time
			}
			res := Explore(w)
			summary.world(w, res)
			t.Logf("%d states, %d transitions, depth %d, %d complete, %d wait for a person, whole: %t, %v",
				res.States, res.Transitions, res.Depth, res.Done, res.Human, res.Whole, res.Took)
			if res.Broken != nil {
				t.Fatalf("%v\n%s", res.Broken, Narrate(res.Trace))
			}
			if res.Whole && res.Done == 0 {
				t.Fatal("no state is complete: this world proves nothing")
			}
			if !res.Whole && !large() {
				t.Fatalf("not explored whole: %d states", res.States)
			}
		})
	}
}

// TestEveryMutantIsCaught tests the laws: each gate that is removed has to break one of
// them, in a world in which the operator as it is breaks none.
func TestEveryMutantIsCaught(t *testing.T) {
	sound := map[string]func() *Violation{}
	for _, trial := range Trials() {
		without := sound[trial.World.Name]
		if without == nil {
			without = sync.OnceValue(func() *Violation { return Explore(trial.World).Broken })
			sound[trial.World.Name] = without
		}
		t.Run(trial.Mutant.Name, func(t *testing.T) {
			t.Parallel()
			if broken := without(); broken != nil {
				t.Fatalf("broken without the mutant: %v", broken)
			}
			w := trial.World
			w.Mutant = trial.Mutant
			res := Explore(w)
			if res.Broken == nil {
				t.Fatalf("it survives %d states of %s", res.States, w.Name)
			}
			summary.mutant(trial.Mutant, res)
			t.Logf("caught after %d moves by %v\n%s", len(res.Trace)-1, res.Broken, Narrate(res.Trace))
		})
	}
}

func large() bool { return os.Getenv("VALKEEPER_EXPLORE") == "large" }
