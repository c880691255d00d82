package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/chaos"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// toBeWell is how long an instance may take until all is well again. It is generous:
// it tells "never" from "slow".
const toBeWell = 6 * time.Minute

// act is an episode that is being played.
type act struct {
	*stage
	episode chaos.Episode
	// host is the ledger's.
	host string

	mu      sync.Mutex
	outcome chaos.Outcome
	watcher chaos.Watch
	// hit are pods that cannot be asked now, and how often they were hit.
	hit   map[string]int
	undos []*undo
	// calm is since when no fault is on, zero before and while one is.
	calm time.Time
	// pods are those of the servers that were seen, by run id.
	pods map[string]string
}

func (a *act) breaks(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outcome.Break(what)
}

// run plays the episode. What goes wrong on the way is its error; promises that were
// not kept are noted.
func (a *act) run(ctx context.Context) error {
	ledger, err := a.begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	if ledger != nil {
		a.see(ctx)
		watch.Go(func() { a.watch(watching) })
	}
	a.outcome.Began = time.Now()
	err = a.breakThings(ctx)
	if err == nil {
		err = a.getsWell(ctx)
	}
	stop()
	watch.Wait()
	a.outcome.Looks = a.watcher.Looks
	if err != nil || ledger == nil {
		return err
	}
	return a.readBack(ctx, ledger)
}

// breakThings lets the operator do what it shall be doing, and does the faults.
func (a *act) breakThings(ctx context.Context) error {
	if err := a.meanwhile(ctx); err != nil {
		return err
	}
	struck := make([]chaos.Struck, len(a.episode.Faults))
	var faults sync.WaitGroup
	for k, f := range a.episode.Faults {
		faults.Go(func() { struck[k] = a.strike(ctx, f) })
	}
	faults.Wait()
	a.outcome.Struck = struck
	a.mu.Lock()
	a.calm = time.Now()
	a.mu.Unlock()
	for _, s := range struck {
		say("    %s: %s %s", s.Fault, strings.Join(s.Pods, ", "), s.Note)
	}
	return ctx.Err()
}

// meanwhile gives the operator something to do.
func (a *act) meanwhile(ctx context.Context) error {
	switch a.episode.During {
	case chaos.Roll:
		return a.instance.Change(ctx, bed.Restart("episode "+a.episode.Name()))
	case chaos.Scale:
		return a.instance.Change(ctx, a.sized(1))
	default:
		return nil
	}
}

// sized wishes for so much more than usual: a shard, or a replica.
func (a *act) sized(more int32) bed.Wish {
	if a.round.Setup.Topology == chaos.Cluster {
		return bed.Shards(int32(a.round.Setup.Shards) + more)
	}
	return bed.Replicas(int32(a.round.Setup.Replicas) + more)
}

// getsWell waits until all is well, and sees what is left.
func (a *act) getsWell(ctx context.Context) error {
	well, err := a.awaitWell(ctx)
	if err != nil {
		a.breaks(fmt.Sprintf("NOT WELL %s after the last fault: %v", toBeWell, err))
		return nil
	}
	ended := a.outcome.Began
	for _, s := range a.outcome.Struck {
		if s.Ended.After(ended) {
			ended = s.Ended
		}
	}
	a.outcome.HealedSeconds = max(well.Sub(ended).Seconds(), 0)
	if a.episode.During == chaos.Scale {
		// What was added goes again, with nothing in its way.
		if err := a.instance.Change(ctx, a.sized(0)); err != nil {
			return err
		}
		if _, err := a.awaitWell(ctx); err != nil {
			a.breaks(fmt.Sprintf("NOT WELL %s after scaling back: %v", toBeWell, err))
			return nil
		}
	}
	if a.episode.During == chaos.Form {
		return nil
	}
	missing, err := a.instance.Unfilled(ctx, filler)
	if missing > 0 {
		a.breaks(fmt.Sprintf("LOST %d keys that were there long before", missing))
	}
	return err
}

// steady is how long all has to be well without a break: what was broken a moment ago
// may not have been noticed yet.
const steady = 5 * time.Second

// awaitWell waits until the instance, its pods and its servers all say that it is well,
// and says since when.
func (a *act) awaitWell(ctx context.Context) (since time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, toBeWell)
	defer cancel()
	last := "nothing"
	for ctx.Err() == nil {
		flaws, err := a.flaws(ctx)
		switch {
		case len(flaws) > 0:
			since, last = time.Time{}, strings.Join(flaws, "\n")
		case err != nil && ctx.Err() == nil:
			since, last = time.Time{}, err.Error()
		case err == nil && since.IsZero():
			since = time.Now()
		}
		if !since.IsZero() && time.Since(since) > steady {
			break
		}
		until(ctx, time.Now().Add(time.Second))
	}
	if since.IsZero() || ctx.Err() != nil {
		return since, fmt.Errorf("%w; last seen: %s", bed.ErrTimeout, last)
	}
	if a.round.Setup.Topology != chaos.Watched {
		return since, nil
	}
	asked := time.Now()
	err = a.instance.AwaitExact(ctx, toBeWell)
	if time.Since(asked) > steady {
		since = time.Now() // the Sentinels were the last
	}
	return since, err
}

