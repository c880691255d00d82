package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/test/bed"
)

// Sentinels take a primary whose disk is full for a silent one, and fail over. That it has
// room again just then must not have it take writes that its successor lacks.
func TestAPrimaryThatHasRoomAgainWhileSentinelsFailOverLosesNoWrite(t *testing.T) {
	t.Parallel()
	var disks *bed.SmallDisks
	t.Cleanup(func() { // after the namespace has gone, which enter sees to
		if err := disks.Drop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	w := enter(t)
	w.onTestbed()
	var err error
	disks, err = cluster.MakeSmallDisks(w.ctx, w.namespace)
	w.must(err)
	i := w.make("cache", bed.Watched(2), bed.LogWrites(), disks.Wish())
	w.must(i.AwaitExact(w.ctx, toAgree))
	ledger := w.write(i, bed.Light)

	before := w.primary(i)
	full := w.diskOf(i, before)
	w.must(ledger.Note(w.ctx, "the disk of the primary is full"))
	w.must(cluster.Disk(w.ctx, "fill", full))
	failing := w.awaitFailover(i)
	w.must(cluster.Disk(w.ctx, "free", full))
	w.must(ledger.Note(w.ctx, "it has room again, and "+failing+" fails over"))

	heir, after := w.replacedPrimary(i, before)
	w.must(ledger.AwaitWrites(w.ctx, 200))
	w.must(i.AwaitReady(w.ctx, toCome))
	w.must(i.AwaitExact(w.ctx, toAgree))
	run := w.nothingLost(ledger)
	t.Logf("%s took over from %s, and was published %.1f s after that had room again; longest gap %.0f ms", heir, before, after.Seconds(), run.LongestGapMs)
	if run.Interleaved > 0 {
		t.Errorf("two primaries took writes at the same time: %d interleaved", run.Interleaved)
	}
}

// diskOf is the small disk of a pod.
func (w *world) diskOf(i *bed.Instance, pod string) *corev1.PersistentVolume {
	w.Helper()
	pods := w.pods(i)
	k := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Name == pod })
	if k < 0 {
		w.Fatalf("there is no pod %s", pod)
	}
	disk, err := cluster.DiskOf(w.ctx, &pods[k])
	w.must(err)
	return disk
}

// awaitFailover waits until a Sentinel fails over, and says which.
func (w *world) awaitFailover(i *bed.Instance) (sentinel string) {
	w.Helper()
	pods, err := i.SentinelPods(w.ctx)
	w.must(err)
	w.must(bed.Await(w.ctx, toReplace, func(ctx context.Context) (bool, string, error) {
		for _, p := range pods {
			out, err := i.Sentinel(ctx, p.Name, "SENTINEL", "MASTER", "mymaster")
			if err != nil {
				return false, "", err
			}
			if strings.Contains(out, "failover_in_progress") {
				sentinel = p.Name
				return true, "", nil
			}
		}
		return false, fmt.Sprintf("none of %d Sentinels fails over", len(pods)), nil
	}))
	return sentinel
}
