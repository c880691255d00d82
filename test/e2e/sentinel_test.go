package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/test/bed"
)

// toAgree is how long Sentinels may take to find each other: they look for replicas
// every 10 s.
const toAgree = 90 * time.Second

func TestEveryChangeWithSentinelsCostsOneHandoverAndNotOneWrite(t *testing.T) {
	w := enter(t)
	i := w.make("cache", bed.Watched(2), bed.Version("8.1"))
	w.must(i.Fill(w.ctx, 10<<20))
	ledger := w.write(i, bed.Measured.Expecting(2))
	changes := []change{
		{"image change", bed.Version("9.1")},
		{"config change", bed.Setting("slowlog-max-len", "256")},
		{"restart token", bed.Restart("once")},
	}
	w.inAgreement(i, 2, func() {
		for _, change := range changes {
			w.must(ledger.Mark(w.ctx, change.name))
			w.change(i, change.wish)
			w.allFresh(i)
			w.must(ledger.AwaitWrites(w.ctx, 1000))
			if change.name == "image change" && !w.sentinelsFirst(i) {
				t.Error("newer Sentinels hand over better, and came after the data pods")
			}
		}
	})
	run := w.proven(ledger)
	for _, change := range changes {
		w.oneHandover(run, change.name)
	}
	w.must(i.AwaitExact(w.ctx, toAgree))
}

// The negative control is the practice of others: a plain SENTINEL FAILOVER, and then
// the old primary's pod goes. Clients that keep their connection write on to it
// meanwhile. Our operator, which would end that, is away.
func TestAPlainSentinelFailoverAndARestartLoseWrites(t *testing.T) {
	w := enter(t)
	i := w.make("others", bed.Watched(2))
	load := bed.Measured.Expecting(2)
	load.Practice = "plain SENTINEL FAILOVER, then restart"
	ledger := w.write(i, load)
	w.must(ledger.Note(w.ctx, "plain SENTINEL FAILOVER"))
	w.must(i.PlainFailover(w.ctx))
	w.must(i.AwaitReady(w.ctx, toCome))
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	if run := w.read(ledger); run.Lost == 0 {
		t.Errorf("nothing was lost of %d acknowledged writes: the control proves nothing", run.Acknowledged)
	}
}

// A roll of Sentinels alone touches no data pod, and the reverse; what they forget is
// brought back to them.
func TestSentinelsRollAlone(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Watched(1))
	ledger := w.write(i, bed.Light.Expecting(1))
	w.inAgreement(i, 2, func() {
		data, sentinels := w.uids(i)
		w.must(i.Change(w.ctx, bed.RestartSentinels("once")))
		w.must(i.AwaitRolledOut(w.ctx, toRoll))
		after, afterSentinels := w.uids(i)
		if !slices.Equal(data, after) {
			t.Errorf("a roll of Sentinels replaced data pods: %v became %v", data, after)
		}
		if common(sentinels, afterSentinels) > 0 {
			t.Errorf("not every Sentinel was replaced: %v became %v", sentinels, afterSentinels)
		}
		w.change(i, bed.Restart("once"))
		if _, last := w.uids(i); !slices.Equal(afterSentinels, last) {
			t.Errorf("a roll of data pods replaced Sentinels: %v became %v", afterSentinels, last)
		}
	})
	w.must(i.AwaitExact(w.ctx, toAgree))
	w.proven(ledger)
}

// Whatever Sentinels have lost, or were told wrong, is put right.
func TestSentinelsThatKnowNothingOrWrongAreToldAgain(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Watched(1))
	w.must(i.AwaitExact(w.ctx, toAgree))
	ledger := w.write(i, bed.Light.Expecting(1))
	pods, err := i.SentinelPods(w.ctx)
	w.must(err)
	for _, one := range []struct {
		what   string
		meddle func() error
	}{
		{"one watches nobody", func() error {
			_, err := i.Sentinel(w.ctx, pods[0].Name, "SENTINEL", "REMOVE", "mymaster")
			return err
		}},
		{"one watches a wrong address", func() error {
			if _, err := i.Sentinel(w.ctx, pods[1].Name, "SENTINEL", "REMOVE", "mymaster"); err != nil {
				return err
			}
			_, err := i.Sentinel(w.ctx, pods[1].Name, "SENTINEL", "MONITOR", "mymaster", "127.0.0.9", "6379", "2")
			return err
		}},
		{"one is set otherwise", func() error {
			_, err := i.Sentinel(w.ctx, pods[2].Name, "SENTINEL", "SET", "mymaster", "quorum", "1")
			return err
		}},
		{"all pods go at once, and all they knew", func() error {
			return cluster.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(w.namespace),
				client.MatchingLabels{"app.kubernetes.io/component": "sentinel"})
		}},
	} {
		w.must(one.meddle())
		if err := i.AwaitExact(w.ctx, toAgree); err != nil {
			t.Fatalf("%s: %v", one.what, err)
		}
	}
	w.proven(ledger)
}

