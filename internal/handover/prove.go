package handover

import (
	"context"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// proveEvery: how often both servers are asked. The old primary's link to the
// target stands some milliseconds after the target's promotion.
const proveEvery = 5 * time.Millisecond

// prove waits until both servers say that the handover is complete.
func (h *run) prove(ctx context.Context) error {
	ctx, cancel := h.settle(ctx)
	defer cancel()
	start := time.Now()
	for {
		p := h.look(ctx)
		missing := h.missing(p)
		if missing == nil {
			h.result.Proof = time.Since(start)
			return nil
		}
		if !sleep(ctx, proveEvery) {
			return fmt.Errorf("promoted, but not proven: %w", missing)
		}
	}
}

// missing says what is not yet as it has to be.
func (h *run) missing(p pair) error {
	host, port, err := h.targetAddress()
	switch {
	case err != nil:
		return err
	case p.targetErr != nil:
		return fmt.Errorf("target: %w", p.targetErr)
	case p.oldErr != nil:
		return fmt.Errorf("old primary: %w", p.oldErr)
	case p.target.Role != valkey.RolePrimary:
		return fmt.Errorf("target says it is a %s", p.target.Role)
	case p.target.RunID != h.before.target.RunID:
		return fmt.Errorf("target has restarted meanwhile")
	case p.target.Failover != valkey.FailoverNone, paused(p.target):
		return fmt.Errorf("target takes no writes: %s, paused %s", p.target.Failover, p.target.PausedActions)
	case p.old.Role != valkey.RoleReplica:
		return fmt.Errorf("old primary says it is a %s", p.old.Role)
	case p.old.PrimaryHost != host || p.old.PrimaryPort != port:
		return fmt.Errorf("old primary follows %s:%d, not the target", p.old.PrimaryHost, p.old.PrimaryPort)
	case p.old.Failover != valkey.FailoverNone:
		return fmt.Errorf("old primary still says %s", p.old.Failover)
	case !p.old.LinkUp:
		return fmt.Errorf("old primary's link to the target is not up")
	}
	return nil
}
