//go:build soak

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// deleted is a topology whose primaries' pods are deleted.
type deleted struct {
	name   string
	shards int
	wishes []bed.Wish
	load   bed.Load
}

var deletedIn = []deleted{
	{"Replication", 1, []bed.Wish{bed.Replicas(2)}, bed.Light.Expecting(2)},
	{"Sentinel", 1, []bed.Wish{bed.Watched(2)}, bed.Light.Expecting(2)},
	{"Cluster", 3, []bed.Wish{bed.Sharded(3, 1)}, light},
}

// Somebody deletes a primary's pod, as `kubectl delete pod` does, fifty times, in a
// topology that the dice choose. VALKEEPER_ROLLS sets another number.
func TestSoakDeletedPrimariesLoseNothing(t *testing.T) {
	dice := newDice(t)
	for k, times := range thrown(dice, killedRolls(t, 50), len(deletedIn)) {
		t.Run(fmt.Sprintf("%s %d times", deletedIn[k].name, times), func(t *testing.T) {
			w := enter(t)
			run := w.deletes(deletedIn[k], dice, times, func(i *bed.Instance, p corev1.Pod) error {
				return errors.Join(cluster.Delete(w.ctx, &p), w.comesBack(i, p))
			})
			if run.Lost > 0 || run.Interleaved > 0 || run.Acknowledged == 0 {
				w.Errorf("%s: %s\nproblems: %v", run.Verdict, run.Sentence(), run.Problems)
			}
		})
	}
}

// The same while no operator is there. What it costs is told: whoever is there, the
// pod itself or the Sentinels, does what can be done without it. The operator comes
// back when the pod's successor runs, for that cannot be Ready without it.
func TestSoakDeletedPrimariesWithoutAnOperatorAreTold(t *testing.T) {
	dice := newDice(t)
	operators, err := func() (int, error) {
		if cluster == nil {
			return 0, nil
		}
		pods, err := cluster.OperatorPods(t.Context())
		return len(pods), err
	}()
	if err != nil {
		t.Fatal(err)
	}
	for k, times := range thrown(dice, killedRolls(t, 12), len(deletedIn)) {
		t.Run(fmt.Sprintf("%s %d times", deletedIn[k].name, times), func(t *testing.T) {
			w := enter(t)
			run := w.deletes(deletedIn[k], dice, times, func(i *bed.Instance, p corev1.Pod) error {
				err := errors.Join(cluster.StopOperator(w.ctx), cluster.Delete(w.ctx, &p), w.runsAgain(i, p))
				return errors.Join(err, cluster.StartOperator(context.WithoutCancel(w.ctx), int32(operators)))
			})
			if run.Interleaved > 0 || run.Acknowledged == 0 {
				w.Errorf("%s: %s\nproblems: %v", run.Verdict, run.Sentence(), run.Problems)
			}
		})
	}
}

// thrown divides a number by throwing dice, with at least one for each.
func thrown(dice *rand.Rand, number, parts int) []int {
	counts := slices.Repeat([]int{1}, parts)
	for range number - parts {
		counts[dice.IntN(parts)]++
	}
	return counts
}

// deletes lets a primary's pod be deleted so many times, each time until all is well
// again, and tells how long nobody could write.
func (w *world) deletes(d deleted, dice *rand.Rand, times int, remove func(*bed.Instance, corev1.Pod) error) report.Run {
	w.Helper()
	i := w.make("cache", d.wishes...)
	ledger := w.write(i, d.load)
	w.must(ledger.AwaitWrites(w.ctx, 500))
	for k := range times {
		shard := i.Name
		if d.shards > 1 {
			shard = i.ShardName(dice.IntN(d.shards))
		}
		primary := w.primaries(i)[shard]
		at := slices.IndexFunc(w.pods(i), func(p corev1.Pod) bool { return p.Name == primary })
		if at < 0 {
			w.Fatalf("the primary %q of %s has no pod", primary, shard)
		}
		w.must(ledger.Note(w.ctx, fmt.Sprintf("%d: %s", k+1, primary)))
		w.must(remove(i, w.pods(i)[at]))
		w.must(i.AwaitRolledOut(w.ctx, toHeal))
		if d.shards > 1 {
			w.whole(i)
		}
		w.must(ledger.AwaitWrites(w.ctx, 200))
	}
	if strings.HasPrefix(d.name, "Sentinel") {
		w.must(i.AwaitExact(w.ctx, 2*toAgree))
	}
	run := w.read(ledger)
	gaps := make([]float64, 0, len(run.Handovers))
	for _, h := range run.Handovers {
		gaps = append(gaps, h.GapMs)
	}
	slices.Sort(gaps)
	if len(gaps) == 0 {
		w.Fatalf("%d primaries were deleted, and the ledger saw no handover", times)
	}
	w.Logf("%s: %d deletions, %d handovers: gap median %.0f ms, worst %.0f ms; lost %d of %d; interleaved %d", d.name, times,
		len(gaps), gaps[len(gaps)/2], gaps[len(gaps)-1], run.Lost, run.Acknowledged, run.Interleaved)
	return run
}

// comesBack waits until a pod's successor is Ready, but not for ever: others may have to
// heal first.
func (w *world) comesBack(i *bed.Instance, old corev1.Pod) error {
	return w.succeeded(i, old, ready)
}

// runsAgain waits until a pod's successor runs, for as long.
func (w *world) runsAgain(i *bed.Instance, old corev1.Pod) error {
	return w.succeeded(i, old, func(p corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].State.Running != nil
	})
}

func (w *world) succeeded(i *bed.Instance, old corev1.Pod, well func(corev1.Pod) bool) error {
	err := bed.Await(w.ctx, time.Minute, func(ctx context.Context) (bool, string, error) {
		pods, err := i.Pods(ctx)
		back := slices.ContainsFunc(pods, func(p corev1.Pod) bool {
			return p.Name == old.Name && p.UID != old.UID && well(p)
		})
		return back, old.Name + " is not back", err
	})
	if errors.Is(err, bed.ErrTimeout) {
		w.Logf("%v", err)
		return nil
	}
	return err
}
