package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

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
