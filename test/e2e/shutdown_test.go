package e2e

import (
	"context"
	"testing"

	"github.com/valkeeper/valkeeper/test/bed"
)

// A kubelet says that its host shuts down, and ends the pods there by itself: the role has
// left before. Here it takes the word back within seconds, and ends nobody.
func TestAPrimaryLeavesAHostThatSaysThatItShutsDown(t *testing.T) {
	w := enter(t)
	i := w.make("replication", bed.InMemory(), bed.Replicas(1))
	was, host := w.primary(i), ""
	for _, p := range w.pods(i) {
		if p.Name == was {
			host = p.Spec.NodeName
		}
	}
	ledger := w.write(i, bed.Light.Expecting(1))
	w.must(ledger.Note(w.ctx, host+" shuts down"))
	before := w.identities(i)
	w.must(bed.Await(w.ctx, toHeal, func(ctx context.Context) (bool, string, error) {
		if err := cluster.SayShutdown(ctx, host); err != nil { // again and again: the kubelet denies it
			return false, "", err
		}
		now, err := i.Primary(ctx)
		return err == nil && now != was, "the role is still with " + was, nil
	}))
	w.wellAgain(i)
	for name, id := range w.identities(i) {
		if before[name] != id {
			t.Errorf("the pod %s was replaced", name)
		}
	}
	w.gaps(w.proven(ledger))
}
