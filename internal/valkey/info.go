package valkey

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// FailoverState is what a server says about a FAILOVER of its own.
type FailoverState string

// The states (valkey 9.1 src/replication.c getFailoverStateString).
const (
	FailoverNone           FailoverState = "no-failover"
	FailoverWaitingForSync FailoverState = "waiting-for-sync"
	FailoverInProgress     FailoverState = "failover-in-progress"
)

// Info is what INFO says, as far as the operator uses it. Offsets are in bytes.
type Info struct {
	// RunID is the identity of the process: a restart changes it.
	RunID   string
	Version string
	// UptimeSeconds since the process started.
	UptimeSeconds int64
	// Time by the server's own clock; zero if it does not say.
	Time time.Time

	ConnectedClients int
	// PausedActions is "none", "write" or "all"; PausedReason "none",
	// "client_pause", "failover_in_progress" or another word of the server's;
	// both are empty on servers older than 8.1. PausedFor is what is left of it,
	// 0 if it has no end of its own.
	PausedActions string
	PausedReason  string
	PausedFor     time.Duration

	// Loading: reading a data set from disk or from the primary. AsyncLoading:
	// the latter while serving the old one (repl-diskless-load swapdb).
	Loading, AsyncLoading bool
	// LastBgsaveOK: false makes a primary with save points refuse writes
	// (stop-writes-on-bgsave-error), and a full sync fail.
	LastBgsaveOK     bool
	BgsaveInProgress bool
	AOFEnabled       bool
	// LastAOFWriteOK: false, with AOFEnabled, makes a primary refuse writes, and a
	// replica end itself at the next one that it is sent.
	LastAOFWriteOK bool
	// LastAOFRewriteOK: false leaves the file to grow, and, after a full
	// synchronisation, all that came with it in memory alone.
	LastAOFRewriteOK bool
	// AOFRewriteInProgress: while it is the first one (after every full sync), a
	// server that is asked to end by SIGTERM refuses, and does not end later.
	AOFRewriteInProgress bool
	// AOFRewrites counts those that have begun since the process started.
	AOFRewrites int64

	Role Role
	// Of a replica.
	PrimaryHost    string
	PrimaryPort    int
	LinkUp         bool
	SyncInProgress bool
	// LastIOSeconds since the primary sent anything, over a link that stands or in a
	// full synchronisation; -1 otherwise.
	LastIOSeconds int64
	// LinkDownSeconds since the link broke; -1 if it never stood, 0 if it stands.
	LinkDownSeconds int64
	// ReplicaOffset is what the replica has applied of its primary's stream
	// (slave_repl_offset); 0 on a primary.
	ReplicaOffset int64
	// ReplicaPriority is what Sentinels go by when they choose whom to promote, the
	// lowest first and 0 never; a primary does not say, and it is 0.
	ReplicaPriority int

	// Offset is how far the server's own stream has come (master_repl_offset); a
	// replica keeps one too, for its own replicas and for its promotion.
	Offset int64
	// ReplID names the history that Offset counts in. A promoted replica takes a
	// new one and keeps the old as ReplID2, valid below SecondReplOffset (-1: none).
	ReplID           string
	ReplID2          string
	SecondReplOffset int64
	// BacklogFirst and BacklogLen: what a replica may still resynchronise
	// partially from; 0 with no backlog.
	BacklogFirst, BacklogLen int64
	Failover                 FailoverState
	Replicas                 []ReplicaLine

	// Keys in all databases.
	Keys int64

	// ClusterEnabled: the server runs in cluster mode.
	ClusterEnabled bool
}

// ReplicaLine is one replica as its primary shows it.
type ReplicaLine struct {
	// Host and Port are what FAILOVER TO must name: the announced address, or the
	// one that the connection comes from.
	Host string
	Port int
	// State is "online", or one of "wait_bgsave", "send_bulk", "bg_rdb_transfer"
	// before that.
	State string
	// Offset is what the replica has acknowledged, once a second by itself.
	Offset int64
	// Lag is seconds since its last acknowledgement.
	Lag int64
	// Type is "replica", "main-channel" or "rdb-channel" (dual channel sync).
	Type string
}

