package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

const (
	// toReplace is a generous bound for the promotion of another primary: a silence of
	// spec.recovery.downAfter, by default 5 s, has to pass first.
	toReplace = time.Minute
	// toDemote bounds how long two servers may be writable once both are reachable.
	toDemote = 5 * time.Second
	// mostLost of a ledger's light load is more than was ever on its way to a replica.
	mostLost = 50
)

// onTestbed skips a test that breaks what only the test bed lets us break.
func (w *world) onTestbed() {
	w.Helper()
	if cluster.Settings.Kind != "testbed" {
		w.Skip(bed.ErrNoTestbed)
	}
}

// replacedPrimary waits until another pod is primary, and says which and after what
// time.
func (w *world) replacedPrimary(i *bed.Instance, old string) (heir string, after time.Duration) {
	w.Helper()
	began := time.Now()
	w.must(bed.Await(w.ctx, toReplace, func(ctx context.Context) (bool, string, error) {
		v, err := i.Get(ctx)
		heir = v.Status.Primary
		return heir != "" && heir != old, fmt.Sprintf("%q is primary", heir), err
	}))
	return heir, time.Since(began)
}

// bounded stops a ledger after an unplanned loss. What had not reached a replica is
// lost, and not more; nothing else is.
func (w *world) bounded(l *bed.Ledger) report.Run {
	w.Helper()
	w.must(l.AwaitWrites(w.ctx, 200))
	run := w.read(l)
	w.Logf("longest gap %.0f ms; lost %d of %d, diverged %d, interleaved %d", run.LongestGapMs, run.Lost, run.Acknowledged, run.Diverged, run.Interleaved)
	if run.Lost > mostLost || run.Acknowledged == 0 {
		w.Errorf("%s: %s", run.Verdict, run.Sentence())
	}
	return run
}

// onlyPrimary waits until one server alone says that it is primary, and says how long
// that took.
func (w *world) onlyPrimary(i *bed.Instance, limit time.Duration) time.Duration {
	w.Helper()
	began := time.Now()
	w.must(bed.Await(w.ctx, limit, func(context.Context) (bool, string, error) {
		primaries := w.sayPrimary(i)
		return len(primaries) == 1, fmt.Sprintf("%v say that they are primary", primaries), nil
	}))
	return time.Since(began)
}

// sayPrimary are the pods whose servers say so. Who does not answer says nothing.
func (w *world) sayPrimary(i *bed.Instance) []string {
	var out []string
	for _, p := range w.pods(i) {
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		role, err := i.Command(ctx, p.Name, "ROLE")
		cancel()
		if err == nil && strings.HasPrefix(role, "master") {
			out = append(out, p.Name)
		}
	}
	return out
}

// inFlight is more keys than are ever on their way to a replica of a ledger's light load.
const inFlight = 100

// sameEverywhere waits until each server of an instance holds as many keys as its
// primary, which is some. Writes may go on: what is on its way does not count.
func (w *world) sameEverywhere(i *bed.Instance) {
	w.Helper()
	w.must(i.AwaitReady(w.ctx, toRoll))
	for _, p := range w.pods(i) {
		w.must(bed.Await(w.ctx, time.Minute, func(ctx context.Context) (bool, string, error) {
			want, err := w.keys(ctx, i, w.primary(i))
			if err != nil {
				return false, "", err
			}
			have, err := w.keys(ctx, i, p.Name)
			return have > 0 && have+inFlight >= want && have <= want+inFlight, fmt.Sprintf("%s holds %d keys, the primary %d", p.Name, have, want), err
		}))
	}
}

