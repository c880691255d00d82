package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// lone are the changes that a single server is rolled for.
var lone = []change{
	{"image change", bed.Version("9.1")},
	{"config change", bed.Setting("slowlog-max-len", "256")},
	{"restart token", bed.Restart("once")},
}

// A single server hands over to an extra one, and takes its role back. The control
// is the same image in a StatefulSet that nobody looks after.
func TestAStandaloneIsRolledWithoutAnOutage(t *testing.T) {
	w := enter(t)
	for _, storage := range []struct {
		name    string
		durable bool
		wishes  []bed.Wish
	}{
		{"volume", true, nil},
		{"memory", false, []bed.Wish{bed.InMemory()}},
	} {
		w.Logf("with its data in: %s", storage.name)
		surged := w.surged("single-"+storage.name, storage.wishes...)
		w.slower(medianGap(surged), w.plain("plain-"+storage.name, storage.durable))
	}
}

// surged rolls the changes out over a single server, under writes.
func (w *world) surged(name string, wishes ...bed.Wish) report.Run {
	w.Helper()
	i := w.make(name, append(wishes, bed.Standalone(), bed.Version("8.1"))...)
	w.must(i.Fill(w.ctx, 10<<20))
	ledger := w.write(i, bed.Measured)
	for _, change := range lone {
		w.must(ledger.Mark(w.ctx, change.name))
		w.change(i, change.wish)
		w.allFresh(i)
		w.onlyClaims(i)
		w.must(ledger.AwaitWrites(w.ctx, 1000))
		if reason := w.reason(i, v1alpha1.ConditionRolledOut); reason != "Complete" {
			w.Errorf("%s: RolledOut has reason %s", change.name, reason)
		}
	}
	run := w.proven(ledger)
	for _, change := range lone {
		w.twoHandovers(run, change.name, i.Name+"-0", i.Name+"-1")
	}
	return run
}

// twoHandovers fails unless the role went to the extra pod in a roll, and back.
func (w *world) twoHandovers(run report.Run, mark, first, extra string) {
	w.Helper()
	for _, roll := range run.Rolls {
		if roll.Mark != mark {
			continue
		}
		handovers := within(run.Handovers, roll)
		if len(handovers) != 2 || !roll.Complete {
			w.Errorf("%s: complete %t, %d handovers, wanted two: %+v", mark, roll.Complete, len(handovers), handovers)
			return
		}
		there, back := handovers[0], handovers[1]
		w.Logf("%s: gap %.1f ms there and %.1f ms back, worst writer %.1f ms and %.1f ms; roll %.1f s, unavoidable %.1f s", mark,
			there.GapMs, back.GapMs, there.WorstClientGapMs, back.WorstClientGapMs, roll.RollSeconds, roll.UnavoidableSeconds)
		if there.To != extra || back.To != first {
			w.Errorf("%s: the role went to %s and then to %s, wanted %s and back to %s", mark, there.To, back.To, extra, first)
		}
		return
	}
	w.Errorf("the ledger saw no roll named %q", mark)
}

// onlyClaims fails unless the instance's claims are soon those of its pods alone.
func (w *world) onlyClaims(i *bed.Instance) {
	w.Helper()
	v, err := i.Get(w.ctx)
	w.must(err)
	wanted := 0
	if v.Spec.Storage != nil {
		wanted = int(v.Spec.NodeCount() * v.Spec.ShardCount())
	}
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		claims, err := i.Claims(ctx)
		return len(claims) == wanted, fmt.Sprintf("claims %v, wanted %d", claims, wanted), err
	}))
}

// plain rolls the image change out as a StatefulSet does. Without a volume it loses
// everything: that is why there is an operator.
func (w *world) plain(name string, durable bool) report.Run {
	w.Helper()
	p, err := cluster.MakePlain(w.ctx, w.namespace, name, "8.1", durable)
	w.must(err)
	ledger, err := p.Write(w.ctx, bed.Measured)
	w.must(err)
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	w.must(ledger.Mark(w.ctx, "image change"))
	w.must(p.Roll(w.ctx, "9.1"))
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	run := w.read(ledger)
	w.Logf("%s: gap %.1f ms, %d of %d writes lost", name, run.LongestGapMs, run.Lost, run.Acknowledged)
	if !durable && run.Lost == 0 {
		w.Errorf("the measurement proves nothing: a plain StatefulSet without a volume has lost nothing")
	}
	return run
}

