package valkey

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	client "github.com/valkey-io/valkey-go"
)

// A Sentinel is dialled like any server, at its own port, and answers the commands
// of this file and of sentinel_commands.go. Servers still say master and slave in
// what they send; here it is primary and replica.

// SentinelPrimary is what a Sentinel says of the primary that it monitors under a name.
type SentinelPrimary struct {
	Name string
	// Host and Port as the Sentinel tells them to clients: a name with
	// announce-hostnames, else an IP address.
	Host  string
	Port  int
	RunID string // of the primary's process; empty until its first INFO
	Flags SentinelFlags
	// FailoverState is empty unless a failover is in progress: see the constants.
	FailoverState SentinelFailoverState
	// RoleReported by the primary's last INFO, which is InfoAge old; 0 means that
	// there was none yet.
	RoleReported Role
	InfoAge      time.Duration
	// AnswerAge is how long ago it last answered a PING, or was made known. It is sent one
	// each second.
	AnswerAge time.Duration
	// ConfigEpoch orders what Sentinels say of the primary's address: the higher wins.
	ConfigEpoch int64
	// Replicas and OtherSentinels are counts, those included that are down.
	Replicas       int
	OtherSentinels int
	Quorum         int
	// What SENTINEL SET has set.
	DownAfter, FailoverTimeout time.Duration
	ParallelSyncs              int
}

// SentinelReplica is a replica as a Sentinel sees it.
type SentinelReplica struct {
	Host  string
	Port  int
	RunID string
	Flags SentinelFlags
	// RoleReported, and the rest, by the replica's last INFO, which is InfoAge old:
	// a Sentinel asks every 10 s, or every second in a failover.
	RoleReported Role
	InfoAge      time.Duration
	// LinkUp is the replica's link to its primary.
	LinkUp      bool
	LinkDownFor time.Duration
	// PrimaryHost and PrimaryPort are whom it follows; "?" if it has not said.
	PrimaryHost string
	PrimaryPort int
	// Priority 0 means that it is never promoted; else the lowest goes first.
	Priority int
	Offset   int64
}

// SentinelPeer is another Sentinel that the asked one knows.
type SentinelPeer struct {
	ID    string
	Host  string
	Port  int
	Flags SentinelFlags
	// HelloAge is how long ago it was last heard of.
	HelloAge time.Duration
	// AnswerAge is how long ago it last answered a PING, or was made known. It is sent one
	// each second.
	AnswerAge time.Duration
	// VotedLeader is the id it last voted for, "?" if for none, in VotedEpoch.
	VotedLeader string
	VotedEpoch  int64
}

// SentinelFailoverState is how far a Sentinel has come with a failover of its own.
type SentinelFailoverState string

// The states (valkey 9.1 src/sentinel.c sentinelFailoverStateStr).
const (
	SentinelWaitStart     SentinelFailoverState = "wait_start"
	SentinelSelectReplica SentinelFailoverState = "select_slave"
	SentinelSendPromote   SentinelFailoverState = "send_slaveof_noone"
	SentinelWaitPromotion SentinelFailoverState = "wait_promotion"
	SentinelReconfigure   SentinelFailoverState = "reconf_slaves"
	SentinelUpdateConfig  SentinelFailoverState = "update_config"
)