func (w *world) keys(ctx context.Context, i *bed.Instance, pod string) (int, error) {
	out, err := i.Command(ctx, pod, "DBSIZE")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// failedOver fails unless the status tells of the failover, in words.
func (w *world) failedOver(i *bed.Instance, from, to string) {
	w.Helper()
	v, err := i.Get(w.ctx)
	w.must(err)
	f := v.Status.LastFailover
	if f == nil || f.From != from || f.To != to || f.Why == "" {
		w.Errorf("status.lastFailover is %+v, and %s took the place of %s", f, to, from)
		return
	}
	w.Logf("why: %s", f.Why)
}

// loss is the end of a primary that nobody has announced.
type loss struct {
	end func() error
	// undo is nil for what Kubernetes undoes by itself.
	undo func(ctx context.Context) error
	// alone is how long two servers may be writable after that.
	alone time.Duration
}

// loses has an instance lose its primary under writes, until another one is in its place,
// the old one follows it, and nothing is lost but what was on its way.
func (w *world) loses(i *bed.Instance, ledger *bed.Ledger, old string, l loss) (heir string, run report.Run) {
	w.Helper()
	w.must(ledger.AwaitWrites(w.ctx, 500))
	if l.undo != nil {
		w.Cleanup(func() { _ = l.undo(context.WithoutCancel(w.ctx)) })
	}
	w.must(l.end())
	heir, after := w.replacedPrimary(i, old)
	w.Logf("%s was replaced by %s after %s", old, heir, after.Round(10*time.Millisecond))
	if l.undo != nil {
		w.must(ledger.AwaitWrites(w.ctx, 500))
		w.must(l.undo(w.ctx))
		took := w.onlyPrimary(i, l.alone)
		w.Logf("one primary alone within %s of its return", took.Round(10*time.Millisecond))
	}
	w.sameEverywhere(i)
	if now := w.primary(i); now != heir {
		w.Errorf("the primary is %s, and clients were led to %s", now, heir)
	}
	return heir, w.bounded(ledger)
}

func TestAKilledPrimaryIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	w := enter(t)
	w.onTestbed()
	i := w.make("cache")
	ledger, old := w.write(i, bed.Light), w.primary(i)
	heir, run := w.loses(i, ledger, old, loss{end: func() error { return i.Process(w.ctx, "kill", old) }})
	w.failedOver(i, old, heir)
	if run.LongestGapMs > 10_000 {
		t.Errorf("no write was acknowledged for %.0f ms", run.LongestGapMs)
	}
}

// A server that stands still is silent, and no less primary than before. When it goes
// on it still believes that it is: for a moment there are two.
func TestAFrozenPrimaryIsReplacedAndDemotedWhenItGoesOn(t *testing.T) {
	t.Parallel()
	w := enter(t)
	w.onTestbed()
	i := w.make("cache")
	ledger, old := w.write(i, bed.Light), w.primary(i)
	heir, _ := w.loses(i, ledger, old, loss{
		end:   func() error { return i.Process(w.ctx, "freeze", old) },
		undo:  func(ctx context.Context) error { return i.Process(ctx, "thaw", old) },
		alone: toDemote,
	})
	w.failedOver(i, old, heir)
}

// A stall that is shorter than spec.recovery.downAfter is no loss.
func TestAShortStallPromotesNobody(t *testing.T) {
	t.Parallel()
	w := enter(t)
	w.onTestbed()
	i := w.make("cache")
	ledger := w.write(i, bed.Light)
	old := w.primary(i)
	for range 3 {
		w.must(i.Process(w.ctx, "freeze", old))
		time.Sleep(2 * time.Second) // the stall's length
		w.must(i.Process(w.ctx, "thaw", old))
		w.must(ledger.AwaitWrites(w.ctx, 200))
	}
	if now := w.primary(i); now != old {
		t.Errorf("%s was promoted in the place of %s, which had only stalled", now, old)
	}
	w.proven(ledger)
}

