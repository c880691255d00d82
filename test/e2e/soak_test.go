//go:build soak

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// What a handover may cost, and a rollout.
const (
	medianGapMs = 50
	worstGapMs  = 250
	stuckMs     = 1000
	overhead    = 1.2
)

func TestSoakTwentyRolloutsInARowKeepTheGapShort(t *testing.T) {
	w := enter(t)
	run := w.rolls(20)
	gaps, ratios := w.figures(run)
	reactive := w.reactive("reactive")
	median, worst := gaps[len(gaps)/2], gaps[len(gaps)-1]
	t.Logf("gap of %d handovers: median %.1f ms, worst %.1f ms, worst single writer %.1f ms; reactive %.1f ms",
		len(gaps), median, worst, run.WorstClientGapMs, reactive.LongestGapMs)
	t.Logf("rollout to unavoidable waits: median %.2f, worst %.2f", ratios[len(ratios)/2], ratios[len(ratios)-1])
	if median > medianGapMs || worst > worstGapMs || run.WorstClientGapMs > stuckMs {
		t.Errorf("wanted a median of %d ms, none above %d ms, and no writer stuck above %d ms", medianGapMs, worstGapMs, stuckMs)
	}
	if reactive.LongestGapMs < control*worst {
		t.Errorf("the reactive path's gap is not %d times longer", control)
	}
	if ratios[len(ratios)/2] > overhead {
		t.Errorf("a rollout takes more than %.1f times its unavoidable waits", overhead)
	}
}

// rolls restarts an instance so many times under measured load.
func (w *world) rolls(n int) report.Run {
	i := w.make("cache")
	ledger := w.write(i, bed.Measured)
	for k := range n {
		name := fmt.Sprintf("roll %d of %d", k+1, n)
		w.must(ledger.Mark(w.ctx, name))
		w.change(i, bed.Restart(name))
		w.must(ledger.AwaitWrites(w.ctx, 2000))
		say("%s is complete", name)
	}
	run := w.proven(ledger)
	for k := range n {
		w.oneHandover(run, fmt.Sprintf("roll %d of %d", k+1, n))
	}
	return run
}

// figures are the gaps, and how long each rollout took for each second that it
// had to, both from the smallest to the largest.
func (w *world) figures(run report.Run) (gaps, ratios []float64) {
	w.Helper()
	for _, h := range run.Handovers {
		gaps = append(gaps, h.GapMs)
	}
	for _, r := range run.Rolls {
		ratios = append(ratios, r.RollSeconds/r.UnavoidableSeconds)
	}
	if len(gaps) == 0 || len(ratios) == 0 {
		w.Fatal("the ledger saw no handover or no rollout")
	}
	slices.Sort(gaps)
	slices.Sort(ratios)
	return gaps, ratios
}

// killedRolls is how many rollouts the operator is killed in; VALKEEPER_ROLLS
// sets another number, to look at a part of it.
func killedRolls(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("VALKEEPER_ROLLS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("VALKEEPER_ROLLS is %q: give a number of rollouts", text)
	}
	return n
}

func TestSoakFiftyRolloutsCompleteThoughTheOperatorIsKilledAtRandom(t *testing.T) {
	w := enter(t)
	dice := newDice(t)
	rolls := killedRolls(t, 50)
	i := w.make("cache")
	ledger := w.write(i, bed.Light)
	for k := range rolls {
		name := fmt.Sprintf("roll %d", k+1)
		w.must(ledger.Mark(w.ctx, name))
		w.must(i.Change(w.ctx, bed.Restart(name)))
		for range 1 + dice.IntN(2) {
			w.killOperatorWithin(dice, 20*time.Second)
		}
		w.must(i.AwaitRolledOut(w.ctx, toRoll))
		say("%s is complete", name)
	}
	run := w.proven(ledger)
	if len(run.Rolls) != rolls {
		t.Errorf("the ledger saw %d rollouts, wanted %d", len(run.Rolls), rolls)
	}
	t.Logf("%d handovers in %d rollouts", len(run.Handovers), len(run.Rolls))
}

func TestSoakAGigabyteCostsAboutTheSameGapAsTenMegabytes(t *testing.T) {
	gap := map[int]float64{}
	for _, megabytes := range []int{10, 1000} {
		w := enter(t)
		i := w.make(fmt.Sprintf("with-%d-mb", megabytes))
		w.must(i.Fill(w.ctx, megabytes<<20))
		w.must(i.AwaitReady(w.ctx, toRoll))
		ledger := w.write(i, bed.Measured)
		w.must(ledger.Mark(w.ctx, "restart"))
		w.change(i, bed.Restart("once"))
		w.must(ledger.AwaitWrites(w.ctx, 1000))
		run := w.proven(ledger)
		w.oneHandover(run, "restart")
		gap[megabytes], _ = run.WorstHandoverGap()
	}
	t.Logf("gap with 10 MB %.1f ms, with 1 GB %.1f ms", gap[10], gap[1000])
	if gap[1000] > worstGapMs || gap[1000] > 2*gap[10]+medianGapMs {
		t.Error("the gap grows with the data")
	}
}

func TestSoakTwentyIdleInstancesWriteNothingToTheAPIServer(t *testing.T) {
	const span = 5 * time.Minute
	w := enter(t)
	var all []*bed.Instance
	for k := range 20 {
		i, err := cluster.Make(w.ctx, w.namespace, fmt.Sprintf("idle-%d", k), bed.InMemory())
		w.must(err)
		all = append(all, i)
	}
	for _, i := range all {
		w.must(i.AwaitRolledOut(w.ctx, 10*time.Minute))
	}
	settled := w.settled()
	before, err := cluster.OperatorUsage(w.ctx)
	w.must(err)
	w.must(bed.Throughout(w.ctx, span, func(ctx context.Context) (bool, string, error) {
		now, err := cluster.Versions(ctx, w.namespace)
		return maps.Equal(settled, now), "written: " + differences(settled, now), err
	}))
	after, err := cluster.OperatorUsage(w.ctx)
	w.must(err)
	for pod, use := range after {
		t.Logf("%s: %.0f MB of memory, %.1f %% of a core", pod, use.MemoryBytes/1e6,
			100*(use.CPUSeconds-before[pod].CPUSeconds)/span.Seconds())
	}
}

// settled waits until nothing has been written for a while after the start.
func (w *world) settled() map[string]string {
	w.Helper()
	var settled map[string]string
	w.must(bed.Await(w.ctx, 5*time.Minute, func(ctx context.Context) (bool, string, error) {
		first, err := cluster.Versions(ctx, w.namespace)
		if err != nil {
			return false, "", err
		}
		err = bed.Throughout(ctx, 20*time.Second, func(ctx context.Context) (bool, string, error) {
			settled, err = cluster.Versions(ctx, w.namespace)
			return maps.Equal(first, settled), "written: " + differences(first, settled), err
		})
		return err == nil, "", err
	}))
	return settled
}

func differences(a, b map[string]string) string {
	out := ""
	for name, version := range b {
		if a[name] != version {
			out += name + "; "
		}
	}
	return out
}
