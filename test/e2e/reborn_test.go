package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/test/bed"
)

// rebornCase is an instance whose primaries come back empty.
type rebornCase struct {
	name   string
	wishes []bed.Wish
}

// rebornData is what every copy has to keep, in bytes.
const rebornData = 1 << 20

func rebornCases() []rebornCase {
	memory := bed.InMemory()
	return []rebornCase{
		{"Replication with volumes", []bed.Wish{bed.Replicas(2)}},
		{"Replication in memory", []bed.Wish{bed.Replicas(2), memory}},
		{"Sentinel with volumes", []bed.Wish{bed.Watched(2)}},
		{"Sentinel in memory", []bed.Wish{bed.Watched(2), memory}},
		{"Cluster with volumes", []bed.Wish{bed.Sharded(3, 1)}},
		{"Cluster in memory", []bed.Wish{bed.Sharded(3, 1), memory}},
	}
}

// A primary that loses its data and comes back at once, at the address where its
// replicas look for it, wipes them where nobody guards against that
// (internal/conformance shows it). Here nobody is wiped: neither when the container
// restarts in its pod, nor when the pod is made anew on its volume.
func TestAnEmptyPrimaryThatIsRebornWipesNobody(t *testing.T) {
	for _, c := range rebornCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			enter(t).reborn(c, 1)
		})
	}
}

// reborn has a primary come back empty so many times, each time in both ways.
func (w *world) reborn(c rebornCase, times int) {
	w.Helper()
	w.onTestbed()
	i := w.make("cache", c.wishes...)
	w.must(i.Fill(w.ctx, rebornData))
	for k := range times {
		w.rebirth(i, fmt.Sprintf("%d: its container restarts", k+1), func(p corev1.Pod) {
			w.must(i.Process(w.ctx, "kill", p.Name))
		})
		w.rebirth(i, fmt.Sprintf("%d: its pod is made anew", k+1), func(p corev1.Pod) {
			w.must(i.Process(w.ctx, "kill", p.Name))
			w.must(client.IgnoreNotFound(cluster.Delete(w.ctx, &p, client.GracePeriodSeconds(0))))
		})
	}
}

// rebirth wipes the data of a primary that every copy is in step with, ends it, and
// waits until all is well again. Every key has to be there.
func (w *world) rebirth(i *bed.Instance, name string, end func(p corev1.Pod)) {
	w.Helper()
	w.inStep(i)
	victim := w.anyPrimary(i)
	began := time.Now()
	w.must(i.Wipe(w.ctx, victim.Name))
	end(victim)
	w.must(bed.Await(w.ctx, toHeal, func(ctx context.Context) (bool, string, error) {
		v, err := i.Get(ctx)
		// The status of before the end is still Ready.
		return err == nil && w.backSince(i, victim), victim.Name + " is not back: " + bed.Summary(v), err
	}))
	w.must(i.AwaitReady(w.ctx, toHeal))
	missing, err := i.Unfilled(w.ctx, rebornData)
	w.must(err)
	if missing != 0 {
		w.Fatalf("%s: %d keys are gone after the rebirth of %s", name, missing, victim.Name)
	}
	w.inStep(i)
	say("%s %s (%s): nothing lost, whole after %s", w.Name(), name, victim.Name, time.Since(began).Round(100*time.Millisecond))
}

// backSince says that the server's process is another one, or its pod is, and in service.
func (w *world) backSince(i *bed.Instance, was corev1.Pod) bool {
	w.Helper()
	for _, p := range w.pods(i) {
		if p.Name != was.Name {
			continue
		}
		return ready(p) && (p.UID != was.UID || restarts(p) > restarts(was))
	}
	return false
}

func restarts(p corev1.Pod) (count int32) {
	for _, c := range p.Status.ContainerStatuses {
		count += c.RestartCount
	}
	return count
}

// anyPrimary is the pod of one of them.
func (w *world) anyPrimary(i *bed.Instance) corev1.Pod {
	w.Helper()
	primaries := map[string]bool{}
	for _, name := range w.primaries(i) {
		primaries[name] = true
	}
	for _, p := range w.pods(i) {
		if primaries[p.Name] {
			return p
		}
	}
	w.Fatalf("no pod is primary: %v", primaries)
	return corev1.Pod{}
}

// inStep waits until every copy of a shard holds as many keys as its primary, which
// is some.
func (w *world) inStep(i *bed.Instance) {
	w.Helper()
	w.must(i.AwaitReady(w.ctx, toHeal))
	w.must(bed.Await(w.ctx, toHeal, func(ctx context.Context) (bool, string, error) {
		primaries, err := i.Primaries(ctx)
		if err != nil {
			return false, "", err
		}
		for _, p := range w.pods(i) {
			primary := primaries[shardOf(i, p)]
			want, err := i.Command(ctx, primary, "DBSIZE")
			if err != nil {
				return false, "", err
			}
			have, err := i.Command(ctx, p.Name, "DBSIZE")
			if err != nil || have != want || want == "0" {
				return false, fmt.Sprintf("%s holds %s keys, its primary %s %s", p.Name, have, primary, want), err
			}
		}
		return true, "", nil
	}))
}

// shardOf is the name of a pod's StatefulSet, which is its shard's.
func shardOf(i *bed.Instance, p corev1.Pod) string {
	for _, owner := range p.OwnerReferences {
		if owner.Kind == "StatefulSet" {
			return owner.Name
		}
	}
	return i.Name
}

// A single server has no copy to wipe, and comes back with what its volume holds.
func TestAStandaloneServerThatIsKilledComesBackWithItsVolume(t *testing.T) {
	t.Parallel()
	w := enter(t)
	w.onTestbed()
	i := w.make("single", single)
	w.must(i.Fill(w.ctx, rebornData))
	w.command(i, w.primary(i), "SAVE")
	for _, end := range []func(p corev1.Pod){
		func(p corev1.Pod) { w.must(i.Process(w.ctx, "kill", p.Name)) },
		func(p corev1.Pod) { w.must(cluster.Delete(w.ctx, &p, client.GracePeriodSeconds(0))) },
	} {
		victim := w.anyPrimary(i)
		end(victim)
		w.must(bed.Await(w.ctx, toHeal, func(context.Context) (bool, string, error) {
			return w.backSince(i, victim), victim.Name + " is not back", nil
		}))
		w.must(i.AwaitReady(w.ctx, toRoll))
		missing, err := i.Unfilled(w.ctx, rebornData)
		w.must(err)
		if missing != 0 {
			t.Errorf("%d keys are gone", missing)
		}
	}
}