// SentinelPrimary asks what the Sentinel says of the primary of that name;
// ErrNoSuchPrimary if it does not monitor it.
func (n *Node) SentinelPrimary(ctx context.Context, name string) (SentinelPrimary, error) {
	// MASTER and not PRIMARY: servers of other makes and older ones know only that.
	result, err := n.read(ctx, "SENTINEL", "MASTER", name)
	if err != nil {
		return SentinelPrimary{}, err
	}
	fields, err := result.AsStrMap()
	if err != nil {
		return SentinelPrimary{}, wrap(n.addr, "SENTINEL MASTER", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	primary, err := parseSentinelPrimary(fields)
	return primary, wrap(n.addr, "SENTINEL MASTER", err)
}

// SentinelAddress is the primary's address as the Sentinel tells it to clients: in a
// failover of its own that of the promoted replica, as soon as it has been seen as
// primary. ErrNoSuchPrimary if it does not monitor that name.
func (n *Node) SentinelAddress(ctx context.Context, name string) (host string, port int, err error) {
	const command = "SENTINEL GET-MASTER-ADDR-BY-NAME"
	result, err := n.read(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
	if errors.Is(err, client.Nil) {
		return "", 0, wrap(n.addr, command, ErrNoSuchPrimary)
	}
	if err != nil {
		return "", 0, err
	}
	words, err := result.AsStrSlice()
	if err != nil || len(words) != 2 {
		return "", 0, wrap(n.addr, command, fmt.Errorf("%w: %d words: %w", ErrMalformed, len(words), err))
	}
	if port, err = strconv.Atoi(words[1]); err != nil {
		return "", 0, wrap(n.addr, command, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return words[0], port, nil
}

// SentinelReplicas lists the replicas that the Sentinel knows, those included that
// are down or gone: it forgets none by itself.
func (n *Node) SentinelReplicas(ctx context.Context, name string) ([]SentinelReplica, error) {
	return sentinelList(ctx, n, "REPLICAS", name, parseSentinelReplica)
}

// SentinelPeers lists the other Sentinels that this one knows, the asked one left out.
func (n *Node) SentinelPeers(ctx context.Context, name string) ([]SentinelPeer, error) {
	return sentinelList(ctx, n, "SENTINELS", name, parseSentinelPeer)
}

func sentinelList[T any](ctx context.Context, n *Node, what, name string, parse func(map[string]string) (T, error)) ([]T, error) {
	command := "SENTINEL " + what
	result, err := n.read(ctx, "SENTINEL", what, name)
	if err != nil {
		return nil, err
	}
	items, err := result.ToArray()
	if err != nil {
		return nil, wrap(n.addr, command, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	list := make([]T, 0, len(items))
	for _, item := range items {
		fields, err := item.AsStrMap()
		if err != nil {
			return nil, wrap(n.addr, command, fmt.Errorf("%w: %w", ErrMalformed, err))
		}
		one, err := parse(fields)
		if err != nil {
			return nil, wrap(n.addr, command, err)
		}
		list = append(list, one)
	}
	return list, nil
}

// sentinelFields are the fields of one entry; the first thing wrong is kept.
type sentinelFields struct {
	values map[string]string
	err    error
}

func parseSentinelPrimary(values map[string]string) (SentinelPrimary, error) {
	f := &sentinelFields{values: values}
	primary := SentinelPrimary{
		Name:            f.must("name"),
		Host:            f.must("ip"),
		Port:            int(f.number("port")),
		RunID:           f.values["runid"],
		Flags:           parseSentinelFlags(f.must("flags")),
		FailoverState:   SentinelFailoverState(f.values["failover-state"]),
		RoleReported:    f.role(),
		InfoAge:         f.millis("info-refresh"),
		AnswerAge:       f.millis("last-ok-ping-reply"),
		ConfigEpoch:     f.number("config-epoch"),
		Replicas:        int(f.number("num-slaves")),
		OtherSentinels:  int(f.number("num-other-sentinels")),
		Quorum:          int(f.number("quorum")),
		DownAfter:       f.millis("down-after-milliseconds"),
		FailoverTimeout: f.millis("failover-timeout"),
		ParallelSyncs:   int(f.number("parallel-syncs")),
	}
	return primary, f.err
}

func parseSentinelReplica(values map[string]string) (SentinelReplica, error) {
	f := &sentinelFields{values: values}
	replica := SentinelReplica{
		Host:         f.must("ip"),
		Port:         int(f.number("port")),
		RunID:        f.values["runid"],
		Flags:        parseSentinelFlags(f.must("flags")),
		RoleReported: f.role(),
		InfoAge:      f.millis("info-refresh"),
		LinkUp:       f.must("master-link-status") == "ok",
		LinkDownFor:  f.millis("master-link-down-time"),
		PrimaryHost:  f.values["master-host"],
		PrimaryPort:  int(f.number("master-port")),
		Priority:     int(f.number("slave-priority")),
		Offset:       f.number("slave-repl-offset"),
	}
	return replica, f.err
}

func parseSentinelPeer(values map[string]string) (SentinelPeer, error) {
	f := &sentinelFields{values: values}
	peer := SentinelPeer{
		ID:          f.must("runid"),
		Host:        f.must("ip"),
		Port:        int(f.number("port")),
		Flags:       parseSentinelFlags(f.must("flags")),
		HelloAge:    f.millis("last-hello-message"),
		AnswerAge:   f.millis("last-ok-ping-reply"),
		VotedLeader: f.values["voted-leader"],
		VotedEpoch:  f.number("voted-leader-epoch"),
	}
	return peer, f.err
}

func (f *sentinelFields) fail(name string) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: field %s: %q", ErrMalformed, name, f.values[name])
	}
}

func (f *sentinelFields) must(name string) string {
	if f.values[name] == "" {
		f.fail(name)
	}
	return f.values[name]
}

func (f *sentinelFields) number(name string) int64 {
	number, err := strconv.ParseInt(f.values[name], 10, 64)
	if err != nil {
		f.fail(name)
	}
	return number
}

func (f *sentinelFields) millis(name string) time.Duration {
	return time.Duration(f.number(name)) * time.Millisecond
}

func (f *sentinelFields) role() Role {
	role, err := parseRole(f.values["role-reported"])
	if err != nil {
		f.fail("role-reported")
	}
	return role
}
