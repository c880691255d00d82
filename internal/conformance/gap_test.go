package conformance

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// EnvGapRuns says how often each recipe is measured, and adds the recipes that
// are known to be worse. The figures are reported, not asserted; those in
// docs/adr/0003 are of 40 runs.
const EnvGapRuns = "VALKEEPER_GAP_RUNS"

// recipe is a way to move the primary's role.
type recipe struct {
	name  string
	run   func(*testing.T, *Server, *Server)
	loses bool // writes, so that none lost is not asked for
	only  bool // measured only if asked for
}

var recipes = []recipe{
	{name: "FAILOVER TO alone", run: bareFailover},
	{name: "FAILOVER TO, GETACK every millisecond", run: blindlyHastened, only: true},
	{name: "FAILOVER TO, GETACK when it counts", run: hastenedFailover},
	{name: "demote first", run: demoteFirst},
	{name: "promote, repoint at once, no pause", run: promoteFirst, loses: true, only: true},
	{name: "SIGTERM, promote once it has gone", run: endThenPromote, loses: true, only: true},
}

func TestGapsOfTheRecipes(t *testing.T) {
	runs, all := gapRuns(t, 4)
	for _, version := range Versions {
		for _, recipe := range recipes {
			if recipe.only && !all {
				continue
			}
			t.Run(string(version)+" "+recipe.name, func(t *testing.T) { measure(t, version, recipe, runs) })
		}
	}
}

// gapRuns is how often to measure, and whether all recipes are asked for.
func gapRuns(t *testing.T, few int) (runs int, all bool) {
	t.Helper()
	text := os.Getenv(EnvGapRuns)
	if text == "" {
		return few, false
	}
	runs, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", EnvGapRuns, err)
	}
	return runs, true
}

func measure(t *testing.T, version Version, recipe recipe, runs int) {
	var gaps []time.Duration
	var losses []int
	acknowledged := 0
	var set []*Server
	for i := range runs {
		if i == 0 || recipe.loses {
			set = Set(t, Spec{Version: version}, Spec{Version: version})
		}
		old, target := set[0], set[1]
		set[0], set[1] = target, old
		target.WaitSynced(old)
		writers := StartWriters(t, 4, old, target)
		// Anywhere within the second between two acknowledgements.
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		writers.ResetGap()
		recipe.run(t, old, target)
		writers.WaitFor(100)
		writers.Stop()
		gaps = append(gaps, writers.Gap())
		losses = append(losses, writers.Lost(target))
		acknowledged += writers.Acknowledged()
		target.Must("FLUSHALL")
		if recipe.loses {
			old.Kill()
			target.Kill()
		}
	}
	reportGaps(t, gaps, losses, acknowledged)
	if most := losses[runs-1]; most > 0 && !recipe.loses {
		t.Errorf("lost up to %d", most)
	}
}

// reportGaps sorts the figures, and prints them.
func reportGaps(t *testing.T, gaps []time.Duration, losses []int, acknowledged int) {
	t.Helper()
	runs := len(gaps)
	slices.Sort(gaps)
	slices.Sort(losses)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	t.Logf("gap ms min/median/p90/max %.1f/%.1f/%.1f/%.1f, lost min/median/max %d/%d/%d, n=%d, %d acknowledged",
		ms(gaps[0]), ms(gaps[runs/2]), ms(gaps[runs*9/10]), ms(gaps[runs-1]),
		losses[0], losses[runs/2], losses[runs-1], runs, acknowledged)
}

func bareFailover(t *testing.T, old, target *Server) {
	if err := old.Node().Failover(context.Background(), target.Host, target.Port, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	target.waitPrimary()
}

func (s *Server) waitPrimary() {
	s.t.Helper()
	Eventually(s.t, s.Addr()+" is primary", func() bool {
		info, ok := s.Info()
		return ok && info.Role == valkey.RolePrimary
	})
}

// blindlyHastened asks for acknowledgements without a look at what they would say.
func blindlyHastened(t *testing.T, old, target *Server) {
	ctx := context.Background()
	from, to := old.Node(), target.Node()
	if err := from.Failover(ctx, target.Host, target.Port, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the target is primary", func() bool {
		_ = to.GetAck(ctx, 1)
		role, err := to.Role(ctx)
		return err == nil && role.Role == valkey.RolePrimary
	})
	old.WaitSynced(target)
}

// hastenedFailover comes again while a gate refuses, as the operator does: a
// replica may acknowledge its first byte up to a second after its sync.
func hastenedFailover(t *testing.T, old, target *Server) {
	Eventually(t, "the gates let the handover begin", func() bool {
		_, err := handover.Replication(context.Background(), old.Node(), target.Node(), handover.Options{})
		if err != nil && !errors.Is(err, handover.ErrGate) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// demoteFirst is the recipe by hand: as quick, but an operator that dies in the
// middle leaves no primary.
func demoteFirst(t *testing.T, old, target *Server) {
	ctx := context.Background()
	from, to := old.Node(), target.Node()
	must(t, from.PauseWrites(ctx, 2*time.Second))
	Eventually(t, "offsets are equal", func() bool {
		mine, err := from.Role(ctx)
		must(t, err)
		theirs, err := to.Role(ctx)
		must(t, err)
		return mine.Offset == theirs.Offset
	})
	must(t, from.ReplicaOf(ctx, target.Host, target.Port))
	must(t, to.ReplicaOfNoOne(ctx))
	must(t, from.Unpause(ctx))
}

func promoteFirst(t *testing.T, old, target *Server) {
	ctx := context.Background()
	from, to := old.Node(), target.Node()
	must(t, to.ReplicaOfNoOne(ctx))
	must(t, from.ReplicaOf(ctx, target.Host, target.Port))
}

func endThenPromote(t *testing.T, old, target *Server) {
	to := target.Node()
	old.Stop()
	must(t, to.ReplicaOfNoOne(context.Background()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
