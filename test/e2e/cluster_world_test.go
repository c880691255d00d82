package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// What Kubernetes may need to bring so many pods back, and slots to move.
const toHeal = 8 * time.Minute

// light finds what was lost in a cluster: each shard gets some writes in every
// tenth of a second.
var light = bed.Load{Writers: 8, Rate: 400, Expect: 1}

// sharded makes a Cluster and waits until it is whole.
func (w *world) sharded(name string, shards, replicas int32, wishes ...bed.Wish) *bed.Instance {
	w.Helper()
	i := w.make(name, append([]bed.Wish{bed.Sharded(shards, replicas)}, wishes...)...)
	w.whole(i)
	return i
}

// whole waits until all servers of a cluster see the same members, all linked,
// all slots owned, and each shard led by one of its own.
func (w *world) whole(i *bed.Instance) {
	w.Helper()
	w.must(bed.Await(w.ctx, toHeal, func(ctx context.Context) (bool, string, error) {
		flaws, err := i.Flaws(ctx)
		return len(flaws) == 0, strings.Join(flaws, "\n"), err
	}))
}

// settles waits until the newest wish has reached every server of a cluster, and
// it is whole.
func (w *world) settles(i *bed.Instance) {
	w.Helper()
	w.must(i.AwaitRolledOut(w.ctx, toHeal))
	w.whole(i)
	w.allFresh(i)
}

// oneHandoverEach fails unless a roll is complete, and the role moved once in
// each shard. It returns the gaps, in ms.
func (w *world) oneHandoverEach(run report.Run, mark string) []float64 {
	w.Helper()
	at := slices.IndexFunc(run.Rolls, func(r report.Roll) bool { return r.Mark == mark })
	if at < 0 {
		w.Errorf("the ledger saw no roll named %q", mark)
		return nil
	}
	roll := run.Rolls[at]
	var gaps []float64
	times := map[string]int{}
	for _, h := range within(run.Handovers, roll) {
		times[h.Shard]++
		gaps = append(gaps, h.GapMs)
		w.Logf("%s: %s: gap %.1f ms, worst writer %.1f ms, our own stall %.1f ms", mark, h.Shard, h.GapMs, h.WorstClientGapMs, h.StallMs)
	}
	for _, s := range run.Shards {
		if times[s.Name] != 1 {
			w.Errorf("%s: the role moved %d times in %s, wanted once", mark, times[s.Name], s.Name)
		}
	}
	if !roll.Complete {
		w.Errorf("%s: the roll was not seen to complete", mark)
	}
	w.Logf("%s: roll %.1f s, unavoidable %.1f s", mark, roll.RollSeconds, roll.UnavoidableSeconds)
	return gaps
}

// guarded does something while every shard is watched: it fails if there is a
// moment at which none of a shard's pods is in service.
func (w *world) guarded(i *bed.Instance, do func()) {
	w.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	var watching sync.WaitGroup
	looks := 0
	watching.Go(func() {
		for ctx.Err() == nil {
			pods, err := i.Pods(ctx)
			if err == nil && len(pods) > 0 {
				looks++
			}
			for _, shard := range unserved(pods) {
				w.Errorf("no pod of %s was in service", shard)
			}
			if err != nil && ctx.Err() == nil {
				w.Logf("look at the pods: %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	do()
	stop()
	watching.Wait()
	if looks == 0 {
		w.Error("not one look at the pods succeeded: nothing was watched")
	}
}

// unserved are the shards of which no pod is Ready and stays.
func unserved(pods []corev1.Pod) []string {
	served := map[string]bool{}
	for _, p := range pods {
		shard := p.Labels[v1alpha1.ShardLabel]
		served[shard] = served[shard] || (p.DeletionTimestamp == nil && ready(p))
	}
	var none []string
	for shard, is := range served {
		if !is {
			none = append(none, shard)
		}
	}
	return none
}

func ready(p corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// replicaOf is a pod of a shard that does not lead it.
func (w *world) replicaOf(i *bed.Instance, shard int) corev1.Pod {
	w.Helper()
	name := i.ShardName(shard)
	primary := w.primaries(i)[name]
	for _, p := range w.pods(i) {
		if strings.HasPrefix(p.Name, name+"-") && p.Name != primary {
			return p
		}
	}
	w.Fatalf("%s has no replica", name)
	return corev1.Pod{}
}

// led are the pods that lead the first shards of a cluster.
func (w *world) led(i *bed.Instance, shards int) []corev1.Pod {
	w.Helper()
	primaries := w.primaries(i)
	var led []corev1.Pod
	for _, p := range w.pods(i) {
		for k := range shards {
			if primaries[i.ShardName(k)] == p.Name {
				led = append(led, p)
			}
		}
	}
	return led
}

// untilReplaced waits until a rollout has come so far that a pod is another one.
func (w *world) untilReplaced(i *bed.Instance, before map[string]string) {
	w.Helper()
	w.must(bed.Await(w.ctx, toRoll, func(ctx context.Context) (bool, string, error) {
		now, err := i.Identities(ctx)
		for name, id := range now {
			if before[name] != id {
				return true, "", err
			}
		}
		return false, "no pod was replaced", err
	}))
}

// balanced fails if a shard's slots are further from the even share than 2 %, or
// a node is listed that is none.
func (w *world) balanced(run report.Run, shards int) {
	w.Helper()
	owners := 0
	for _, s := range run.Shards {
		if s.Slots > 0 {
			owners++
		}
	}
	if owners != shards || len(run.Cluster.Strays) > 0 || run.Cluster.SlotsCovered != v1alpha1.Slots || run.Cluster.ImbalancePercent > 2 {
		w.Errorf("%d shards with slots, %d slots, %.2f %% off the even share, strays %v",
			owners, run.Cluster.SlotsCovered, run.Cluster.ImbalancePercent, run.Cluster.Strays)
	}
	for _, move := range run.Cluster.Moves {
		w.Logf("%d slots went from %s to %s in %.1f s", move.Slots, move.From, move.To, (move.LastMs-move.FirstMs)/1000)
	}
}

func names(pods []corev1.Pod) string {
	var all []string
	for _, p := range pods {
		all = append(all, fmt.Sprintf("%s on %s", p.Name, p.Spec.NodeName))
	}
	return strings.Join(all, ", ")
}

func TestAShardWithoutAPodInServiceIsTold(t *testing.T) {
	pod := func(shard string, is corev1.ConditionStatus) corev1.Pod {
		p := corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: is}}}}
		p.Labels = map[string]string{v1alpha1.ShardLabel: shard}
		return p
	}
	got := unserved([]corev1.Pod{
		pod("one", corev1.ConditionTrue), pod("one", corev1.ConditionFalse), pod("two", corev1.ConditionFalse),
	})
	if !slices.Equal(got, []string{"two"}) {
		t.Errorf("unserved are %v", got)
	}
}
