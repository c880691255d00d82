package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// ending is an instance whose primary's pod is deleted.
type ending struct {
	name   string
	load   bed.Load
	wishes []bed.Wish
}

func endings() []ending {
	return []ending{
		{"replication", bed.Light.Expecting(1), []bed.Wish{bed.InMemory(), bed.Replicas(1)}},
		{"sentinel", bed.Light.Expecting(2), []bed.Wish{bed.Watched(2), bed.InMemory()}},
		{"cluster-8", light, []bed.Wish{bed.Sharded(3, 1), bed.InMemory(), bed.Version("8.1")}},
		{"cluster-9", light, []bed.Wish{bed.Sharded(3, 1), bed.InMemory(), bed.Version("9.1")}},
	}
}

// kubectl delete pod, of a primary, in its normal way: the operator hands over while the
// pod waits for it, and there is no second failover.
func TestADeletedPrimaryHandsOverOnceAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, e := range endings() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make(e.name, e.wishes...)
			ledger := w.write(i, e.load)
			w.deletePrimary(i, ledger, true)
			w.wellAgain(i)
			run := w.proven(ledger)
			w.gaps(run)
			if len(run.Handovers) != 1 {
				t.Errorf("the role moved %d times, wanted once: %+v", len(run.Handovers), run.Handovers)
			}
		})
	}
}

// The same while no operator runs: the pod's preStop step does it, or the quorum. Clients
// that go through the primary Service wait for the operator, who moves it.
func TestADeletedPrimaryLosesNothingThoughNoOperatorRuns(t *testing.T) {
	for _, e := range endings() {
		t.Run(e.name, func(t *testing.T) {
			w := enter(t)
			i := w.make(e.name, e.wishes...)
			ledger := w.write(i, e.load)
			pods, err := cluster.OperatorPods(w.ctx)
			w.must(err)
			w.must(cluster.StopOperator(w.ctx))
			start := func() { w.must(cluster.StartOperator(context.WithoutCancel(w.ctx), int32(max(1, len(pods))))) } //nolint:gosec // a few
			t.Cleanup(start)
			w.deletePrimary(i, ledger, false)
			start()
			w.wellAgain(i)
			w.must(ledger.AwaitWrites(w.ctx, 200))
			w.gaps(w.nothingLost(ledger))
		})
	}
}

// By force Kubernetes knows of no pod from one moment to the next, while its server goes on
// for some seconds. Whoever is promoted meanwhile has to have what it acknowledges.
func TestAPrimarysPodDeletedByForceIsReplaced(t *testing.T) {
	t.Parallel()
	for _, e := range endings() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make(e.name, e.wishes...)
			ledger := w.write(i, e.load)
			w.must(ledger.AwaitWrites(w.ctx, 500))
			w.deletePrimary(i, ledger, true, client.GracePeriodSeconds(0))
			w.wellAgain(i)
			w.gaps(w.bounded(ledger))
		})
	}
}

// A single server has nobody to take its place. Its next pod starts while it still runs, and
// has to wait for its end: what it acknowledges until then is in the log.
func TestAStandaloneThatIsDeletedByForceLosesNothing(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("single", single, bed.LogWrites())
	ledger := w.write(i, bed.Light)
	for range 3 {
		w.must(ledger.AwaitWrites(w.ctx, 500))
		w.deletePrimary(i, ledger, true, client.GracePeriodSeconds(0))
		w.wellAgain(i)
	}
	w.nothingLost(ledger)
}

// wellAgain waits until every pod of an instance is Ready, and its status and its
// servers have heard of it.
func (w *world) wellAgain(i *bed.Instance) {
	w.Helper()
	w.must(bed.Await(w.ctx, toHeal, func(context.Context) (bool, string, error) {
		for _, p := range w.pods(i) {
			if !ready(p) {
				return false, p.Name + " is not Ready", nil
			}
		}
		return true, "", nil
	}))
	w.must(i.AwaitReady(w.ctx, toHeal))
	v, err := i.Get(w.ctx)
	w.must(err)
	if v.Spec.IsCluster() {
		w.whole(i)
	}
}

// deletePrimary deletes the pod of a primary and waits until another pod has its name.
// With an operator writes have to go on as well.
func (w *world) deletePrimary(i *bed.Instance, ledger *bed.Ledger, served bool, how ...client.DeleteOption) {
	w.Helper()
	var name string
	for _, primary := range w.primaries(i) {
		name = max(name, primary)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: i.Namespace, Name: name}}
	w.must(ledger.Note(w.ctx, "delete pod "+name))
	before := w.identities(i)[name]
	w.must(i.Cluster.Delete(w.ctx, pod, how...))
	began := time.Now()
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		ids, err := i.Identities(ctx)
		id := ids[name]
		return id != "" && id != before, fmt.Sprintf("%s is %s", name, id), err
	}))
	w.Logf("the pod %s was gone after %v", name, time.Since(began).Round(100*time.Millisecond))
	if served {
		w.must(ledger.AwaitWrites(w.ctx, 200))
	}
}

// gaps tells how long writes waited.
func (w *world) gaps(run report.Run) {
	w.Helper()
	for _, h := range run.Handovers {
		w.Logf("%s: gap %.1f ms, worst writer %.1f ms, our own stall %.1f ms", h.Shard, h.GapMs, h.WorstClientGapMs, h.StallMs)
	}
}

// nothingLost fails if an acknowledged write was lost, however long writes had to wait.
func (w *world) nothingLost(l *bed.Ledger) report.Run {
	w.Helper()
	run := w.read(l)
	if run.Lost > 0 || run.Acknowledged == 0 {
		w.Errorf("%s: %s\nproblems: %v\nread back: %+v", run.Verdict, run.Sentence(), run.Problems, run.ReadBack)
	}
	return run
}