// The extra pod has no room: nothing is touched, and the spec alone undoes it.
func TestAnExtraPodWithoutRoomHoldsEverything(t *testing.T) {
	t.Parallel()
	nowhere := bed.Host("valkeeper.io/test", "nowhere")
	for _, undo := range []struct {
		name   string
		wish   bed.Wish
		reason string
	}{
		{"the change is taken back", bed.Host("", ""), "Complete"},
		{"another change has room", func(v *v1alpha1.Valkey) {
			bed.Host("", "")(v)
			bed.Restart("mended")(v)
		}, "Complete"},
	} {
		t.Run(undo.name, func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make("single", bed.Standalone())
			before := w.identities(i)
			ledger := w.write(i, bed.Light)
			w.halts(i, nowhere, "spec.rollout.surge", "NodeDown", "PodStarting")
			w.must(i.Change(w.ctx, undo.wish))
			w.must(i.AwaitRolledOut(w.ctx, toRoll))
			w.allFresh(i)
			w.onlyClaims(i)
			if undo.name == "the change is taken back" && w.identities(i)["single-0"] != before["single-0"] {
				t.Error("the only server was restarted although its change was taken back")
			}
			if reason := w.reason(i, v1alpha1.ConditionRolledOut); reason != undo.reason {
				t.Errorf("RolledOut has reason %s", reason)
			}
			w.kept(ledger)
		})
	}
}

// refusedLong is how long a pod is refused: by then the StatefulSet controller, left alone,
// waits for more than a minute before it tries again, and from then on for longer.
const refusedLong = 90 * time.Second

// triedSoon is how soon a pod has to be there once it is not refused any more.
const triedSoon = 50 * time.Second

// A quota refuses the extra pod: nothing is touched, and the quota is named. Once it has gone
// the rollout goes on by itself, and soon.
func TestAQuotaThatRefusesTheExtraPodIsNamedAndWaitedFor(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("single", bed.Standalone())
	before := w.identities(i)
	ledger := w.write(i, bed.Light)
	quota := w.full(0)
	w.halts(i, bed.Restart("once"), "exceeded quota: "+quota.Name, "NodeDown")
	w.replaced(i, before, 0)
	w.troubled(i, "exceeded quota: "+quota.Name)
	w.stays(refusedLong, "no pod was made or replaced", func() bool { return maps.Equal(w.identities(i), before) })
	w.must(cluster.Delete(w.ctx, quota))
	w.comes(i, "single-1")
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.allFresh(i)
	w.onlyClaims(i)
	w.kept(ledger)
}

// The quota becomes too small in the midst of the roll: the pod that was restarted is refused,
// while the extra one has the role. That one stays, and nothing is lost.
func TestAQuotaThatRefusesTheRestartedPodIsNamedAndWaitedFor(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("single", bed.Standalone())
	ledger := w.write(i, bed.Light)
	w.must(i.Change(w.ctx, bed.Restart("once")))
	w.comes(i, "single-1")
	quota := w.full(1)
	words, err := i.AwaitHold(w.ctx, toHold, "exceeded quota: "+quota.Name, "NodeDown")
	w.must(err)
	w.Logf("held: %s", words)
	w.troubled(i, "exceeded quota: "+quota.Name)
	w.stays(refusedLong, "the extra pod is primary", func() bool { return w.primary(i) == "single-1" })
	w.must(cluster.Delete(w.ctx, quota))
	w.comes(i, "single-0")
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.allFresh(i)
	w.onlyClaims(i)
	w.kept(ledger)
}

// full gives the namespace a quota of as many pods as it has, or of so many fewer, which
// touches none of those. It waits until the quota is enforced with its own words.
func (w *world) full(fewer int) *corev1.ResourceQuota {
	w.Helper()
	var pods corev1.PodList
	w.must(cluster.List(w.ctx, &pods, client.InNamespace(w.namespace)))
	limit := *resource.NewQuantity(int64(len(pods.Items)-fewer), resource.DecimalSI)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tight"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: limit}},
	}
	w.must(cluster.Create(w.ctx, quota))
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		err := cluster.Get(ctx, client.ObjectKeyFromObject(quota), quota)
		_, enforced := quota.Status.Hard[corev1.ResourcePods]
		return enforced, "the quota is not enforced yet", err
	}))
	return quota
}

// troubled fails unless Degraded and an event of the instance soon say so.
func (w *world) troubled(i *bed.Instance, says string) {
	w.Helper()
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		v, err := i.Get(ctx)
		if err != nil {
			return false, "", err
		}
		var events corev1.EventList
		if err := cluster.List(ctx, &events, client.InNamespace(w.namespace)); err != nil {
			return false, "", err
		}
		told := slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.InvolvedObject.Kind == v1alpha1.Kind && e.Reason == "NodeDown" && strings.Contains(e.Message, says)
		})
		c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionDegraded)
		degraded := c != nil && c.Reason == "NodeTrouble" && strings.Contains(c.Message, says)
		return told && degraded, fmt.Sprintf("an event tells of it: %t; %s", told, bed.Summary(v)), nil
	}))
}

