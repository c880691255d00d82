//go:build soak

package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/test/bed"
)

// What a handover of a shard may cost at the median.
const medianShardGapMs = 100

func TestSoakTwentyRolloutsOfAClusterKeepTheGapShort(t *testing.T) {
	for _, replicas := range []int32{1, 2} {
		t.Run(fmt.Sprintf("with %d replicas", replicas), func(t *testing.T) {
			w := enter(t)
			i := w.sharded("cache", 3, replicas)
			ledger := w.write(i, bed.Measured.Expecting(replicas))
			rolls := killedRolls(t, 20)
			for k := range rolls {
				name := fmt.Sprintf("roll %d of %d", k+1, rolls)
				w.must(ledger.Mark(w.ctx, name))
				w.change(i, bed.Restart(name))
				w.settles(i)
				w.must(ledger.AwaitWrites(w.ctx, 2000))
				say("%s is complete", name)
			}
			run := w.proven(ledger)
			var gaps []float64
			for k := range rolls {
				gaps = append(gaps, w.oneHandoverEach(run, fmt.Sprintf("roll %d of %d", k+1, rolls))...)
			}
			slices.Sort(gaps)
			if len(gaps) == 0 {
				t.Fatal("the ledger saw no handover")
			}
			median, worst := gaps[len(gaps)/2], gaps[len(gaps)-1]
			t.Logf("gap of %d handovers: median %.1f ms, worst %.1f ms, worst single writer %.1f ms", len(gaps), median, worst, run.WorstClientGapMs)
			if median > medianShardGapMs || worst > worstGapMs || run.WorstClientGapMs > stuckMs {
				t.Errorf("wanted a median of %d ms, none above %d ms, and no writer stuck above %d ms", medianShardGapMs, worstGapMs, stuckMs)
			}
		})
	}
}

func TestSoakThirtyRolloutsOfAClusterCompleteThoughTheOperatorIsKilledAtRandom(t *testing.T) {
	w := enter(t)
	dice := newDice(t)
	rolls := killedRolls(t, 30)
	i := w.sharded("cache", 3, 1)
	ledger := w.write(i, light)
	for k := range rolls {
		name := fmt.Sprintf("roll %d", k+1)
		w.must(ledger.Mark(w.ctx, name))
		w.must(i.Change(w.ctx, bed.Restart(name)))
		for range 1 + dice.IntN(2) {
			w.killOperatorWithin(dice, 30*time.Second)
		}
		w.must(i.AwaitRolledOut(w.ctx, toHeal))
		say("%s is complete", name)
	}
	w.whole(i)
	run := w.proven(ledger)
	if len(run.Rolls) != rolls {
		t.Errorf("the ledger saw %d rollouts, wanted %d", len(run.Rolls), rolls)
	}
	t.Logf("%d handovers in %d rollouts", len(run.Handovers), len(run.Rolls))
}

func TestSoakAClusterScalesThoughTheOperatorIsKilledAtRandom(t *testing.T) {
	w := enter(t)
	dice := newDice(t)
	const data = 100 << 20
	i := w.sharded("cache", 3, 1)
	w.must(i.Fill(w.ctx, data))
	ledger := w.write(i, light)
	for _, shards := range []int32{5, 3} {
		w.must(i.Change(w.ctx, bed.Shards(shards)))
		for range 4 {
			w.killOperatorWithin(dice, 20*time.Second)
		}
		w.must(i.AwaitReady(w.ctx, 20*time.Minute))
		w.whole(i)
		say("there are %d shards", shards)
	}
	w.unlost(i, data)
	w.balanced(w.proven(ledger), 3)
}

func TestSoakAGigabyteMovesWhenShardsComeAndGo(t *testing.T) {
	w := enter(t)
	w.absorbed(w.scales(1<<30, 3, 5, 3))
}

func TestSoakShardsThatRollTogetherAreTwiceAsFast(t *testing.T) {
	w := enter(t)
	i := w.sharded("cache", 6, 1)
	ledger := w.write(i, bed.Load{Writers: 24, Rate: 3000, Expect: 1})
	took := map[int32]float64{}
	for _, parallel := range []int32{1, 3} {
		name := fmt.Sprintf("%d at a time", parallel)
		w.must(i.Change(w.ctx, bed.MaxParallelShards(parallel)))
		w.must(i.AwaitRolledOut(w.ctx, toRoll))
		w.must(ledger.Mark(w.ctx, name))
		began := time.Now()
		w.change(i, bed.Restart(name))
		took[parallel] = time.Since(began).Seconds()
		w.settles(i)
		w.must(ledger.AwaitWrites(w.ctx, 2000))
	}
	run := w.proven(ledger)
	for parallel, seconds := range took {
		w.oneHandoverEach(run, fmt.Sprintf("%d at a time", parallel))
		t.Logf("%d shards at a time: %.0f s", parallel, seconds)
	}
	if took[1] < 2*took[3] {
		t.Errorf("three shards at a time take %.0f s, one at a time %.0f s: wanted twice as fast", took[3], took[1])
	}
}

// Two of three primaries lose power with their hosts, and later come back.
func TestSoakReplicasServeAgainWhenMostPrimariesAndTheirHostsAreLost(t *testing.T) {
	w := enter(t)
	if cluster.Settings.Kind != "testbed" {
		t.Skip(bed.ErrNoTestbed)
	}
	i := w.sharded("cache", 3, 2)
	safe, err := cluster.OperatorHost(w.ctx)
	w.must(err)
	lost := slices.DeleteFunc(w.led(i, 3), func(p corev1.Pod) bool { return p.Spec.NodeName == safe })
	if len(lost) != 2 {
		t.Fatalf("%d primaries are elsewhere than the operator, wanted 2: %s", len(lost), names(lost))
	}
	t.Logf("power is lost by %s", names(lost))
	ledger := w.write(i, bed.Load{Writers: light.Writers, Rate: light.Rate, Host: safe, Expect: 2})
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	began := time.Now()
	for _, p := range lost {
		w.must(cluster.Node(w.ctx, "stop", p.Spec.NodeName))
		t.Cleanup(func() { w.must(cluster.Node(context.WithoutCancel(w.ctx), "start", p.Spec.NodeName)) })
	}
	w.ledByOthers(i, lost)
	t.Logf("every shard is led again after %.0f s", time.Since(began).Seconds())
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	for _, p := range lost {
		w.must(cluster.Node(w.ctx, "start", p.Spec.NodeName))
	}
	w.must(i.AwaitReady(w.ctx, toHeal))
	w.whole(i)
	run := w.read(ledger)
	t.Logf("of %d acknowledged writes %d were lost with the hosts; %d acknowledgements of two primaries at once", run.Acknowledged, run.Lost, run.Interleaved)
	if run.Interleaved > 0 || run.Stale > 0 {
		t.Errorf("those that came back did harm: %s %v", run.Sentence(), run.Problems)
	}
}

// ledByOthers waits until each shard has a primary, and none of the lost is one.
func (w *world) ledByOthers(i *bed.Instance, lost []corev1.Pod) {
	w.Helper()
	w.must(bed.Await(w.ctx, toHeal, func(ctx context.Context) (bool, string, error) {
		primaries, err := i.Primaries(ctx)
		if err != nil {
			return false, "", err
		}
		for shard, primary := range primaries {
			if slices.ContainsFunc(lost, func(p corev1.Pod) bool { return p.Name == primary }) {
				return false, shard + " is led by " + primary, nil
			}
		}
		return true, "", nil
	}))
}
