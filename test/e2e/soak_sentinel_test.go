//go:build soak

package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// With 9.1 the Sentinels move the role; those of 8.1 cannot without losing writes, and
// are told.
func TestSoakTwentyRolloutsWithSentinelsKeepTheGapShort(t *testing.T) {
	for _, version := range []string{"9.1", "8.1"} {
		t.Run(version, func(t *testing.T) { enter(t).watchedRolls(version, killedRolls(t, 20)) })
	}
}

func (w *world) watchedRolls(version string, rolls int) {
	i := w.make("cache", bed.Watched(2), bed.Version(version))
	ledger := w.write(i, bed.Measured.Expecting(2))
	for k := range rolls {
		name := fmt.Sprintf("roll %d of %d", k+1, rolls)
		w.must(ledger.Mark(w.ctx, name))
		w.change(i, bed.Restart(name))
		w.must(ledger.AwaitWrites(w.ctx, 2000))
		say("%s is complete", name)
	}
	w.must(i.AwaitExact(w.ctx, toAgree))
	run := w.proven(ledger)
	for k := range rolls {
		w.oneHandover(run, fmt.Sprintf("roll %d of %d", k+1, rolls))
	}
	for _, kind := range []string{"service", "sentinel"} {
		w.shortFor(run, kind)
	}
}

// shortFor fails unless the gaps of one kind of clients are as short as wished for.
func (w *world) shortFor(run report.Run, kind string) {
	w.Helper()
	var gaps, writers []float64
	for _, h := range run.Handovers {
		if c := h.Crossing(kind); c != nil {
			gaps, writers = append(gaps, c.GapMs), append(writers, c.WorstClientGapMs)
		}
	}
	if len(gaps) == 0 {
		w.Fatalf("no writer of the kind %q was there in a handover", kind)
	}
	slices.Sort(gaps)
	slices.Sort(writers)
	median, worst, stuck := gaps[len(gaps)/2], gaps[len(gaps)-1], writers[len(writers)-1]
	w.Logf("writers %s: gap of %d handovers: median %.1f ms, worst %.1f ms; worst single writer %.1f ms", report.KindName(kind), len(gaps), median, worst, stuck)
	if median > medianGapMs || worst > worstGapMs || stuck > stuckMs {
		w.Errorf("wanted a median of %d ms, none above %d ms, and no writer stuck above %d ms", medianGapMs, worstGapMs, stuckMs)
	}
}

func TestSoakThirtyRolloutsWithSentinelsCompleteThoughTheOperatorIsKilledAtRandom(t *testing.T) {
	w := enter(t)
	dice := newDice(t)
	w.unbroken(w.shaken(killedRolls(t, 30), func(*bed.Instance, int) {
		for range 1 + dice.IntN(2) {
			w.killOperatorWithin(dice, 20*time.Second)
		}
	}))
}

func TestSoakTenRolloutsWithSentinelsCompleteThoughASentinelIsKilled(t *testing.T) {
	w := enter(t)
	dice := newDice(t)
	w.unbroken(w.shaken(killedRolls(t, 10), func(i *bed.Instance, _ int) {
		time.Sleep(time.Duration(dice.Int64N(int64(15 * time.Second)))) // a random moment of the rollout
		pods, err := i.SentinelPods(w.ctx)
		w.must(err)
		victim := pods[dice.IntN(len(pods))]
		say("killing %s", victim.Name)
		w.must(client.IgnoreNotFound(cluster.Delete(w.ctx, &victim, client.GracePeriodSeconds(0))))
	}))
}

// Whatever host is cut off, with the data node and the Sentinel on it: those who
// remain go on, and who comes back is soon no second primary. A client whose connection
// outlived the cut, or was being made all the time, writes to it until then: that is
// counted, and no longer than the Sentinels themselves would take to end it. A primary
// that needs a replica for each write takes none.
func TestSoakTenRolloutsWithSentinelsCompleteThoughADataNodeIsCutOff(t *testing.T) {
	t.Run("as it comes", func(t *testing.T) {
		w := enter(t)
		run := w.shaken(killedRolls(t, 10), w.cuttingHosts())
		w.overlapIsShort(run)
	})
	t.Run("a write needs a replica", func(t *testing.T) {
		w := enter(t)
		run := w.shaken(killedRolls(t, 10), w.cuttingHosts(), bed.Setting("min-replicas-to-write", "1"), bed.Setting("min-replicas-max-lag", "3"))
		w.unbroken(run)
	})
}

