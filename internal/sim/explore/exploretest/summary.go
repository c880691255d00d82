// Package exploretest makes tests of worlds: it walks them, and their mutants, and tells
// at the end what was found. Each package of worlds has the same two runs.
package exploretest

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// Summary runs the tests of the worlds of type W, and is printed when they have ended,
// whether they are verbose or not. All tests of a package share one.
type Summary[W any, S comparable, M any] struct {
	// Heading is that of the column with the names of the worlds.
	Heading string
	// Explored is a world as the explorer takes it.
	Explored func(W) explore.World[S, M]
	// Narrate tells a trace.
	Narrate func([]explore.Step[S, M]) string

	sound  map[string]func() string // by world, what breaks a law in it without a mutant
	trials int

	mu      sync.Mutex // guards what tests write that run at the same time
	worlds  []string
	mutants []string
	states  int
	moves   int
}

// Main runs the tests of a package and prints the summary. It returns the exit code.
func (s *Summary[W, S, M]) Main(m *testing.M) int {
	code := m.Run()
	s.print(os.Stdout)
	return code
}

func (s *Summary[W, S, M]) world(w explore.World[S, M], res explore.Result[S, M]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states += res.States
	s.moves += res.Transitions
	s.worlds = append(s.worlds, fmt.Sprintf("%-62s %6d %8d %6d %9d %11d %7d %6d %6s",
		w.Name, w.Faults, w.Crashes, w.Writes, res.States, res.Transitions, res.Done, res.Human,
		res.Took.Round(100*time.Millisecond)))
}

func (s *Summary[W, S, M]) mutant(name string, res explore.Result[S, M]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mutants = append(s.mutants, fmt.Sprintf("%-72s law %2d, %2d moves: %s",
		name, res.Broken.Law, len(res.Trace)-1, explore.Laws[res.Broken.Law]))
}

func (s *Summary[W, S, M]) print(out io.Writer) {
	if len(s.worlds) > 0 {
		slices.SortFunc(s.worlds, cmp.Compare[string])
		fmt.Fprintf(out, "%-62s faults operators writes    states transitions complete person   time\n%s\n", s.Heading, strings.Join(s.worlds, "\n"))
		fmt.Fprintf(out, "explored %d worlds: %d states, %d transitions\n", len(s.worlds), s.states, s.moves)
	}
	if len(s.mutants) > 0 {
		slices.SortFunc(s.mutants, cmp.Compare[string])
		fmt.Fprintf(out, "%s\ncaught %d mutants of %d\n", strings.Join(s.mutants, "\n"), len(s.mutants), s.trials)
	}
}
