package handover

import (
	"context"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// resolve waits for how a handover ends that has not ended well. Nothing is forced
// and nothing can be called off: the servers give up by themselves, the target
// when its time limit has passed, the old primary a little later, and then it
// takes writes again.
func (h *clusterRun) resolve(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.limit+h.opt.SettleTimeout)
	defer cancel()
	known := h.before
	for {
		p := h.glance(ctx)
		if ctx.Err() != nil {
			return h.conclude(Unproven, known, cause) // the last look was cut short
		}
		known = p
		if p.targetErr != nil {
			h.fence(ctx)
		}
		switch {
		case p.targetErr == nil && p.target.Role == valkey.RolePrimary:
			return h.finish(ctx)
		case p.oldErr == nil && p.old.RunID != h.before.old.RunID:
			return h.conclude(Unproven, p, cause) // another process: nothing that was seen before counts
		case h.calledOff(p):
			return h.conclude(Aborted, p, cause)
		}
		if !sleep(ctx, resolveEvery) {
			return h.conclude(Unproven, p, cause)
		}
	}
}

// calledOff: the old primary takes writes again, and the target can no longer take
// over. What it has begun, it has given up when its time is over, even if it was
// frozen meanwhile: it looks at the clock before it counts votes. If it had won
// already, nobody believes it any more (cluster_fence.go, which tells what is left). But
// a request that it has not answered may lie unread with it, and begin when it thaws.
func (h *clusterRun) calledOff(p pair) bool {
	oldAgain := p.oldErr == nil && p.old.Role == valkey.RolePrimary && !paused(p.old)
	over := time.Since(h.last) > h.limit+expiryMargin
	unread := h.open && p.targetErr != nil && !gone(p.targetErr)
	answers := p.targetErr == nil
	return oldAgain && !unread && (answers || h.fenced) && (over || gone(p.targetErr))
}
