package valkey

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// SentinelInfo is what a Sentinel says of itself.
type SentinelInfo struct {
	// RunID is the process's; the Sentinel's identity is SentinelID.
	RunID   string
	Version string
	// Primaries is how many it monitors.
	Primaries int
	// Tilt: it has seen time jump and does nothing for half a minute.
	Tilt bool
}

// SentinelInfo asks the Sentinel about itself. A data node has no answer to it:
// ErrMalformed.
func (n *Node) SentinelInfo(ctx context.Context) (SentinelInfo, error) {
	text, err := n.readText(ctx, "INFO", "server", "sentinel")
	if err != nil {
		return SentinelInfo{}, err
	}
	info, err := ParseSentinelInfo(text)
	return info, wrap(n.addr, "INFO", err)
}

// ParseSentinelInfo reads the text of INFO with the sections server and sentinel.
func ParseSentinelInfo(text string) (SentinelInfo, error) {
	f := splitInfo(text)
	info := SentinelInfo{
		RunID:     f.must("run_id"),
		Version:   f.must("valkey_version"),
		Primaries: int(f.mustInt("sentinel_masters")),
		Tilt:      f.mustInt("sentinel_tilt") != 0,
	}
	return info, f.err
}

// SentinelID is the Sentinel's identity, 40 hexadecimal digits: by it the others
// tell it from a new one.
func (n *Node) SentinelID(ctx context.Context) (string, error) {
	return n.readText(ctx, "SENTINEL", "MYID")
}

// SentinelCheckQuorum returns nil if, as far as this Sentinel sees, so many of them
// are there that they can find a primary down and agree on a failover, and else
// ErrNoQuorum.
func (n *Node) SentinelCheckQuorum(ctx context.Context, name string) error {
	result, err := n.read(ctx, "SENTINEL", "CKQUORUM", name)
	if err != nil {
		return err
	}
	text, err := result.ToString()
	if err != nil || !strings.HasPrefix(text, "OK") {
		return wrap(n.addr, "SENTINEL CKQUORUM", fmt.Errorf("%w: %q", ErrMalformed, text))
	}
	return nil
}

// SentinelMonitor makes the Sentinel monitor the primary at host:port under a name
// (ErrPrimaryExists). It finds replicas and other Sentinels by itself, within some
// seconds; its configuration epoch begins at 0, so that it believes whatever others
// say. With a password needed it can do nothing until SentinelSet.
func (n *Node) SentinelMonitor(ctx context.Context, name, host string, port, quorum int) error {
	return n.expectOK(ctx, "SENTINEL", "MONITOR", name, host, strconv.Itoa(port), strconv.Itoa(quorum))
}

// SentinelRemove makes the Sentinel forget the primary and all that belongs to it.
// The others go on to count this Sentinel.
func (n *Node) SentinelRemove(ctx context.Context, name string) error {
	return n.expectOK(ctx, "SENTINEL", "REMOVE", name)
}

// Setting is one option of SENTINEL SET or CONFIG SET.
type Setting struct{ Name, Value string }

// SentinelSet changes how the Sentinel treats the primary of that name:
// down-after-milliseconds, failover-timeout, parallel-syncs, quorum, auth-user,
// auth-pass and so on. It changes this Sentinel alone, and not atomically: what
// stands before a bad setting is changed.
func (n *Node) SentinelSet(ctx context.Context, name string, settings ...Setting) error {
	return n.expectOK(ctx, settingArgs([]string{"SENTINEL", "SET", name}, settings)...)
}

// SentinelConfigSet changes what is not about one primary: announce-ip,
// sentinel-user, sentinel-pass, resolve-hostnames and so on.
func (n *Node) SentinelConfigSet(ctx context.Context, settings ...Setting) error {
	return n.expectOK(ctx, settingArgs([]string{"SENTINEL", "CONFIG", "SET"}, settings)...)
}

func settingArgs(args []string, settings []Setting) []string {
	for _, s := range settings {
		args = append(args, s.Name, s.Value)
	}
	return args
}

// SentinelReset makes the Sentinel forget the replicas and the other Sentinels of
// the primary of that name, and a failover of its own that is under way; it finds
// those again that are there. Until then it can neither promote a replica nor reach
// a quorum. The name must hold no pattern.
func (n *Node) SentinelReset(ctx context.Context, name string) error {
	result, err := n.do(ctx, "SENTINEL", "RESET", name)
	if err != nil {
		return err
	}
	count, err := result.ToInt64()
	switch {
	case err != nil:
		return wrap(n.addr, "SENTINEL RESET", fmt.Errorf("%w: %w", ErrMalformed, err))
	case count == 0:
		return wrap(n.addr, "SENTINEL RESET", ErrNoSuchPrimary)
	}
	return nil
}

// SentinelFailover makes the Sentinel promote a replica at once, without asking the
// others and without holding back writes: what the old primary acknowledges from
// then on, for some eight seconds and more, is lost. Only for a primary that takes
// no writes. ErrSentinelBusy, ErrNoGoodReplica.
func (n *Node) SentinelFailover(ctx context.Context, name string) error {
	return n.expectOK(ctx, "SENTINEL", "FAILOVER", name)
}

// SentinelFailoverCoordinated makes the Sentinel have itself elected and then ask
// the primary to hold back writes and hand over to a replica of the Sentinel's
// choice. Writes stay held back until the Sentinel has seen the new role in its
// INFO (once a second), at most for its failover-timeout: lift it earlier with
// Unpause. From 9.0 on (9.1.0 may crash), else ErrUnsupported. ErrSentinelBusy and
// ErrNoGoodReplica are of this Sentinel alone: ask the same one again.
func (n *Node) SentinelFailoverCoordinated(ctx context.Context, name string) error {
	return n.expectOK(ctx, "SENTINEL", "FAILOVER", name, "COORDINATED")
}
