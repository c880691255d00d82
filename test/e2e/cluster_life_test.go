package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

func TestShardsComeAndGoUnderWritesAndNoKeyIsLost(t *testing.T) {
	t.Parallel()
	w := enter(t)
	run := w.scales(20<<20, 3, 4, 3)
	w.absorbed(run)
}

func TestReplicasOfAClusterComeAndGoUnderWrites(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.sharded("cache", 3, 1)
	w.must(i.Change(w.ctx, bed.Replicas(2)))
	w.settles(i)
	// Who is to go is primary, and has to hand over before. The ledger begins after
	// that: it takes a server that is primary twice for two primaries.
	last := i.ShardName(1) + "-2"
	w.command(i, last, "CLUSTER", "FAILOVER")
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		primaries, err := i.Primaries(ctx)
		return primaries[i.ShardName(1)] == last, fmt.Sprint(primaries), err
	}))
	ledger := w.write(i, light)
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	w.must(i.Change(w.ctx, bed.Replicas(1)))
	w.settles(i)
	w.absorbed(w.proven(ledger))
}

// scales makes a cluster, fills it, and changes the number of its shards under
// writes. It waits for the whole of each change, and logs how long it took.
func (w *world) scales(data int, first int32, counts ...int32) report.Run {
	i := w.sharded("cache", first, 1)
	w.must(i.Fill(w.ctx, data))
	ledger := w.write(i, light)
	for _, shards := range counts {
		began := time.Now()
		w.must(ledger.Note(w.ctx, "shards"))
		w.must(i.Change(w.ctx, bed.Shards(shards)))
		w.must(i.AwaitReady(w.ctx, 20*time.Minute))
		w.whole(i)
		w.Logf("%d shards after %.0f s, with %d MB of data", shards, time.Since(began).Seconds(), data>>20)
	}
	w.unlost(i, data)
	run := w.proven(ledger)
	w.balanced(run, int(counts[len(counts)-1]))
	return run
}

// absorbed fails if a cluster client had to tell its caller of an error.
func (w *world) absorbed(run report.Run) {
	w.Helper()
	for kind, n := range run.Errors {
		w.Errorf("%d writes ended with the error %s", n, kind)
	}
}

// Nobody is left to tell the others' addresses, and every address is another.
// Clients are told names here: go-redis asks every address that it has known, one
// after the other and several times, before it begins anew with the Service.
func TestAllPodsOfAClusterDeletedAtOnceComeBackWithEveryWrite(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.sharded("cache", 3, 1, bed.Setting("cluster-preferred-endpoint-type", "hostname"))
	ledger := w.write(i, light)
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	began := time.Now()
	w.lose(i, w.pods(i))
	w.must(i.AwaitReady(w.ctx, toHeal))
	w.whole(i)
	w.Logf("whole again after %.0f s", time.Since(began).Seconds())
	w.must(ledger.AwaitWrites(w.ctx, 4000))
	w.proven(ledger)
}

// Without volumes, what is lost is lost. That is shown, and nothing is served as
// if it were whole, until the spec says that an empty shard is better than none.
func TestTheLossOfShardsIsShownAndOnlyTheSpecLetsThemBeEmpty(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.sharded("cache", 3, 1, bed.InMemory())
	w.lose(i, w.pods(i))
	w.must(bed.Await(w.ctx, toHeal, func(ctx context.Context) (bool, string, error) {
		v, err := i.Get(ctx)
		if err != nil {
			return false, "", err
		}
		c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionDegraded)
		return c != nil && c.Status == metav1.ConditionTrue && c.Reason == "ShardLost", bed.Summary(v), nil
	}))
	w.stays(still, "no slot is served", func() bool { return !w.serves(i) })
	w.must(i.Change(w.ctx, bed.OnShardLoss(v1alpha1.ShardLossReassignEmpty)))
	w.must(i.AwaitReady(w.ctx, toHeal))
	w.whole(i)
	if !w.serves(i) {
		t.Error("no server takes a write")
	}
}

// serves says that some server of an instance takes a write.
func (w *world) serves(i *bed.Instance) bool {
	for _, p := range w.pods(i) {
		out, err := i.Command(w.ctx, p.Name, "SET", "probe", "yes")
		if err == nil && strings.HasPrefix(out, "OK") {
			return true
		}
	}
	return false
}
