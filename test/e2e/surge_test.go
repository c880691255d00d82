package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

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
