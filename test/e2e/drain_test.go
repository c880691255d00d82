package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
)

// single wishes for one server.
func single(v *v1alpha1.Valkey) { v.Spec.Topology = v1alpha1.TopologyStandalone }

// toDrain is how long a host may take to be emptied: pods come up elsewhere one after the
// other, and kubectl tries again every five seconds.
const toDrain = 10 * time.Minute

// Each host in turn is drained, as for an upgrade of the Kubernetes cluster, with instances
// of all topologies on it: a drain finds its way through, and nothing is lost.
func TestEveryHostIsDrainedInTurnAndNoWriteIsLost(t *testing.T) {
	w := enter(t)
	w.drainsEach([]drained{
		{w.make("alone", single, bed.InMemory()), 0},
		{w.make("pair", bed.InMemory(), bed.Replicas(1)), 1},
		{w.make("watched", bed.Watched(2), bed.InMemory()), 2},
		{w.sharded("sharded", 3, 1, bed.InMemory()), 1},
	}, true)
}

// The volumes of the test bed are bound to their hosts: whoever is sent away comes back only
// when its host does.
func TestHostsThatVolumesAreBoundToAreDrainedInTurnAndNoWriteIsLost(t *testing.T) {
	w := enter(t)
	w.drainsEach([]drained{
		{w.make("alone", single, bed.LogWrites()), 0},
		{w.make("pair", bed.Replicas(1)), 1},
	}, false)
}

// drained is an instance whose hosts are drained, and how many replicas it has.
type drained struct {
	*bed.Instance
	replicas int32
}

// drainsEach drains each host in turn. Movable: the pods come up elsewhere meanwhile.
func (w *world) drainsEach(instances []drained, movable bool) {
	w.Helper()
	hosts, err := cluster.Hosts(w.ctx)
	w.must(err)
	if len(hosts) < 2 {
		w.Skipf("hosts %v: there is nowhere to go", hosts)
	}
	w.Cleanup(func() {
		for _, host := range hosts {
			if err := cluster.Uncordon(context.Background(), host); err != nil {
				w.Errorf("uncordon %s: %v", host, err)
			}
		}
	})
	var ledgers []*bed.Ledger
	for _, i := range instances {
		ledgers = append(ledgers, w.write(i.Instance, bed.Light.Expecting(i.replicas)))
	}
	for _, host := range hosts {
		for _, l := range ledgers {
			w.must(l.Note(w.ctx, "drain of "+host))
		}
		took, err := cluster.Drain(w.ctx, host, toDrain)
		w.must(err)
		w.Logf("%s was drained in %v", host, took.Round(time.Second))
		for k, i := range instances {
			w.nothingOn(i.Instance, host)
			if movable {
				w.must(i.AwaitReady(w.ctx, toHeal))
			}
			w.must(ledgers[k].AwaitWrites(w.ctx, 100))
		}
		w.primariesGuarded()
		w.must(cluster.Uncordon(w.ctx, host))
		if !movable {
			for _, i := range instances {
				w.must(i.AwaitRolledOut(w.ctx, toHeal))
			}
		}
	}
	for k, i := range instances {
		w.must(i.AwaitRolledOut(w.ctx, toHeal)) // an extra pod has left again, too
		run := w.kept(ledgers[k])
		for _, h := range run.Handovers {
			w.Logf("%s: %s: gap %.1f ms, worst writer %.1f ms", i.Name, h.Shard, h.GapMs, h.WorstClientGapMs)
		}
		if len(run.Handovers) == 0 {
			w.Errorf("%s: no role moved although every host was drained", i.Name)
		}
	}
}

// primariesGuarded waits until no primary's budget would let its pod go: one that has not
// counted anew since the role moved would.
func (w *world) primariesGuarded() {
	w.Helper()
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		budgets := &policyv1.PodDisruptionBudgetList{}
		if err := cluster.List(ctx, budgets, client.InNamespace(w.namespace)); err != nil {
			return false, "", err
		}
		var open []string
		for _, b := range budgets.Items {
			if strings.HasSuffix(b.Name, "-primary") && b.Status.DisruptionsAllowed > 0 {
				open = append(open, fmt.Sprintf("%s lets %d of %d go", b.Name, b.Status.DisruptionsAllowed, b.Status.CurrentHealthy))
			}
		}
		return len(open) == 0 && len(budgets.Items) > 0, strings.Join(open, ", "), nil
	}))
}

// nothingOn fails if a pod of the instance is on a host.
func (w *world) nothingOn(i *bed.Instance, host string) {
	w.Helper()
	var left []string
	for _, p := range w.pods(i) {
		if p.Spec.NodeName == host {
			left = append(left, p.Name)
		}
	}
	if len(left) > 0 {
		w.Errorf("left on %s: %s", host, strings.Join(left, ", "))
	}
}

// A host that is only to be left, and is not drained yet, is left by primaries alone.
func TestAPrimaryLeavesAHostOnRequest(t *testing.T) {
	w := enter(t)
	i := w.make("asked", bed.InMemory(), bed.Replicas(1))
	ledger := w.write(i, bed.Light.Expecting(1))
	before, pods := w.primary(i), w.identities(i)
	w.must(i.Evacuate(w.ctx, before))
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		now, err := i.Primary(ctx)
		return err == nil && now != before, "the primary is " + now, err
	}))
	w.must(ledger.AwaitWrites(w.ctx, 100))
	run := w.proven(ledger)
	if len(run.Handovers) != 1 {
		t.Errorf("the role moved %d times, wanted once: %+v", len(run.Handovers), run.Handovers)
	}
	after := w.identities(i)
	for name, id := range pods {
		if after[name] != id {
			t.Errorf("the pod %s was replaced", name)
		}
	}
}
