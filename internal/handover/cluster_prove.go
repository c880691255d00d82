package handover

import (
	"context"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// prove waits until both servers, and a majority of the primaries, say that the
// handover is complete.
func (h *clusterRun) prove(ctx context.Context) error {
	ctx, cancel := h.settle(ctx)
	defer cancel()
	start := time.Now()
	for {
		missing := h.missing(ctx)
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
func (h *clusterRun) missing(ctx context.Context) error {
	host, port, err := h.targetAddress()
	p := h.look(ctx)
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
	case paused(p.target):
		return fmt.Errorf("target takes no writes: paused %s, %s", p.target.PausedActions, p.target.PausedReason)
	case p.old.Role != valkey.RoleReplica:
		return fmt.Errorf("old primary says it is a %s", p.old.Role)
	case p.old.PrimaryHost != host || p.old.PrimaryPort != port:
		return fmt.Errorf("old primary follows %s:%d, not the target", p.old.PrimaryHost, p.old.PrimaryPort)
	case !p.old.LinkUp:
		return fmt.Errorf("old primary's link to the target is not up")
	}
	return h.agreed(ctx)
}

// agreed: a majority of the primaries see the target with all that the old primary
// owned, and that one as its replica.
func (h *clusterRun) agreed(ctx context.Context) error {
	agree, voters := 0, len(h.voters)
	var last error
	for _, v := range views(ctx, append([]ClusterServer{h.target}, h.peers...)) {
		if v.err != nil {
			last = v.err
			continue
		}
		// The target votes in the old primary's place.
		id := v.self().ID
		if id != h.targetID && (id == h.oldID || !h.voters[id]) {
			continue
		}
		if err := h.handedOver(v); err != nil {
			last = err
			continue
		}
		agree++
	}
	if agree <= voters/2 {
		return fmt.Errorf("only %d of %d primaries agree: %w", agree, voters, last)
	}
	return nil
}

func (h *clusterRun) handedOver(v view) error {
	target, _ := v.of(h.targetID)
	old, _ := v.of(h.oldID)
	switch {
	case !target.Primary:
		return fmt.Errorf("%s does not see the target as a primary", v.addr)
	case slotText(target.Slots) != h.slots:
		return fmt.Errorf("%s sees slots %s at the target, the old primary had %s", v.addr, slotText(target.Slots), h.slots)
	case old.PrimaryID != h.targetID:
		return fmt.Errorf("%s does not see the old primary as the target's replica", v.addr)
	}
	return nil
}
