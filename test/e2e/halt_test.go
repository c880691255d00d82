package e2e

import (
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
)

// still is how long a halted rollout is watched for standing still.
const still = 10 * time.Second

// A change that cannot work halts at the first pod, the primary untouched, with
// the reason shown. Mending the resource is all that it takes to go on.
func TestABrokenChangeHaltsAtTheFirstPodUntilItIsMended(t *testing.T) {
	t.Parallel()
	for _, broken := range []struct {
		name       string
		from       []bed.Wish
		wish, mend bed.Wish
		says       string
	}{
		{name: "bad image", from: []bed.Wish{bed.Version("8.1")},
			wish: bed.Image("registry.invalid/valkey:none"), mend: bed.Version("9.1"), says: "ImagePull"},
		{name: "bad config",
			wish: bed.Setting("hz", "often"), mend: bed.Setting("hz", "20"), says: "hz"},
	} {
		t.Run(broken.name, func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make("cache", broken.from...)
			ledger := w.write(i, bed.Light)
			w.halts(i, broken.wish, broken.says, "NodeDown")
			w.must(i.Change(w.ctx, broken.mend))
			w.must(i.AwaitRolledOut(w.ctx, toRoll))
			w.allFresh(i)
			w.kept(ledger)
		})
	}
}

// halts makes a change and fails unless it halts for one of the reasons, says this
// in words, and has replaced at most one pod.
func (w *world) halts(i *bed.Instance, wish bed.Wish, says string, reasons ...string) {
	w.Helper()
	primaries, before := w.primaries(i), w.identities(i)
	w.must(i.Change(w.ctx, wish))
	words, err := i.AwaitHold(w.ctx, toHold, says, reasons...)
	w.must(err)
	w.Logf("held: %s", words)
	w.stays(still, "at most one pod was replaced", func() bool {
		changed := 0
		for name, id := range w.identities(i) {
			if before[name] != id {
				changed++
			}
		}
		return changed <= 1
	})
	w.untouched(i, primaries, before)
}

func TestAnInstanceCreatedWithABadImageComesUpOnceMended(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i, err := cluster.Make(w.ctx, w.namespace, "cache", bed.Image("registry.invalid/valkey:none"))
	w.must(err)
	_, err = i.AwaitHold(w.ctx, toHold, "ImagePull", "NodeDown", "PodStarting", "WaitingForCopies")
	w.must(err)
	w.must(i.Change(w.ctx, bed.Version("9.1")))
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.allFresh(i)
}

// An older server may be unable to read what a newer one wrote: on its volume, or
// in what it is sent. Then the downgrade halts, and changing back undoes it.
func TestADowngradeThatCannotLoadTheDataHaltsAndIsUndone(t *testing.T) {
	t.Parallel()
	for _, data := range []struct {
		name   string
		wishes []bed.Wish
		put    [][]string
		says   string
	}{
		{name: "a dump of the newer server on the volume", says: "RDB format version"},
		{name: "data that only the newer server knows", says: "8.1", wishes: []bed.Wish{bed.InMemory()}, put: [][]string{
			{"HSET", "session", "user", "ann"},
			{"HEXPIRE", "session", "86400", "FIELDS", "1", "user"},
		}},
	} {
		t.Run(data.name, func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make("cache", append(data.wishes, bed.Version("9.1"))...)
			for _, command := range data.put {
				w.command(i, w.primary(i), command...)
			}
			ledger := w.write(i, bed.Light)
			w.halts(i, bed.Version("8.1"), data.says, "NodeDown", "NotSynced")
			w.must(i.Change(w.ctx, bed.Version("9.1")))
			w.must(i.AwaitRolledOut(w.ctx, toRoll))
			w.kept(ledger)
		})
	}
}

func TestABudgetExhaustedBySomebodyElseHoldsTheRollout(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", func(v *v1alpha1.Valkey) { v.Spec.PodDisruptionBudget.Enabled = ptr.To(false) })
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "somebody-else"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr.To(intstr.FromInt32(3)),
			Selector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/instance": i.Name}},
		},
	}
	w.must(cluster.Create(w.ctx, budget))
	ledger := w.write(i, bed.Light)
	before := w.identities(i)
	w.halts(i, bed.Restart("once"), budget.Name, "BudgetExhausted")
	w.replaced(i, before, 0)
	w.must(cluster.Delete(w.ctx, budget))
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.replaced(i, before, len(before))
	w.proven(ledger)
}

func TestAPausedRolloutStandsStillUntilItIsResumed(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Paused(true))
	before := w.identities(i)
	w.halts(i, bed.Restart("once"), "", "Paused")
	w.replaced(i, before, 0)
	w.change(i, bed.Paused(false))
	w.allFresh(i)
}