// comes fails unless a pod of that name is soon there.
func (w *world) comes(i *bed.Instance, pod string) {
	w.Helper()
	began := time.Now()
	w.must(bed.Await(w.ctx, triedSoon, func(ctx context.Context) (bool, string, error) {
		ids, err := i.Identities(ctx)
		return ids[pod] != "", fmt.Sprintf("there are %v", ids), err
	}))
	w.Logf("%s was there after %s", pod, time.Since(began).Round(time.Second))
}

// While the extra pod has no room the lone server crashes: nobody waits for a copy that never
// was.
func TestALoneServerServesAgainThoughItsExtraPodHasNoRoom(t *testing.T) {
	t.Parallel()
	w := enter(t)
	w.onTestbed()
	i := w.make("single", bed.Standalone(), bed.LogWrites())
	ledger := w.write(i, bed.Light)
	w.halts(i, bed.Host("valkeeper.io/test", "nowhere"), "spec.rollout.surge", "NodeDown", "PodStarting")
	victim := w.primary(i)
	w.must(ledger.Note(w.ctx, "kill "+victim))
	w.must(i.Process(w.ctx, "kill", victim))
	w.must(ledger.AwaitWrites(w.ctx, 500))
	w.must(i.Change(w.ctx, bed.Host("", "")))
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.onlyClaims(i)
	w.nothingLost(ledger)
}

// An extra pod that may not come any more leaves, and nothing was touched; a paused
// rollout then stays where it is.
func TestAnExtraPodThatIsNotWishedForAnyMoreLeaves(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Replicas(1))
	before := w.identities(i)
	ledger := w.write(i, bed.Light)
	w.halts(i, bed.Host("valkeeper.io/test", "nowhere"), "spec.rollout.surge", "NodeDown", "PodStarting")
	w.must(i.Change(w.ctx, bed.Surge(v1alpha1.SurgeNever), bed.Host("", "")))
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.onlyClaims(i)
	w.replaced(i, before, 0)
	w.kept(ledger)
}

// Where one replica is all there is, the extra pod is the second copy while it
// restarts: never fewer than two pods are in service by our doing.
func TestAPairIsNeverLeftWithOneCopy(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache", bed.Replicas(1))
	ledger := w.write(i, bed.Light)
	w.must(i.Change(w.ctx, bed.Restart("once")))
	fewest := len(w.pods(i))
	w.must(bed.Await(w.ctx, toRoll, func(ctx context.Context) (bool, string, error) {
		pods, err := i.Pods(ctx)
		if err != nil {
			return false, "", err
		}
		fewest = min(fewest, inService(pods))
		v, err := i.Get(ctx)
		if err != nil {
			return false, "", err
		}
		return strings.HasPrefix(v.Status.Rollout, "Complete") && v.Status.ObservedGeneration == v.Generation, bed.Summary(v), nil
	}))
	if fewest < 2 {
		t.Errorf("at times %d pods were in service", fewest)
	}
	w.onlyClaims(i)
	w.allFresh(i)
	w.proven(ledger)
}

// Somebody deletes the StatefulSet while the extra pod is primary, and the other one has
// what it had when it was restarted: the newer copy comes back as well, and is promoted.
func TestAStatefulSetThatIsDeletedInMidSurgeLosesNothing(t *testing.T) {
	t.Parallel()
	for _, cascade := range []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	} {
		t.Run(string(cascade), func(t *testing.T) {
			t.Parallel()
			w := enter(t)
			i := w.make("single", bed.Standalone(), bed.LogWrites())
			w.must(i.Fill(w.ctx, 10<<20))
			ledger := w.write(i, bed.Light)
			w.must(ledger.AwaitWrites(w.ctx, 500))
			w.must(i.Change(w.ctx, bed.Restart("once")))
			w.must(bed.Await(w.ctx, toRoll, func(ctx context.Context) (bool, string, error) {
				primary, err := i.Primary(ctx)
				return primary == "single-1", primary + " is primary", err
			}))
			set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: i.Namespace, Name: i.Name}}
			w.must(ledger.Note(w.ctx, "delete the StatefulSet"))
			w.must(i.Cluster.Delete(w.ctx, set, client.PropagationPolicy(cascade)))
			w.must(ledger.AwaitWrites(w.ctx, 500))
			w.must(i.AwaitRolledOut(w.ctx, toRoll))
			w.onlyClaims(i)
			w.wellAgain(i)
			w.allFresh(i)
			if primary := w.primary(i); primary != "single-0" {
				t.Errorf("%s is primary in the end", primary)
			}
			w.must(ledger.AwaitWrites(w.ctx, 100))
			w.nothingLost(ledger)
		})
	}
}

func inService(pods []corev1.Pod) int {
	count := 0
	for _, p := range pods {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
				count++
			}
		}
	}
	return count
}