// flaws are what keeps the instance from being well.
func (a *act) flaws(ctx context.Context) ([]string, error) {
	v, err := a.instance.Get(ctx)
	if err != nil {
		return nil, err
	}
	flaws := flawsOf(v)
	pods, err := a.instance.Pods(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range pods {
		if p.DeletionTimestamp != nil || !ready(p) {
			flaws = append(flaws, p.Name+" is not Ready, or goes")
		}
	}
	if len(flaws) > 0 {
		return flaws, nil // whom to ask what is not known
	}
	look, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	flaws = chaos.Unsettled(look, int(v.Spec.ShardCount()))
	if v.Spec.IsCluster() {
		more, err := a.instance.Flaws(ctx)
		return append(flaws, more...), err
	}
	return flaws, nil
}

// flawsOf is what the status lacks of what is wished for.
func flawsOf(v *v1alpha1.Valkey) []string {
	var flaws []string
	for _, kind := range []string{v1alpha1.ConditionRolledOut, v1alpha1.ConditionReady} {
		c := meta.FindStatusCondition(v.Status.Conditions, kind)
		if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != v.Generation {
			flaws = append(flaws, "not "+kind+": "+bed.Summary(v))
		}
	}
	if want := int(v.Spec.NodeCount() * v.Spec.ShardCount()); len(v.Status.Nodes) != want {
		flaws = append(flaws, fmt.Sprintf("status.nodes has %d entries, wanted %d", len(v.Status.Nodes), want))
	}
	primaries := 0
	for _, n := range v.Status.Nodes {
		if !n.Fresh || !n.Ready || !n.Synced {
			flaws = append(flaws, fmt.Sprintf("status of %s: %+v", n.Name, n))
		}
		if n.Role == v1alpha1.RolePrimary {
			primaries++
		}
	}
	if primaries != int(v.Spec.ShardCount()) {
		flaws = append(flaws, fmt.Sprintf("%d primaries, wanted %d", primaries, v.Spec.ShardCount()))
	}
	return flaws
}

// readBack stops the ledger, and judges by what it saw.
func (a *act) readBack(ctx context.Context, ledger *bed.Ledger) error {
	if err := ledger.AwaitWrites(ctx, 200); err != nil {
		a.breaks("NOT WELL: writes are not acknowledged: " + err.Error())
	}
	if err := ledger.AwaitServed(ctx); err != nil {
		a.breaks("NOT WELL: " + err.Error())
	}
	run, err := ledger.Stop(ctx)
	if err != nil {
		return err
	}
	a.name(&run)
	a.outcome.Take(run)
	chaos.Judge(&a.outcome, run)
	return report.Report{Topology: run.Topology, Runs: []report.Run{run}}.WriteTo(filepath.Join(chaosFolder(), a.episode.Name()))
}

// name puts in the pods' names where only we have seen whose a run id is.
func (a *act) name(run *report.Run) {
	for n := range run.ReadBack {
		for k, absent := range run.ReadBack[n].Absent {
			if absent.Pod == "" {
				run.ReadBack[n].Absent[k].Pod = a.pods[absent.RunID]
			}
		}
	}
	for n, h := range run.Handovers {
		if h.From == h.FromRunID {
			run.Handovers[n].From = cmp.Or(a.pods[h.FromRunID], h.From)
		}
		if h.To == h.ToRunID {
			run.Handovers[n].To = cmp.Or(a.pods[h.ToRunID], h.To)
		}
	}
}

// undo takes back what a fault has done, once.
type undo struct {
	once sync.Once
	what string
	do   func(context.Context) error
	err  error
}

func (u *undo) now(ctx context.Context) error {
	u.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if u.err = u.do(ctx); u.err != nil {
			u.err = fmt.Errorf("%s could not be undone: %w", u.what, u.err)
		}
	})
	return u.err
}

// later remembers how to undo something.
func (a *act) later(what string, do func(context.Context) error) *undo {
	u := &undo{what: what, do: do}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.undos = append(a.undos, u)
	return u
}

// undoAll undoes what is not undone yet, the last first.
func (a *act) undoAll() {
	var errs []error
	for _, u := range slices.Backward(a.undos) {
		errs = append(errs, u.now(a.ctx))
	}
	if err := errors.Join(errs...); err != nil {
		a.breaks(err.Error())
	}
}