// primaryElsewhere makes the primary's host another one than the operator's, by a
// user's own FAILOVER.
func (w *world) primaryElsewhere(i *bed.Instance) (primary corev1.Pod, operators string) {
	w.Helper()
	operators, err := cluster.OperatorHost(w.ctx)
	w.must(err)
	w.must(bed.Await(w.ctx, toCome, func(ctx context.Context) (bool, string, error) {
		name, err := i.Primary(ctx)
		if err != nil {
			return false, "", err
		}
		for _, p := range w.pods(i) {
			if p.Name == name {
				primary = p
			}
		}
		if primary.Spec.NodeName != operators {
			return true, "", nil
		}
		_, err = i.Command(ctx, name, "FAILOVER", "TIMEOUT", "5000")
		return false, fmt.Sprintf("%s is on %s, the operator on %s; FAILOVER: %v", name, primary.Spec.NodeName, operators, err), nil
	}))
	w.must(i.AwaitReady(w.ctx, toCome))
	return primary, operators
}

// The primary's whole host is cut off, with the kubelet on it.
func TestAPrimaryWhoseHostIsCutOffIsReplacedAndFollowsWhenItIsBack(t *testing.T) {
	w := enter(t)
	w.onTestbed()
	i := w.make("cache")
	primary, operators := w.primaryElsewhere(i)
	ledger := w.write(i, bed.Load{Writers: bed.Light.Writers, Rate: bed.Light.Rate, Host: operators})
	heir, _ := w.loses(i, ledger, primary.Name, loss{
		end:   func() error { return cluster.Node(w.ctx, "cut", primary.Spec.NodeName) },
		undo:  func(ctx context.Context) error { return cluster.Node(ctx, "heal", primary.Spec.NodeName) },
		alone: toCome, // the host's link takes a while to be used again
	})
	w.failedOver(i, primary.Name, heir)
}

// The operator is cut off together with the replica on its host. It sees one server of
// three, and no operator sees a reason to promote anybody.
func TestAnOperatorThatIsCutOffPromotesNobody(t *testing.T) {
	w := enter(t)
	w.onTestbed()
	i := w.make("cache")
	primary, operators := w.primaryElsewhere(i)
	ledger := w.write(i, bed.Load{Writers: bed.Light.Writers, Rate: bed.Light.Rate, Host: primary.Spec.NodeName})
	w.must(ledger.AwaitWrites(w.ctx, 500))
	w.must(cluster.Node(w.ctx, "cut", operators))
	heal := func() error { return cluster.Node(context.WithoutCancel(w.ctx), "heal", operators) }
	t.Cleanup(func() { _ = heal() })
	w.stays(20*time.Second, "the primary takes writes", func() bool {
		return w.command(i, primary.Name, "SET", "still", "writable") == "OK"
	})
	w.must(heal())
	w.must(cluster.AwaitOperator(w.ctx))
	w.must(i.AwaitReady(w.ctx, toRoll))
	if now := w.primary(i); now != primary.Name {
		t.Errorf("%s was promoted in the place of %s", now, primary.Name)
	}
	w.proven(ledger)
}

// The primary does not let the operator in, and serves everybody else.
func TestAPrimaryThatOnlyTheOperatorDoesNotSeeIsKept(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("cache")
	ledger := w.write(i, bed.Light)
	primary := w.primary(i)
	w.command(i, primary, "ACL", "SETUSER", v1alpha1.OperatorUser, "off")
	w.command(i, primary, "CLIENT", "KILL", "USER", v1alpha1.OperatorUser)
	_, err := i.AwaitHold(w.ctx, toHold, "", "PrimaryNotVisible")
	w.must(err)
	w.stays(20*time.Second, "the primary takes writes", func() bool {
		return w.command(i, primary, "SET", "still", "writable") == "OK"
	})
	w.command(i, primary, "ACL", "SETUSER", v1alpha1.OperatorUser, "on")
	w.must(i.AwaitReady(w.ctx, toCome))
	if now := w.primary(i); now != primary {
		t.Errorf("%s was promoted in the place of %s", now, primary)
	}
	w.proven(ledger)
}
