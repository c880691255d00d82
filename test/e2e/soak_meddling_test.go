//go:build soak

package e2e

import (
	"testing"

	"github.com/valkeeper/valkeeper/test/bed"
)

// Somebody does something else in the middle of a roll, each time another thing.
func TestSoakARolloutOfAClusterEndsThoughSomebodyMeddles(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.sharded("cache", 3, 1)
	ledger := w.write(i, light)
	for _, meddling := range []struct {
		name string
		do   func(*world, *bed.Instance)
	}{
		{"CLUSTER FAILOVER in another shard", failOver},
		{"CLUSTER FORGET of a replica", forget},
		{"a primary's pod is deleted", deletePrimary},
		{"another change", changeAgain},
		{"one more shard", oneMoreShard},
	} {
		w.must(ledger.Mark(w.ctx, meddling.name))
		before := w.identities(i)
		w.must(i.Change(w.ctx, bed.Restart(meddling.name)))
		w.untilReplaced(i, before)
		meddling.do(w, i)
		w.settles(i)
		say("the roll has ended in spite of: %s", meddling.name)
	}
	w.kept(ledger)
}

func failOver(w *world, i *bed.Instance) {
	w.command(i, w.replicaOf(i, 2).Name, "CLUSTER", "FAILOVER")
}

// forget makes all nodes but itself forget a replica: gossip would else bring it
// back at once.
func forget(w *world, i *bed.Instance) {
	victim := w.replicaOf(i, 2)
	id := w.command(i, victim.Name, "CLUSTER", "MYID")
	for _, p := range w.pods(i) {
		if p.Name == victim.Name {
			continue
		}
		// Its own primary refuses, and one that restarts does not answer.
		if out, err := i.Command(w.ctx, p.Name, "CLUSTER", "FORGET", id); err != nil {
			w.Logf("CLUSTER FORGET on %s: %s %v", p.Name, out, err)
		}
	}
}

func deletePrimary(w *world, i *bed.Instance) {
	w.lose(i, w.led(i, 1))
}

func changeAgain(w *world, i *bed.Instance) {
	w.must(i.Change(w.ctx, bed.Setting("slowlog-max-len", "300")))
}

func oneMoreShard(w *world, i *bed.Instance) {
	w.must(i.Change(w.ctx, bed.Shards(4)))
}
