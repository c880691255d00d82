package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	resolveEvery = 10 * time.Millisecond
	// promoteGrace is how long a demoted old primary is left alone with a target
	// that has not yet taken over, before the handover is aborted. Normally that
	// takes a millisecond; the old primary tries again ten times a second.
	promoteGrace = 500 * time.Millisecond
)

// resolve brings a handover that went wrong to a proven end, if there is one.
func (h *run) resolve(ctx context.Context, cause error) error {
	ctx, cancel := h.settle(ctx)
	defer cancel()
	r := &resolver{run: h, graceEnds: time.Now().Add(promoteGrace)}
	defer r.unpause(ctx)
	for {
		p := h.look(ctx)
		end := r.step(ctx, p)
		if end == "" && sleep(ctx, resolveEvery) {
			continue
		}
		return h.conclude(end, p, cause)
	}
}

func (h *run) conclude(end Outcome, p pair, cause error) error {
	switch end {
	case Done:
		h.result.Outcome = Done
		h.opt.At(PointProved)
		return nil
	case Aborted:
		h.result.Outcome = Aborted
		return fmt.Errorf("%w: %w", ErrAborted, cause)
	default:
		h.result.Outcome = Unproven
		return fmt.Errorf("%w: %s: %w", ErrUnproven, describe(p), cause)
	}
}

// resolver remembers what it has done to the servers.
type resolver struct {
	*run
	graceEnds time.Time
	pausing   bool // we hold back writes on the old primary
}

// step looks at what both servers say and does at most one thing about it. It
// returns the outcome once it is proven.
func (r *resolver) step(ctx context.Context, p pair) Outcome {
	targetGone := errors.Is(p.targetErr, valkey.ErrRefused)
	targetPrimary := p.targetErr == nil && p.target.Role == valkey.RolePrimary
	switch {
	case p.oldErr != nil:
		if targetPrimary {
			// The server demotes itself before it lets the target take over.
			r.promoted(ctx)
		}
	case p.old.Role == valkey.RolePrimary && p.old.Failover == valkey.FailoverNone:
		return r.oldIsPrimary(p, targetGone, targetPrimary)
	case targetPrimary:
		r.promoted(ctx)
		if r.missing(p) == nil {
			return Done
		}
	case p.old.Failover == valkey.FailoverWaitingForSync:
		r.abort(ctx)
	case p.old.Failover == valkey.FailoverInProgress:
		if targetGone || time.Now().After(r.graceEnds) {
			r.abort(ctx)
		}
	case p.old.Role == valkey.RoleReplica && targetGone && !r.result.Promoted:
		// The target took over, nobody was sent to it, and it has died: the old
		// primary has all that was ever acknowledged.
		_ = r.old.ReplicaOfNoOne(ctx)
	}
	return ""
}

// oldIsPrimary: the old primary says that it is primary and not failing over. Is
// that for good?
func (r *resolver) oldIsPrimary(p pair, targetGone, targetPrimary bool) Outcome {
	switch {
	case p.old.RunID != r.before.old.RunID:
		return Unproven // another process: nothing that was seen before counts
	case targetPrimary:
		return Unproven // two primaries: for the repair to decide
	case p.old.ReplID == r.before.old.ReplID:
		return Aborted // never demoted, the target was never asked
	case targetGone:
		return Aborted
	case p.targetErr == nil && p.target.ReplID == p.old.ReplID:
		return Aborted // the target follows the new history
	}
	return ""
}

// abort holds back writes first: FAILOVER ABORT makes the old server a primary
// even if the target has just become one.
func (r *resolver) abort(ctx context.Context) {
	if err := r.old.PauseWrites(ctx, r.opt.SettleTimeout); err != nil {
		return
	}
	r.pausing = true
	_ = r.old.FailoverAbort(ctx)
}

// unpause lifts our pause on every way out.
func (r *resolver) unpause(ctx context.Context) {
	if !r.pausing {
		return
	}
	ctx, cancel := r.settle(ctx)
	defer cancel()
	for r.old.Unpause(ctx) != nil && sleep(ctx, resolveEvery) {
	}
}

// describe tells what is known of both servers, for whoever reads the error.
func describe(p pair) string {
	return fmt.Sprintf("old primary: %s; target: %s", describeOne(p.old, p.oldErr), describeOne(p.target, p.targetErr))
}

func describeOne(info valkey.Info, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case info.Role == valkey.RoleReplica:
		return fmt.Sprintf("replica of %s:%d, link up %t, %s", info.PrimaryHost, info.PrimaryPort, info.LinkUp, info.Failover)
	}
	return fmt.Sprintf("%s, %s, paused %s", info.Role, info.Failover, info.PausedActions)
}