// What leaves is forgotten, one Sentinel at a time.
func TestSentinelsForgetWhatHasLeft(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Watched(2), bed.Sentinels(5))
	ledger := w.write(i, bed.Light)
	w.inAgreement(i, 2, func() {
		w.must(i.Change(w.ctx, bed.Replicas(1)))
		w.must(i.AwaitExact(w.ctx, 2*toAgree))
		w.must(i.Change(w.ctx, bed.Sentinels(3)))
		w.must(i.AwaitExact(w.ctx, 2*toAgree))
	})
	w.proven(ledger)
}

// The quorum fails over by itself, the Services follow it, and whoever comes back is a
// replica.
func TestTheServicesFollowTheQuorum(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Watched(2))
	w.must(i.AwaitExact(w.ctx, toAgree))
	ledger := w.write(i, bed.Light)
	before, err := i.Primary(w.ctx)
	w.must(err)
	gone := &corev1.Pod{}
	gone.Namespace, gone.Name = w.namespace, before
	w.must(cluster.Delete(w.ctx, gone, client.GracePeriodSeconds(0)))
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		now, err := i.Primary(ctx)
		return err == nil && now != before, fmt.Sprintf("the primary is %s: %v", now, err), nil
	}))
	w.must(ledger.AwaitWrites(w.ctx, 100))
	w.must(i.AwaitReady(w.ctx, toCome))
	w.must(i.AwaitExact(w.ctx, toAgree))
	run := w.read(ledger)
	if run.Interleaved > 0 {
		t.Errorf("two primaries took writes at the same time: %d interleaved", run.Interleaved)
	}
	t.Logf("lost with the pod that was killed: %d of %d; longest gap %.0f ms", run.Lost, run.Acknowledged, run.LongestGapMs)
}

// Going back, the data pods are handed over by the newer Sentinels as well.
func TestSentinelsGoLastWhenTheirVersionFalls(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Watched(1), bed.Version("9.1"), bed.InMemory())
	ledger := w.write(i, bed.Light.Expecting(1))
	w.inAgreement(i, 2, func() { w.change(i, bed.Version("8.1")) })
	if w.sentinelsFirst(i) {
		t.Error("the older Sentinels came before the data pods")
	}
	w.must(i.AwaitExact(w.ctx, toAgree))
	w.proven(ledger)
}

// sentinelsFirst says that every Sentinel's pod was made before any data pod.
func (w *world) sentinelsFirst(i *bed.Instance) bool {
	w.Helper()
	sentinels, err := i.SentinelPods(w.ctx)
	w.must(err)
	for _, s := range sentinels {
		for _, p := range w.pods(i) {
			if p.CreationTimestamp.Before(&s.CreationTimestamp) {
				return false
			}
		}
	}
	return true
}

// uids are those of the data pods and of the Sentinels, in order.
func (w *world) uids(i *bed.Instance) (data, sentinels []string) {
	w.Helper()
	pods, err := i.SentinelPods(w.ctx)
	w.must(err)
	for _, p := range pods {
		sentinels = append(sentinels, string(p.UID))
	}
	for _, p := range w.pods(i) {
		data = append(data, string(p.UID))
	}
	slices.Sort(data)
	return data, sentinels
}

func common(a, b []string) int {
	count := 0
	for _, one := range a {
		if slices.Contains(b, one) {
			count++
		}
	}
	return count
}

// inAgreement does something while so many Sentinels name the primary, by their own
// word, at every moment that is looked at.
func (w *world) inAgreement(i *bed.Instance, needed int, do func()) {
	w.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	var watch sync.WaitGroup
	looks := 0
	watch.Go(func() {
		for ctx.Err() == nil {
			agree, of, err := agreeing(ctx, i)
			switch {
			case err != nil: // it was not seen; the next look is soon
			case agree < needed:
				w.Errorf("only %d Sentinels agree: %v", agree, of)
			default:
				looks++
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	do()
	stop()
	watch.Wait()
	if looks == 0 {
		w.Error("the Sentinels were never looked at")
	}
	w.Logf("the Sentinels were seen in agreement %d times", looks)
}

// agreeing is how many Sentinels at most name the same primary and can fail over.
func agreeing(ctx context.Context, i *bed.Instance) (int, map[string]int, error) {
	pods, err := i.SentinelPods(ctx)
	if err != nil {
		return 0, nil, err
	}
	named, most := map[string]int{}, 0
	for _, p := range pods {
		if seen, err := i.Watching(ctx, p.Name); err == nil && seen.Usable == nil {
			named[seen.Primary]++
			most = max(most, named[seen.Primary])
		}
	}
	return most, named, ctx.Err()
}
