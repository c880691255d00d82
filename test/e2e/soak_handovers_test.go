//go:build soak

package e2e

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// batch is how many rollouts one ledger watches: it lists two hundred handovers, and
// keeps all writes in memory.
const batch = 20

// movers are one instance of each topology.
var movers = []struct {
	name   string
	wishes []bed.Wish
	load   bed.Load
	// each is how often the role moves in a rollout, at least: to the extra node and
	// back, or once in each shard.
	each int
}{
	{"Standalone", []bed.Wish{bed.Standalone()}, bed.Light, 2},
	{"Replication", []bed.Wish{bed.Replicas(1)}, bed.Light.Expecting(1), 1},
	{"Sentinel", []bed.Wish{bed.Watched(1)}, bed.Light.Expecting(1), 1},
	{"Cluster", []bed.Wish{bed.Sharded(3, 1), bed.MaxParallelShards(3)}, light, 3},
}

// The role moves a thousand times, in instances of all topologies that are rolled at
// the same time, each by itself, until the sum is reached: some roll faster than
// others. VALKEEPER_ROLLS sets another number of handovers.
func TestSoakHandoversOverAllTopologiesLoseNothing(t *testing.T) {
	wanted := int64(killedRolls(t, 1000))
	var seen atomic.Int64
	for _, one := range movers {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make("cache", one.wishes...)
			sum, rolls := tally{}, 0
			for again := true; again; again = seen.Load() < wanted && !t.Failed() {
				run := w.rolledAgain(i, one.load, rolls, batch, one.each)
				rolls += batch
				sum.add(run)
				seen.Add(int64(len(run.Handovers)))
				say("%s: %d rollouts, %s; %d of %d handovers everywhere", one.name, rolls, sum, seen.Load(), wanted)
			}
			t.Logf("%s in %d rollouts", sum, rolls)
		})
	}
}

// rolledAgain restarts an instance so many times under the eye of one ledger, and
// fails unless each rollout moved the role as often as it has to, and no write is lost.
func (w *world) rolledAgain(i *bed.Instance, load bed.Load, first, rolls, each int) report.Run {
	w.Helper()
	ledger := w.write(i, load)
	for k := range rolls {
		w.must(i.Change(w.ctx, bed.Restart(fmt.Sprint("roll ", first+k))))
		w.must(i.AwaitRolledOut(w.ctx, toHeal))
		w.must(ledger.AwaitWrites(w.ctx, 200))
	}
	run := w.proven(ledger)
	if len(run.Handovers) < rolls*each {
		w.Errorf("in %d rollouts the role moved %d times, wanted at least %d", rolls, len(run.Handovers), rolls*each)
	}
	return run
}

// round is how many handovers on request one ledger watches, at least.
const round = 150

// The role moves a thousand times on request, to and fro, without a restart: so the pause
// between two is the shortest that there is. VALKEEPER_ROLLS sets another number.
func TestSoakRolesThatMoveOnRequestLoseNothing(t *testing.T) {
	wanted := int64(killedRolls(t, 1000))
	var seen atomic.Int64
	for _, one := range movers[1:] { // a Standalone has nobody to give it to without a rollout
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make("cache", one.wishes...)
			sum := tally{}
			for again := true; again; again = seen.Load() < wanted && !t.Failed() {
				run := w.movedAgain(i, one.load, func(n int) bool { return seen.Add(int64(n)) >= wanted })
				sum.add(run)
				say("%s: %s; %d of %d handovers everywhere", one.name, sum, seen.Load(), wanted)
			}
			t.Log(sum.String())
		})
	}
}

// movedAgain asks for the role of each shard to move, again and again, under the eye of
// one ledger, and fails unless each moved once for each wish, and no write is lost. It
// tells how many have moved, and ends when that is enough.
func (w *world) movedAgain(i *bed.Instance, load bed.Load, enough func(moved int) bool) report.Run {
	w.Helper()
	ledger := w.write(i, load)
	moves := 0
	for again := true; again; again = moves < round {
		before := w.primaries(i)
		for _, pod := range before {
			w.must(i.Evacuate(w.ctx, pod))
		}
		w.must(bed.Await(w.ctx, toHeal, func(ctx context.Context) (bool, string, error) {
			now, err := i.Primaries(ctx)
			for shard, pod := range before {
				if now[shard] == "" || now[shard] == pod {
					return false, fmt.Sprintf("the primary of %s is %q", shard, now[shard]), err
				}
			}
			return true, "", err
		}))
		for _, pod := range before {
			w.must(i.Stay(w.ctx, pod))
		}
		w.must(ledger.AwaitWrites(w.ctx, 100))
		moves += len(before)
		if enough(len(before)) {
			break
		}
	}
	// Interleaved says nothing here: the very process comes back that was primary before.
	run := w.read(ledger)
	if run.Lost+run.Stale+run.Diverged > 0 || run.Acknowledged == 0 || len(run.Problems) > 0 {
		w.Errorf("%s: %s\nproblems: %v\nread back: %+v", run.Verdict, run.Sentence(), run.Problems, run.ReadBack)
	}
	if len(run.Handovers) != moves {
		w.Errorf("the role moved %d times, wanted %d", len(run.Handovers), moves)
	}
	return run
}

// tally sums up several runs.
type tally struct {
	acknowledged, lost, handovers int
	gap, writer                   float64
}

func (s *tally) add(run report.Run) {
	s.acknowledged, s.lost, s.handovers = s.acknowledged+run.Acknowledged, s.lost+run.Lost, s.handovers+len(run.Handovers)
	gap, _ := run.WorstHandoverGap()
	s.gap, s.writer = max(s.gap, gap), max(s.writer, run.WorstClientGapMs)
}

func (s tally) String() string {
	return fmt.Sprintf("%d handovers, lost %d of %d, worst gap %.0f ms, worst writer %.0f ms", s.handovers, s.lost, s.acknowledged, s.gap, s.writer)
}
