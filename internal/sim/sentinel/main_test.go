package sentinel

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

// summary is printed at the end, whether the tests are verbose or not.
var summary report

// report collects what has been explored.
type report struct {
	mu      sync.Mutex
	worlds  []string
	mutants []string
	states  int
	moves   int
}

func (r *report) world(w World, res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states += res.States
	r.moves += res.Transitions
	r.worlds = append(r.worlds, fmt.Sprintf("%-62s %6d %8d %6d %9d %11d %7d %6d %6s",
		w.Name, w.MaxFaults, w.MaxCrashes, w.MaxWrites, res.States, res.Transitions, res.Done, res.Human,
		res.Took.Round(100*time.Millisecond)))
}

func (r *report) mutant(m Mutant, res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mutants = append(r.mutants, fmt.Sprintf("%-70s law %2d, %2d moves: %s",
		m.Name, res.Broken.Law, len(res.Trace)-1, explore.Laws[res.Broken.Law]))
}

func (r *report) print(out io.Writer) {
	if len(r.worlds) > 0 {
		slices.SortFunc(r.worlds, cmp.Compare[string])
		fmt.Fprintf(out, "%-62s faults operators writes    states transitions complete person   time\n%s\n", "world of Sentinels", strings.Join(r.worlds, "\n"))
		fmt.Fprintf(out, "explored %d worlds: %d states, %d transitions\n", len(r.worlds), r.states, r.moves)
	}
	if len(r.mutants) > 0 {
		slices.SortFunc(r.mutants, cmp.Compare[string])
		fmt.Fprintf(out, "%s\ncaught %d mutants of %d\n", strings.Join(r.mutants, "\n"), len(r.mutants), len(Trials()))
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	summary.print(os.Stdout)
	os.Exit(code)
}
