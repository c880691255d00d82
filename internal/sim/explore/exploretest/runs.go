package exploretest

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// Worlds walks every interleaving of the worlds: of those that are always walked, or,
// with VALKEEPER_EXPLORE=large, of the larger ones.
func (s *Summary[W, S, M]) Worlds(t *testing.T, usual, larger func() []W) {
	worlds, large := usual, os.Getenv("VALKEEPER_EXPLORE") == "large"
	if large {
		worlds = larger
	}
	for _, world := range worlds() {
		w := s.Explored(world)
		t.Run(w.Name, func(t *testing.T) {
			if !large {
				t.Parallel() // memory is for one large world at a time
			}
			res := explore.Explore(w)
			s.world(w, res)
			t.Logf("%d states, %d transitions, depth %d, %d complete, %d wait for a person, whole: %t, %v",
				res.States, res.Transitions, res.Depth, res.Done, res.Human, res.Whole, res.Took)
			if res.Broken != nil {
				t.Fatalf("%v\n%s", res.Broken, s.Narrate(res.Trace))
			}
			if res.Whole && res.Done == 0 {
				t.Fatal("no state is complete: this world proves nothing")
			}
			if !res.Whole && !large {
				t.Fatalf("not explored whole: %d states", res.States)
			}
		})
	}
}

// Mutant tests the laws: one gate is removed in the mutated world, which has to break one
// of them, and the same world with the operator as it is breaks none.
func (s *Summary[W, S, M]) Mutant(t *testing.T, name string, world, mutated W) {
	s.trials++
	without := s.without(world)
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		if broken := without(); broken != "" {
			t.Fatalf("broken without the mutant: %s", broken)
		}
		w := s.Explored(mutated)
		res := explore.Explore(w)
		if res.Broken == nil {
			t.Fatalf("it survives %d states of %s", res.States, w.Name)
		}
		s.mutant(name, res)
		t.Logf("caught after %d moves by %v\n%s", len(res.Trace)-1, res.Broken, s.Narrate(res.Trace))
	})
}

// without tells how a world breaks a law with the operator as it is. It is walked once,
// however many mutants share it; worlds of one name may differ.
func (s *Summary[W, S, M]) without(world W) func() string {
	key := fmt.Sprintf("%+v", world)
	if s.sound[key] == nil {
		if s.sound == nil {
			s.sound = map[string]func() string{}
		}
		s.sound[key] = sync.OnceValue(func() string {
			res := explore.Explore(s.Explored(world))
			if res.Broken == nil {
				return ""
			}
			return fmt.Sprintf("%v\n%s", res.Broken, s.Narrate(res.Trace))
		})
	}
	return s.sound[key]
}
