package handover

import (
	"context"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// What a node tells another goes over a connection that it has opened itself, and
// on which the other does not answer: a vote and the news of a new primary are
// such. The server does not ask for TCP_NODELAY on it (valkey 9.1 src/anet.c
// anetTcpGenericConnect, EINPROGRESS), so a message that is shorter than a segment
// waits until the one before it has been confirmed, and with nothing to send that
// way itself the other's kernel confirms after 40 ms: Nagle's algorithm and delayed
// ACK. That happens in each handover, as the news of the new primary follows the
// request for votes; and the old primary holds back writes until it has that news.
// Messages are about 2.3 KB, so it happens where segments are longer than that:
// jumbo frames, loopback.
//
// A nudge is something more for the target to tell all others. As soon as a full
// segment waits, it is sent, with all that waited before it.
var nudges = []int{1600, 9000, 66000} // segments of 1.5 KB, 9 KB and 64 KiB frames

const (
	// nudgeAfter is how long a handover may take without being hastened.
	nudgeAfter = 3 * time.Millisecond
	nudgeEvery = time.Millisecond
	// nudgeLater is the pace once a full segment of every size has been sent.
	nudgeLater = 20 * time.Millisecond
)

// nudger spaces the nudges of one phase.
type nudger struct {
	*clusterRun
	next time.Time
	sent int
}

func newNudger(h *clusterRun) *nudger {
	return &nudger{clusterRun: h, next: time.Now().Add(nudgeAfter)}
}

// nudge makes the target speak, if it is time to.
func (n *nudger) nudge(ctx context.Context) {
	now := time.Now()
	if now.Before(n.next) {
		return
	}
	size := nudges[min(n.sent, len(nudges)-1)]
	if err := n.target.Nudge(ctx, size); err != nil {
		n.result.NudgeErr = err
	}
	n.result.Nudges++
	n.sent++
	n.next = now.Add(nudgeEvery)
	if n.sent >= len(nudges) {
		n.next = now.Add(nudgeLater)
	}
}

// spread hastens the news of the promotion until the old primary has it, and
// returns how long after the first request that was, or 0 if it was not seen.
func (h *clusterRun) spread(ctx context.Context) time.Duration {
	ctx, cancel := h.settle(ctx)
	defer cancel()
	nudger := &nudger{clusterRun: h}
	for {
		role, err := h.old.Role(ctx)
		switch {
		case err == nil && role.Role == valkey.RoleReplica:
			return time.Since(h.sent)
		case gone(err):
			return 0
		}
		nudger.nudge(ctx)
		if !sleep(ctx, askEvery) {
			return 0
		}
	}
}