// cuttingHosts cuts off a host for a while in each roll, at a random moment: that of
// the primary in every second one.
func (w *world) cuttingHosts() func(i *bed.Instance, k int) {
	w.onTestbed()
	dice := newDice(w.T)
	return func(i *bed.Instance, k int) {
		time.Sleep(time.Duration(dice.Int64N(int64(10 * time.Second)))) // a random moment of the rollout
		elsewhere, err := cluster.OperatorHost(w.ctx)
		w.must(err)
		victim := elsewhereThan(elsewhere, w.pods(i), k%2 == 0)
		if victim == nil {
			w.Fatalf("every data node is on %s, where the operator is: nothing can be cut off", elsewhere)
		}
		say("cutting %s off, with %s", victim.Spec.NodeName, victim.Name)
		w.must(cluster.Node(w.ctx, "cut", victim.Spec.NodeName))
		time.Sleep(time.Duration(5+dice.IntN(10)) * time.Second) // the fault's length
		w.must(cluster.Node(context.WithoutCancel(w.ctx), "heal", victim.Spec.NodeName))
	}
}

// elsewhereThan is a pod on another host: the primary's, or a replica's, if one is there.
func elsewhereThan(host string, pods []corev1.Pod, primary bool) (victim *corev1.Pod) {
	for k, p := range pods {
		if p.Spec.NodeName == "" || p.Spec.NodeName == host {
			continue
		}
		if victim == nil || primary == (p.Labels["valkeeper.io/role"] == "primary") {
			victim = &pods[k]
		}
	}
	return victim
}

// convertMs is after how long Sentinels tell a primary that has come back to follow
// (valkey 9.1 src/sentinel.c sentinelRefreshInstanceInfo: four times their period of
// hellos).
const convertMs = 8000

// overlapIsShort fails if two primaries took writes side by side for longer than that,
// or if anything was lost but what the one that had come back acknowledged.
func (w *world) overlapIsShort(run report.Run) {
	w.Helper()
	worst, began := 0.0, 0.0
	for k, h := range run.Handovers {
		if k == 0 || h.ToRunID != run.Handovers[k-1].FromRunID {
			began = h.StartMs
		}
		worst = max(worst, h.EndMs-began-h.GapMs)
	}
	w.Logf("two primaries took writes side by side for %.0f ms at most; lost %d", worst, run.Lost)
	if worst > convertMs || run.Lost > run.Interleaved || run.Acknowledged == 0 {
		w.Errorf("%s: %s", run.Verdict, run.Sentence())
	}
}

// unbroken fails if a write was lost, or two primaries took some at the same time.
func (w *world) unbroken(run report.Run) {
	w.Helper()
	if run.Lost > 0 || run.Interleaved > 0 || run.Acknowledged == 0 {
		w.Errorf("%s: %s", run.Verdict, run.Sentence())
	}
}

// shaken rolls an instance with Sentinels so many times while something goes wrong in
// each, and fails if the Sentinels do not know exactly what there is in the end.
func (w *world) shaken(rolls int, shake func(i *bed.Instance, k int), wishes ...bed.Wish) report.Run {
	w.Helper()
	host, err := cluster.OperatorHost(w.ctx)
	w.must(err)
	i := w.make("cache", append(wishes, bed.Watched(2))...)
	w.must(i.AwaitExact(w.ctx, toAgree))
	load := bed.Light
	load.Host = host
	ledger := w.write(i, load)
	for k := range rolls {
		name := fmt.Sprintf("roll %d", k+1)
		w.must(ledger.Mark(w.ctx, name))
		w.must(i.Change(w.ctx, bed.Restart(name)))
		shake(i, k)
		w.must(i.AwaitRolledOut(w.ctx, toRoll))
		say("%s is complete", name)
	}
	w.must(i.AwaitExact(w.ctx, 2*toAgree))
	run := w.read(ledger)
	w.Logf("%d rollouts, %d of them seen whole, %d handovers; lost %d of %d, interleaved %d; problems: %v", rolls, len(run.Rolls),
		len(run.Handovers), run.Lost, run.Acknowledged, run.Interleaved, run.Problems)
	return run
}
