package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/test/bed"
)

func TestARolloutCompletesThoughTheOperatorIsKilledAgainAndAgain(t *testing.T) {
	w := enter(t)
	dice := newDice(t)
	i := w.make("cache", bed.Version("8.1"))
	ledger := w.write(i, bed.Light)
	w.must(i.Change(w.ctx, bed.Version("9.1")))
	for range 3 {
		w.killOperatorWithin(dice, 12*time.Second)
	}
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.allFresh(i)
	run := w.proven(ledger)
	if len(run.Handovers) != 1 {
		t.Errorf("the role moved %d times, wanted once: %+v", len(run.Handovers), run.Handovers)
	}
}

// killOperatorWithin kills the operator at a random moment of a span.
func (w *world) killOperatorWithin(dice *rand.Rand, span time.Duration) {
	w.Helper()
	select {
	case <-time.After(time.Duration(dice.Int64N(int64(span)))):
	case <-w.ctx.Done():
	}
	w.must(cluster.KillOperator(w.ctx))
}

// newDice throws what VALKEEPER_SEED says, or else prints a seed to throw it
// again.
func newDice(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("VALKEEPER_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("VALKEEPER_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// The operator dies once at every point at which dying could hurt: while it
// brings an instance up, and while it rolls a change out.
func TestARolloutCompletesThoughTheOperatorDiesAtEverySingleStep(t *testing.T) {
	enter(t).diesAtEach(failpoint.Points, bed.Replicas(1))
}

// The same with Sentinels, whom somebody has to tell, and who choose the extra pod last.
func TestARolloutWithSentinelsCompletesThoughTheOperatorDiesAtEverySingleStep(t *testing.T) {
	enter(t).diesAtEach(slices.Concat(failpoint.SentinelPoints, failpoint.Points), bed.Watched(1))
}

// diesAtEach brings an instance up and rolls it until the operator has died at each
// of these points.
func (w *world) diesAtEach(points []string, wishes ...bed.Wish) {
	w.Helper()
	armed, err := cluster.ArmFailpoints(w.ctx, points)
	w.must(err)
	reviving, stop := context.WithCancel(w.ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		armed.Revive(reviving)
	}()
	w.Cleanup(func() {
		stop()
		<-stopped
		w.must(armed.Disarm(context.WithoutCancel(w.ctx)))
	})

	i := w.make("cache", wishes...)
	ledger := w.write(i, bed.Light)
	rolls, left := 0, points
	// An operator that dies in the middle of a handover may leave nothing to do
	// for the next one: then the points after that are for another rollout.
	for ; len(left) > 0 && rolls < len(points); rolls++ {
		w.change(i, bed.Restart(fmt.Sprint("roll ", rolls)))
		fired, err := armed.Fired(w.ctx)
		w.must(err)
		left = slices.DeleteFunc(slices.Clone(left), func(point string) bool { return slices.Contains(fired, point) })
		say("rollout %d: the operator has died at %d of %d points", rolls+1, len(fired), len(points))
	}
	if len(left) > 0 {
		w.Errorf("the operator never came to %v", left)
	}
	w.allFresh(i)
	if run := w.proven(ledger); len(run.Handovers) != rolls {
		w.Errorf("the role moved %d times in %d rollouts: %+v", len(run.Handovers), rolls, run.Handovers)
	}
}
