package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
)

func TestScalingOutAndInKeepsEveryWrite(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Replicas(1))
	ledger := w.write(i, bed.Light)
	for _, replicas := range []int32{3, 1} {
		w.must(i.Change(w.ctx, bed.Replicas(replicas)))
		w.must(bed.Await(w.ctx, toRoll, func(ctx context.Context) (bool, string, error) {
			pods, err := i.Pods(ctx)
			return len(pods) == int(replicas)+1, fmt.Sprintf("%d pods", len(pods)), err
		}))
		w.must(i.AwaitRolledOut(w.ctx, toRoll))
		w.allFresh(i)
	}
	w.proven(ledger)
}

func TestDeletingAnInstanceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache")
	w.must(i.AwaitGone(w.ctx, toCome))
}

// Nobody is left to follow, and every copy is on a disk.
func TestAllPodsDeletedAtOnceComeBackWithEveryWrite(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache")
	ledger := w.write(i, bed.Light)
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	w.lose(i, w.pods(i))
	w.must(i.AwaitReady(w.ctx, toRoll))
	w.must(ledger.AwaitWrites(w.ctx, 100))
	w.proven(ledger)
}

// lose deletes pods, all at once, and waits until each has a successor.
func (w *world) lose(i *bed.Instance, pods []corev1.Pod) {
	w.Helper()
	for _, p := range pods {
		w.must(cluster.Delete(w.ctx, &p))
	}
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		now, err := i.Identities(ctx)
		for _, p := range pods {
			if now[p.Name] == "" || now[p.Name] == string(p.UID) {
				return false, p.Name + " has not come back", err
			}
		}
		return true, "", err
	}))
}

func TestAStandaloneServerThatMayNotSurgeKeepsItsDataAndSaysThatItsRestartIsAnOutage(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("single", bed.Version("8.1"), bed.Standalone(), bed.Surge(v1alpha1.SurgeNever))
	w.command(i, w.primary(i), "SET", "kept", "yes")
	w.change(i, bed.Version("9.1"))
	if got := w.command(i, w.primary(i), "GET", "kept"); got != "yes" {
		t.Errorf("the value is %q after the restart", got)
	}
	if reason := w.reason(i, v1alpha1.ConditionRolledOut); reason != "CompleteByOutage" {
		t.Errorf("RolledOut has reason %s", reason)
	}
}

// The primary's Service follows a primary that was lost, without a handover.
func TestALostPrimaryIsReplacedByItsReplica(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache")
	primary := w.primary(i)
	w.command(i, primary, "SET", "kept", "yes")
	w.command(i, primary, "WAIT", "2", "5000")
	for _, p := range w.pods(i) {
		if p.Name == primary {
			w.must(cluster.Delete(w.ctx, &p))
		}
	}
	w.must(bed.Await(w.ctx, time.Minute, func(ctx context.Context) (bool, string, error) {
		now, err := i.Primary(ctx)
		return now != primary, now + " is primary", err
	}))
	if got := w.command(i, w.primary(i), "GET", "kept"); got != "yes" {
		t.Errorf("the value is %q on the new primary", got)
	}
	w.must(i.AwaitReady(w.ctx, toRoll))
}
