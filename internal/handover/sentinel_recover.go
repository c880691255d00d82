package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// RecoverSentinel brings a handover to its end that somebody else has begun and left:
// an operator that died, or the Sentinel that was asked. It is for an old primary
// that is failing over, or is paused, or follows a target of which the Sentinels do
// not know. A pause that no failover needs is lifted in any case. ErrAborted means
// that the old primary is primary and takes writes; ErrGate that nothing was to be
// done, or that a Sentinel's own failover has yet to reach the servers.
func RecoverSentinel(ctx context.Context, old, target Server, sentinels []SentinelServer, opt SentinelOptions) (SentinelResult, error) {
	start := time.Now()
	h := newSentinelRun(old, target, sentinels, opt)
	err := h.recover(ctx)
	h.res.Result = h.result
	h.res.Total = time.Since(start)
	return h.res, err
}

func (h *sentinelRun) recover(ctx context.Context) error {
	h.before = h.look(ctx)
	h.result.OldRunID, h.result.TargetRunID = h.before.old.RunID, h.before.target.RunID
	if h.before.oldErr != nil {
		return fmt.Errorf("%w: old primary: %w", ErrGate, h.before.oldErr)
	}
	if err := h.nameTarget(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	h.views = lookAtSentinels(ctx, h.sentinels, h.sopt.Name)
	busy := h.busySentinel()
	h.res.Way = WayDirect
	if busy != nil {
		h.res.Way, h.asked, h.res.Asked = WayCoordinated, busy, busy.server.Addr()
	}
	if paused(h.before.old) || h.before.old.Failover != valkey.FailoverNone {
		defer h.letGo(ctx)
	}
	switch old := h.before.old; {
	case old.Failover != valkey.FailoverNone:
		return h.finishFailover(ctx)
	case old.Role == valkey.RoleReplica && old.PrimaryHost == h.res.TargetHost && old.PrimaryPort == h.res.TargetPort:
		return h.finishTelling(ctx)
	case busy != nil && busy.primary.FailoverState != valkey.SentinelWaitPromotion:
		return fmt.Errorf("%w: sentinel %s: %w: %s", ErrGate, h.res.Asked, valkey.ErrSentinelBusy, busy.primary.FailoverState)
	case old.Role == valkey.RolePrimary && paused(old):
		return fmt.Errorf("%w: found paused, and let go", ErrAborted)
	}
	return fmt.Errorf("%w: nothing to be recovered: %s", ErrGate, describe(h.before))
}

// nameTarget settles the target's address as others know it.
func (h *sentinelRun) nameTarget() (err error) {
	h.res.TargetHost, h.res.TargetPort, err = h.targetAddress()
	return err
}

// busySentinel is one that runs a failover of this primary.
func (h *sentinelRun) busySentinel() *sentinelView {
	for i, v := range h.views {
		if v.primary.Flags.FailoverInProgress {
			return &h.views[i]
		}
	}
	return nil
}

// finishFailover sees the servers' failover through, or ends it.
func (h *sentinelRun) finishFailover(ctx context.Context) error {
	cause := h.awaitTarget(ctx)
	if cause == nil {
		h.promoted(ctx)
		cause = h.prove(ctx)
	}
	if cause != nil {
		if err := h.resolve(ctx, cause); err != nil {
			return err
		}
	}
	h.result.Outcome = Done
	return h.agree(ctx)
}

// finishTelling is for servers that have finished, and Sentinels that may not know.
func (h *sentinelRun) finishTelling(ctx context.Context) error {
	if h.before.targetErr != nil || h.before.target.Role != valkey.RolePrimary {
		return fmt.Errorf("%w: %s", ErrUnproven, describe(h.before))
	}
	h.promoted(ctx)
	if err := h.prove(ctx); err != nil {
		return h.conclude(Unproven, h.glance(context.WithoutCancel(ctx)), err)
	}
	h.result.Outcome = Done
	return h.agree(ctx)
}

// TellSentinels brings Sentinels that name another server, or monitor none, to name
// the primary; its address is that of Options.TargetHost and TargetPort. The caller
// has to know that it is the only one. OnPromoted is not called.
func TellSentinels(ctx context.Context, primary Server, sentinels []SentinelServer, opt SentinelOptions) (SentinelResult, error) {
	start := time.Now()
	opt.OnPromoted = nil
	h := newSentinelRun(primary, primary, sentinels, opt)
	err := h.tell(ctx)
	h.res.Result = h.result
	h.res.Total = time.Since(start)
	return h.res, err
}

func (h *sentinelRun) tell(ctx context.Context) error {
	h.res.Way = WayDirect
	info, err := h.target.Info(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrGate, err)
	case info.Role != valkey.RolePrimary || info.Failover != valkey.FailoverNone:
		return fmt.Errorf("%w: %s is no primary, or is failing over", ErrGate, h.target.Addr())
	}
	if err := h.nameTarget(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	h.views = lookAtSentinels(ctx, h.sentinels, h.sopt.Name)
	if busy := h.busySentinel(); busy != nil {
		return fmt.Errorf("%w: sentinel %s: %w", ErrGate, busy.server.Addr(), valkey.ErrSentinelBusy)
	}
	if err := h.lendSettings(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	h.promotedAt = time.Now()
	h.hellos(ctx)
	h.result.Outcome = Done
	return h.agree(ctx)
}

// lendSettings gives Sentinels without a monitor what another one's has.
func (h *sentinelRun) lendSettings() error {
	var lender *valkey.SentinelPrimary
	for i := range h.views {
		if h.views[i].primary.Quorum > 0 {
			lender = &h.views[i].primary
		}
	}
	if lender == nil {
		return errors.New("no sentinel monitors that name: there is nothing to make a monitor like")
	}
	for i := range h.views {
		if errors.Is(h.views[i].err, valkey.ErrNoSuchPrimary) {
			h.views[i].primary = *lender
		}
	}
	return nil
}
