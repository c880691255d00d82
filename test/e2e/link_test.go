package e2e

import (
	"context"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
)

func TestARolloutHoldsWhileReplicasCannotSyncAndGoesOnByItself(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache")
	ledger := w.write(i, bed.Light)
	primary := w.primary(i)
	w.command(i, primary, "ACL", "SETUSER", v1alpha1.ReplicationUser, "off")
	w.command(i, primary, "CLIENT", "KILL", "TYPE", "replica")
	w.halts(i, bed.Restart("once"), i.Name+"-", "NotSynced", "NodeDown")
	w.command(i, primary, "ACL", "SETUSER", v1alpha1.ReplicationUser, "on")
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.allFresh(i)
	w.proven(ledger)
}

// Here the whole host is cut off, with the kubelet on it.
func TestARolloutHoldsWhileAHostIsCutOffAndGoesOnByItself(t *testing.T) {
	w := enter(t)
	w.onTestbed()
	i := w.make("cache")
	replica, host, elsewhere := w.spare(i)
	ledger := w.write(i, bed.Load{Writers: bed.Light.Writers, Rate: bed.Light.Rate, Host: elsewhere})
	w.must(cluster.Node(w.ctx, "cut", host))
	heal := func() { w.must(cluster.Node(context.WithoutCancel(w.ctx), "heal", host)) }
	t.Cleanup(heal)
	w.halts(i, bed.Restart("once"), replica, "NodeDown", "NotSynced")
	heal()
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.allFresh(i)
	w.proven(ledger)
}

// spare finds a replica on a host that is needed for nothing else, and another
// host for what must go on.
func (w *world) spare(i *bed.Instance) (replica, host, elsewhere string) {
	w.Helper()
	elsewhere, err := cluster.OperatorHost(w.ctx)
	w.must(err)
	taken := map[string]bool{elsewhere: true}
	primary := w.primary(i)
	for _, p := range w.pods(i) {
		if p.Name == primary {
			taken[p.Spec.NodeName] = true
		}
	}
	for _, p := range w.pods(i) {
		if p.Name != primary && !taken[p.Spec.NodeName] {
			return p.Name, p.Spec.NodeName, elsewhere
		}
	}
	w.Fatalf("no replica is on a host of its own; taken are %v", taken)
	return "", "", ""
}
