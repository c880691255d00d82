package handover

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// ackWait is how long the check gives a target to acknowledge what it has: by
	// itself it does so once a second, and its line at the primary is that old.
	ackWait  = 100 * time.Millisecond
	ackEvery = 2 * time.Millisecond
)

// check asks both servers whether the handover may begin, and returns the line
// under which the old primary knows the target.
func (h *course) check(ctx context.Context) (valkey.ReplicaLine, error) {
	host, port, err := h.targetAddress()
	if err != nil {
		return valkey.ReplicaLine{}, err
	}
	deadline := time.Now().Add(ackWait)
	var ackErr error
	for {
		p := h.look(ctx)
		line, lag, err := gates(p, host, port)
		if err != nil {
			return line, err
		}
		h.before, h.result.Lag = p, lag
		h.result.OldRunID, h.result.TargetRunID = p.old.RunID, p.target.RunID
		// Offset 0 of many: synced, but nothing acknowledged yet (8.1, for up to a second).
		if lag <= h.opt.MaxLag && (line.Offset > 0 || p.old.Offset == 0) {
			return line, nil
		}
		if time.Now().After(deadline) || !sleep(ctx, ackEvery) {
			return line, lagError(line, lag, h.opt.MaxLag, ackErr)
		}
		// Only now: an acknowledgement under way delays the one that counts (see bursts).
		ackErr = h.to.GetAck(ctx, 1)
	}
}

func lagError(line valkey.ReplicaLine, lag, maxLag int64, ackErr error) error {
	err := fmt.Errorf("target %s:%d has acknowledged offset %d, %d bytes behind, allowed are %d",
		line.Host, line.Port, line.Offset, lag, maxLag)
	if ackErr != nil {
		return fmt.Errorf("%w (asking it to acknowledge: %w)", err, ackErr)
	}
	return err
}

func (h *course) targetAddress() (string, int, error) {
	if h.opt.TargetHost != "" && h.opt.TargetPort != 0 {
		return h.opt.TargetHost, h.opt.TargetPort, nil
	}
	host, portText, err := net.SplitHostPort(h.to.Addr())
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.Atoi(portText)
	return host, port, err
}

// gates are what must be so on the servers themselves. Lag is for the caller to
// judge: it moves.
func gates(p pair, host string, port int) (valkey.ReplicaLine, int64, error) {
	var none valkey.ReplicaLine
	switch {
	case p.oldErr != nil:
		return none, 0, fmt.Errorf("old primary: %w", p.oldErr)
	case p.targetErr != nil:
		return none, 0, fmt.Errorf("target: %w", p.targetErr)
	case p.old.Role != valkey.RolePrimary:
		return none, 0, fmt.Errorf("old primary says it is a %s", p.old.Role)
	case p.old.Failover != valkey.FailoverNone:
		return none, 0, fmt.Errorf("old primary is failing over already: %s", p.old.Failover)
	case paused(p.old):
		return none, 0, fmt.Errorf("old primary is paused by somebody: %s, %s", p.old.PausedActions, p.old.PausedReason)
	case p.target.Role != valkey.RoleReplica:
		return none, 0, fmt.Errorf("target says it is a %s", p.target.Role)
	case p.target.Loading, p.target.SyncInProgress:
		return none, 0, fmt.Errorf("target is loading or in a full sync")
	case !p.target.LinkUp:
		return none, 0, fmt.Errorf("target's link to its primary is down")
	case p.target.ReplID != p.old.ReplID:
		return none, 0, fmt.Errorf("target follows history %s, the old primary's is %s", p.target.ReplID, p.old.ReplID)
	}
	line, err := targetLine(p.old.Replicas, host, port)
	return line, p.old.Offset - line.Offset, err
}

func targetLine(lines []valkey.ReplicaLine, host string, port int) (valkey.ReplicaLine, error) {
	for _, line := range lines {
		if line.Host != host || line.Port != port {
			continue
		}
		if line.State != valkey.ReplicaOnline {
			return line, fmt.Errorf("target %s:%d is %s at the old primary", host, port, line.State)
		}
		return line, nil
	}
	return valkey.ReplicaLine{}, fmt.Errorf("old primary shows no replica at %s:%d", host, port)
}

// paused: 8.1 and later say it.
func paused(info valkey.Info) bool {
	return info.PausedActions != "" && info.PausedActions != "none"
}
