package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// Limits are generous: they tell "never" from "slow", and slow machines exist.
const (
	toCome = 3 * time.Minute
	toRoll = 6 * time.Minute
	toHold = 3 * time.Minute
)

// world is a test's own namespace.
type world struct {
	*testing.T
	ctx       context.Context
	namespace string
}

// enter makes a namespace for a test. When the test fails, what there is to know
// of the namespace is logged and kept; it goes with the test otherwise.
func enter(t *testing.T) *world {
	t.Helper()
	if cluster == nil {
		t.Skip("no Kubernetes: KUBECONFIG and VALKEEPER_OPERATOR_IMAGE are not set; make test-e2e sets them")
	}
	began := time.Now()
	namespace, err := cluster.MakeNamespace(t.Context(), "e2e")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: t.Context(), namespace: namespace}
	t.Cleanup(func() { w.leave(began) })
	return w
}

func (w *world) leave(began time.Time) {
	// The test's own context has ended by now.
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	if w.Failed() {
		short, err := cluster.Diagnose(ctx, w.namespace, w.folder(), began)
		w.Logf("%s\n%v", short, err)
	}
	if w.Failed() && os.Getenv("VALKEEPER_KEEP_FAILED") == "1" {
		w.Logf("namespace %s is kept", w.namespace)
		return
	}
	if err := cluster.DropNamespace(ctx, w.namespace); err != nil {
		w.Errorf("drop the namespace %s: %v", w.namespace, err)
	}
}

// folder is where the files of this test go.
func (w *world) folder() string {
	return filepath.Join(cluster.Settings.Out, "e2e", strings.ReplaceAll(w.Name(), "/", "_"))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// make makes an instance and waits until it is in service.
func (w *world) make(name string, wishes ...bed.Wish) *bed.Instance {
	w.Helper()
	i, err := cluster.Make(w.ctx, w.namespace, name, wishes...)
	w.must(err)
	w.must(i.AwaitReady(w.ctx, toCome))
	return i
}

// write starts a ledger on an instance.
func (w *world) write(i *bed.Instance, load bed.Load) *bed.Ledger {
	w.Helper()
	l, err := i.Write(w.ctx, load)
	w.must(err)
	return l
}

// proven stops a ledger and fails unless every acknowledged write is everywhere.
func (w *world) proven(l *bed.Ledger) report.Run {
	w.Helper()
	run := w.read(l)
	if run.Verdict != report.Proven {
		w.Errorf("%s: %s\nproblems: %v\nread back: %+v", run.Verdict, run.Sentence(), run.Problems, run.ReadBack)
	}
	return run
}

// kept is proven for a run in which a pod was replaced before it ever served, or an extra
// one came and went: its rollout has no end that could be timed.
func (w *world) kept(l *bed.Ledger) report.Run {
	w.Helper()
	run := w.read(l)
	untimed := func(problem string) bool { return strings.Contains(problem, "was not complete when the run ended") }
	if run.Verdict == report.Violated || run.Acknowledged == 0 || !every(run.Problems, untimed) {
		w.Errorf("%s: %s\nproblems: %v\nread back: %+v", run.Verdict, run.Sentence(), run.Problems, run.ReadBack)
	}
	return run
}

func every(all []string, is func(string) bool) bool {
	return !slices.ContainsFunc(all, func(one string) bool { return !is(one) })
}

// read stops a ledger and keeps its report.
func (w *world) read(l *bed.Ledger) report.Run {
	w.Helper()
	run, err := l.Stop(w.ctx)
	w.must(err)
	w.must(report.Report{Topology: run.Topology, Runs: []report.Run{run}}.WriteTo(
		filepath.Join(w.folder(), run.Strategy)))
	w.Logf("%s (%d writes, %.0f/s, errors %v, %d handovers)",
		run.Sentence(), run.Acknowledged, run.Rate, run.Errors, len(run.Handovers))
	return run
}

// change changes an instance and waits until the change has reached every node.
func (w *world) change(i *bed.Instance, wishes ...bed.Wish) {
	w.Helper()
	w.changeWhile(i, func() {}, wishes...)
}

// changeWhile does something to it in the middle of that.
func (w *world) changeWhile(i *bed.Instance, meanwhile func(), wishes ...bed.Wish) {
	w.Helper()
	before := w.identities(i)
	w.must(i.Change(w.ctx, wishes...))
	meanwhile()
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.replaced(i, before, len(before))
}

func (w *world) identities(i *bed.Instance) map[string]string {
	w.Helper()
	ids, err := i.Identities(w.ctx)
	w.must(err)
	return ids
}

// replaced fails unless that many pods are others than before.
func (w *world) replaced(i *bed.Instance, before map[string]string, wanted int) {
	w.Helper()
	var names []string
	for name, id := range w.identities(i) {
		if before[name] != id {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) != wanted {
		w.Errorf("pods that were replaced: %v, wanted %d", names, wanted)
	}
}

// untouched fails if a primary's role moved, or its pod is another one.
func (w *world) untouched(i *bed.Instance, primaries, before map[string]string) {
	w.Helper()
	now, pods := w.primaries(i), w.identities(i)
	for shard, primary := range primaries {
		if now[shard] != primary {
			w.Errorf("the primary's role moved from %s to %s", primary, now[shard])
		}
		if pods[primary] != before[primary] {
			w.Errorf("the primary's pod %s was replaced", primary)
		}
	}
}

// primaries are the pods by the names of their shards.
func (w *world) primaries(i *bed.Instance) map[string]string {
	w.Helper()
	primaries, err := i.Primaries(w.ctx)
	w.must(err)
	return primaries
}

func (w *world) primary(i *bed.Instance) string {
	w.Helper()
	name, err := i.Primary(w.ctx)
	w.must(err)
	return name
}

func (w *world) pods(i *bed.Instance) []corev1.Pod {
	w.Helper()
	pods, err := i.Pods(w.ctx)
	w.must(err)
	return pods
}

func (w *world) command(i *bed.Instance, pod string, command ...string) string {
	w.Helper()
	out, err := i.Command(w.ctx, pod, command...)
	w.must(err)
	return out
}

// stays fails if something ceases to be so within a while.
func (w *world) stays(span time.Duration, what string, so func() bool) {
	w.Helper()
	w.must(bed.Throughout(w.ctx, span, func(context.Context) (bool, string, error) {
		return so(), "no longer so: " + what, nil
	}))
}

// reason is that of a condition.
func (w *world) reason(i *bed.Instance, condition string) string {
	w.Helper()
	v, err := i.Get(w.ctx)
	w.must(err)
	c := meta.FindStatusCondition(v.Status.Conditions, condition)
	if c == nil {
		w.Fatalf("%s has no condition %s", i.Name, condition)
	}
	return c.Reason
}

// allFresh fails unless the status shows every node fresh, and the wished number.
func (w *world) allFresh(i *bed.Instance) {
	w.Helper()
	v, err := i.Get(w.ctx)
	w.must(err)
	if want := int(v.Spec.NodeCount() * v.Spec.ShardCount()); len(v.Status.Nodes) != want {
		w.Errorf("status.nodes has %d entries, wanted %d", len(v.Status.Nodes), want)
	}
	for _, n := range v.Status.Nodes {
		if !n.Fresh || !n.Ready || !n.Synced || n.Role == v1alpha1.RoleUnknown {
			w.Errorf("status of %s: %+v", n.Name, n)
		}
	}
}
