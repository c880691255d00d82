package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

func TestEveryChangeOfAClusterCostsOneHandoverAShardAndNotOneWrite(t *testing.T) {
	w := enter(t)
	changes := []change{
		{"image change", bed.Version("9.1")},
		{"config change", bed.Setting("slowlog-max-len", "256")},
	}
	w.slower(w.clusterHandedOver("handed", changes...), w.clusterReactive("reactive"))
}

// clusterHandedOver rolls changes out, one after the other, and returns the
// median of the handovers' gaps, in ms.
func (w *world) clusterHandedOver(name string, changes ...change) float64 {
	i := w.sharded(name, 3, 1, bed.Version("8.1"))
	w.must(i.Fill(w.ctx, 10<<20))
	ledger := w.write(i, bed.Measured.Expecting(1))
	for _, change := range changes {
		w.must(ledger.Mark(w.ctx, change.name))
		w.change(i, change.wish)
		w.settles(i)
		w.must(ledger.AwaitWrites(w.ctx, 1000))
	}
	run := w.proven(ledger)
	for _, change := range changes {
		w.oneHandoverEach(run, change.name)
	}
	return medianGap(run)
}

// clusterReactive rolls the same image change out as StatefulSets do.
func (w *world) clusterReactive(name string) report.Run {
	i := w.sharded(name, 3, 1, bed.Version("8.1"), bed.Strategy(v1alpha1.StrategyRollingUpdate))
	w.must(i.Fill(w.ctx, 10<<20))
	ledger := w.write(i, bed.Measured.Expecting(1))
	w.must(ledger.Mark(w.ctx, "image change"))
	w.change(i, bed.Version("9.1"))
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	return w.read(ledger)
}

// A change that cannot work halts at the first pod of the first shard.
func TestABrokenChangeHaltsInOneShardOfAClusterUntilItIsMended(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.sharded("cache", 3, 1)
	ledger := w.write(i, light)
	w.halts(i, bed.Setting("slowlog-max-len", "many"), "slowlog-max-len", "NodeDown")
	w.must(i.Change(w.ctx, bed.Setting("slowlog-max-len", "256")))
	w.settles(i)
	w.kept(ledger)
}

// A shard's only other copy is synced before the one that was is restarted: what
// is in memory alone outlives the roll.
func TestWithoutVolumesAndWithOneReplicaACopyOfEveryShardIsThereAtAllTimes(t *testing.T) {
	t.Parallel()
	w := enter(t)
	const data = 5 << 20
	i := w.sharded("cache", 3, 1, bed.Version("8.1"), bed.InMemory())
	w.must(i.Fill(w.ctx, data))
	ledger := w.write(i, light)
	w.guarded(i, func() {
		w.must(ledger.Mark(w.ctx, "image change"))
		w.change(i, bed.Version("9.1"))
		w.settles(i)
	})
	w.unlost(i, data)
	w.oneHandoverEach(w.proven(ledger), "image change")
}

// unlost fails if a key of the filler is missing.
func (w *world) unlost(i *bed.Instance, bytes int) {
	w.Helper()
	var missing int
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (_ bool, seen string, err error) {
		missing, err = i.Unfilled(ctx, bytes)
		return err == nil, fmt.Sprint(missing, " missing"), err
	}))
	if missing > 0 {
		w.Errorf("%d keys of the filler are lost", missing)
	}
}
