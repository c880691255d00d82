package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	resolveEvery  = 10 * time.Millisecond
	glanceTimeout = 250 * time.Millisecond
	// promoteGrace is how long a demoted old primary is left alone with a target
	// that has not yet taken over, before the handover is aborted. Normally that
	// takes a millisecond; the old primary tries again ten times a second.
	promoteGrace = 500 * time.Millisecond
	// holdLimit is how long writes are held back after an abort for the sake of
	// knowing that the target has not taken over.
	holdLimit = 500 * time.Millisecond
)

// Recover brings a handover to its end that somebody else has begun and left: an
// operator that died, found by old's failover state. Nothing needs to be known of
// it. The target is whom old follows in FailoverInProgress, else any replica; one
// that cannot be dialled is passed as Absent.
func Recover(ctx context.Context, old, target Server, opt Options) (Result, error) {
	start := time.Now()
	h := newRun(old, target, opt)
	h.result.Outcome = Aborted
	h.before = h.look(ctx)
	h.result.OldRunID, h.result.TargetRunID = h.before.old.RunID, h.before.target.RunID
	if h.before.oldErr != nil {
		return h.result, fmt.Errorf("%w: old primary: %w", ErrGate, h.before.oldErr)
	}
	if h.before.old.Failover == valkey.FailoverNone {
		return h.result, fmt.Errorf("%w: %s is not failing over", ErrGate, old.Addr())
	}
	err := h.resolve(ctx, errors.New("found under way"))
	h.result.Total = time.Since(start)
	return h.result, err
}

// resolve brings a handover that went wrong to a proven end, if there is one.
func (h *run) resolve(ctx context.Context, cause error) error {
	ctx, cancel := h.settle(ctx)
	defer cancel()
	r := &resolver{run: h}
	defer r.unpause(ctx)
	known := h.before
	for {
		p := h.glance(ctx)
		if ctx.Err() != nil {
			return h.conclude(Unproven, known, cause) // the last look was cut short
		}
		known = p
		end := r.step(ctx, p)
		if end == "" && !r.heldTooLong() && sleep(ctx, resolveEvery) {
			continue
		}
		return h.conclude(end, p, cause)
	}
}

// glance is a look that does not wait long for a server that does not answer.
func (h *course) glance(ctx context.Context) pair {
	ctx, cancel := context.WithTimeout(ctx, glanceTimeout)
	defer cancel()
	return h.look(ctx)
}

func (h *course) conclude(end Outcome, p pair, cause error) error {
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
	held time.Time // since when we hold back writes on the old primary
}

// step looks at what both servers say and does at most one thing about it. It
// returns the outcome once it is proven.
func (r *resolver) step(ctx context.Context, p pair) Outcome {
	targetGone := gone(p.targetErr)
	targetPrimary := p.targetErr == nil && p.target.Role == valkey.RolePrimary
	switch {
	case p.oldErr != nil && targetPrimary:
		// The server demotes itself before it lets the target take over.
		r.promoted(ctx)
	case p.oldErr != nil:
	case p.old.Role == valkey.RolePrimary:
		if p.old.Failover == valkey.FailoverNone {
			return r.oldIsPrimary(ctx, p, targetGone, targetPrimary)
		}
		// Waiting for sync. A target that is primary was promoted by somebody else.
		r.abort(ctx)
	case targetPrimary:
		r.promoted(ctx)
		if r.missing(p) == nil {
			return Done
		}
	case p.old.Failover == valkey.FailoverInProgress:
		r.inProgress(ctx, p, targetGone)
	case p.old.Role == valkey.RoleReplica && targetGone && !r.result.Promoted:
		// The target took over, nobody was sent to it, and it has died: the old
		// primary has all that was ever acknowledged.
		_ = r.old.ReplicaOfNoOne(ctx)
	}
	return ""
}

// inProgress leaves the target the time to take over.
func (r *resolver) inProgress(ctx context.Context, p pair, targetGone bool) {
	if targetGone || r.demotedTooLong(p.old) {
		r.abort(ctx)
	}
}

// oldIsPrimary: the old primary says that it is primary and not failing over. Is
// that for good?
func (r *resolver) oldIsPrimary(ctx context.Context, p pair, targetGone, targetPrimary bool) Outcome {
	switch {
	case p.old.RunID != r.before.old.RunID:
		return Unproven // another process: nothing that was seen before counts
	case p.old.ReplID == r.before.old.ReplID && !targetPrimary:
		return Aborted // never demoted, the target was never asked
	case targetPrimary && (r.held.IsZero() || p.old.ReplID == r.before.old.ReplID):
		return Unproven // two primaries, the old one never demoted: for the repair to compare
	case targetPrimary:
		// Our abort came too late. The old one has taken no write since.
		if host, port, err := r.targetAddress(); err == nil {
			_ = r.old.ReplicaOf(ctx, host, port)
		}
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
	if r.held.IsZero() {
		r.held = time.Now()
	}
	_ = r.old.FailoverAbort(ctx)
}

func (r *resolver) heldTooLong() bool {
	return !r.held.IsZero() && time.Since(r.held) > holdLimit
}

// unpause lifts our pause on every way out.
func (r *resolver) unpause(ctx context.Context) {
	if r.held.IsZero() {
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
