package valkey

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// ReplicaOf makes the server a replica of host:port. It returns before the link
// stands. Refused with ErrFailoverInProgress while the server is failing over.
func (n *Node) ReplicaOf(ctx context.Context, host string, port int) error {
	return n.expectOK(ctx, "REPLICAOF", host, strconv.Itoa(port))
}

// ReplicaOfNoOne makes the server a primary at once, whatever it has missed: by
// itself it is no handover.
func (n *Node) ReplicaOfNoOne(ctx context.Context) error {
	return n.expectOK(ctx, "REPLICAOF", "NO", "ONE")
}

// Failover starts handing the primary's role to the replica at host:port, which
// must be written exactly as this primary shows it (ReplicaLine.Host). From its
// answer on the server is paused for writes, until the target has taken over or
// timeout has passed: the server itself then goes back to what it was.
// The timeout bounds only the waiting for the target to have everything
// (valkey 9.1 src/replication.c updateFailoverStatus).
func (n *Node) Failover(ctx context.Context, host string, port int, timeout time.Duration) error {
	ms := max(timeout.Milliseconds(), 1)
	return n.expectOK(ctx, "FAILOVER", "TO", host, strconv.Itoa(port), "TIMEOUT", strconv.FormatInt(ms, 10))
}

// FailoverAbort ends a failover. Beware: in state FailoverInProgress it makes the
// server a primary again even if the target has become one already
// (valkey 9.1 src/replication.c abortFailover).
func (n *Node) FailoverAbort(ctx context.Context) error {
	return n.expectOK(ctx, "FAILOVER", "ABORT")
}

// PauseWrites holds back all commands that write, for d at most. A second pause
// never shortens the first.
func (n *Node) PauseWrites(ctx context.Context, d time.Duration) error {
	ms := max(d.Milliseconds(), 1)
	return n.expectOK(ctx, "CLIENT", "PAUSE", strconv.FormatInt(ms, 10), "WRITE")
}

// Unpause lifts a pause made by PauseWrites (and by Sentinel), not one made by
// Failover: that one ends with the failover.
func (n *Node) Unpause(ctx context.Context) error {
	return n.expectOK(ctx, "CLIENT", "UNPAUSE")
}

// RewriteLog has the append-only file written anew, in the background.
func (n *Node) RewriteLog(ctx context.Context) error {
	_, err := n.do(ctx, "BGREWRITEAOF")
	return err
}

// ConfigGet returns the settings that match the pattern.
func (n *Node) ConfigGet(ctx context.Context, pattern string) (map[string]string, error) {
	result, err := n.read(ctx, "CONFIG", "GET", pattern)
	if err != nil {
		return nil, err
	}
	settings, err := result.AsStrMap()
	if err != nil {
		return nil, wrap(n.addr, "CONFIG GET", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return settings, nil
}

// SetReplicaPriority says how readily Sentinels promote this node: the lowest goes
// first, 0 never. They see it within 10 s (within 1 s while its link is down).
func (n *Node) SetReplicaPriority(ctx context.Context, priority int) error {
	return n.expectOK(ctx, "CONFIG", "SET", "replica-priority", strconv.Itoa(priority))
}