// ReplicaOnline is the State of a replica that receives the stream.
const ReplicaOnline = "online"

// infoCommand asks for everything that Info holds.
var infoCommand = []string{"INFO", "server", "clients", "persistence", "replication", "keyspace", "cluster"}

// Info asks for everything in one round trip.
func (n *Node) Info(ctx context.Context) (Info, error) {
	result, err := n.read(ctx, infoCommand...)
	if err != nil {
		return Info{}, err
	}
	text, err := result.ToString()
	if err != nil {
		return Info{}, wrap(n.addr, "INFO", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	info, err := ParseInfo(text)
	return info, wrap(n.addr, "INFO", err)
}

// ParseInfo reads the text of INFO with at least the sections server,
// persistence and replication. An error names the field that is missing or
// cannot be read.
func ParseInfo(text string) (Info, error) {
	f := splitInfo(text)
	info := Info{
		RunID:                f.must("run_id"),
		Version:              f.must("valkey_version"),
		UptimeSeconds:        f.mustInt("uptime_in_seconds"),
		Time:                 timeOf(f.int("server_time_usec")),
		ConnectedClients:     int(f.int("connected_clients")),
		PausedActions:        f.values["paused_actions"],
		PausedReason:         f.values["paused_reason"],
		PausedFor:            pausedFor(f.int("paused_timeout_milliseconds")),
		Loading:              f.mustInt("loading") != 0,
		AsyncLoading:         f.int("async_loading") != 0,
		LastBgsaveOK:         f.values["rdb_last_bgsave_status"] != "err",
		BgsaveInProgress:     f.int("rdb_bgsave_in_progress") != 0,
		AOFEnabled:           f.int("aof_enabled") != 0,
		LastAOFWriteOK:       f.values["aof_last_write_status"] != "err",
		LastAOFRewriteOK:     f.values["aof_last_bgrewrite_status"] != "err",
		AOFRewrites:          f.int("aof_rewrites"),
		AOFRewriteInProgress: f.int("aof_rewrite_in_progress") != 0 || f.int("aof_rewrite_scheduled") != 0,
		Offset:               f.mustInt("master_repl_offset"),
		ReplID:               f.must("master_replid"),
		ReplID2:              f.must("master_replid2"),
		SecondReplOffset:     f.mustInt("second_repl_offset"),
		BacklogFirst:         f.int("repl_backlog_first_byte_offset"),
		BacklogLen:           f.int("repl_backlog_histlen"),
		Failover:             FailoverState(f.must("master_failover_state")),
		ClusterEnabled:       f.int("cluster_enabled") != 0,
	}
	f.role(&info)
	f.replicas(&info)
	f.keys(&info)
	return info, f.err
}

func timeOf(usec int64) time.Time {
	if usec == 0 {
		return time.Time{}
	}
	return time.UnixMicro(usec)
}

// pausedFor takes a pause of more than a year for one that has no end of its own
// (a failover's is LLONG_MAX milliseconds).
func pausedFor(ms int64) time.Duration {
	const year = 365 * 24 * 3600 * 1000
	if ms > year {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// infoFields are INFO's lines; the first thing wrong with them is kept.
type infoFields struct {
	values map[string]string
	err    error
}

func splitInfo(text string) *infoFields {
	f := &infoFields{values: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			f.values[name] = value
		}
	}
	return f
}

func (f *infoFields) fail(name, value string) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: INFO field %s: %q", ErrMalformed, name, value)
	}
}

// must returns a field that has to be there and not be empty.
func (f *infoFields) must(name string) string {
	value := f.values[name]
	if value == "" {
		f.fail(name, value)
	}
	return value
}

func (f *infoFields) mustInt(name string) int64 {
	if _, ok := f.values[name]; !ok {
		f.fail(name, "")
		return 0
	}
	return f.int(name)
}

// int returns a number, 0 if the field is not there.
func (f *infoFields) int(name string) int64 {
	value, ok := f.values[name]
	if !ok {
		return 0
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		f.fail(name, value)
	}
	return number
}
