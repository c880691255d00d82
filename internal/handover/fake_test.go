package handover

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// world is two servers that do what a row of a table tells them, at the moment
// that a real pair cannot be brought to on purpose. What real servers do is
// shown in internal/conformance.
type world struct {
	mu     sync.Mutex
	old    valkey.Info
	target valkey.Info
	// A server that does not answer does it with this error.
	oldErr, targetErr error
	sent              []string // commands that change something, in order

	onFailover, onAbort, onNoOne, onReplicaOf func(*world)
	failoverErr                               error
}

const (
	historyBefore = "history-before"
	historyAfter  = "history-after"
)

func newWorld() *world {
	return &world{
		old: valkey.Info{
			RunID: "old-run", Role: valkey.RolePrimary, Offset: 100, ReplID: historyBefore,
			Failover: valkey.FailoverNone, PausedActions: "none",
			Replicas: []valkey.ReplicaLine{{Host: "10.0.0.2", Port: 6379, State: valkey.ReplicaOnline, Offset: 100}},
		},
		target: valkey.Info{
			RunID: "target-run", Role: valkey.RoleReplica, LinkUp: true, ReplicaOffset: 100, ReplID: historyBefore,
			Failover: valkey.FailoverNone, PausedActions: "none", PrimaryHost: "10.0.0.1", PrimaryPort: 6379,
		},
		onFailover: waitForSync, onAbort: abortWaiting, onNoOne: becomePrimary, onReplicaOf: followTarget,
	}
}

// What a server may do with a command.
func waitForSync(w *world) { w.old.Failover = valkey.FailoverWaitingForSync }
func abortWaiting(w *world) {
	w.old.Failover = valkey.FailoverNone
}
func apply(w *world) {
	w.old.Role, w.old.Failover = valkey.RoleReplica, valkey.FailoverInProgress
	w.old.PrimaryHost, w.old.PrimaryPort = "10.0.0.2", 6379
}
func promoteTarget(w *world) { w.target.Role, w.target.ReplID = valkey.RolePrimary, historyAfter }
func followTarget(w *world) {
	apply(w)
	w.old.Failover, w.old.LinkUp, w.old.ReplID = valkey.FailoverNone, true, historyAfter
}
func becomePrimary(w *world) {
	w.old.Role, w.old.Failover, w.old.ReplID = valkey.RolePrimary, valkey.FailoverNone, "history-new"
}
func handOver(w *world) { promoteTarget(w); followTarget(w) }

// side is one server of the world.
type side struct {
	*world
	isTarget bool
}

func (w *world) servers() (Server, Server) { return side{w, false}, side{w, true} }

func (s side) Addr() string {
	if s.isTarget {
		return "10.0.0.2:6379"
	}
	return "10.0.0.1:6379"
}

func (s side) Info(ctx context.Context) (valkey.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return valkey.Info{}, err
	}
	if s.isTarget {
		return s.target, s.targetErr
	}
	return s.old, s.oldErr
}

func (s side) Role(ctx context.Context) (valkey.RoleState, error) {
	info, err := s.Info(ctx)
	return valkey.RoleState{Role: info.Role, Offset: info.Offset + info.ReplicaOffset}, err
}

// command notes a command and lets the world do what it does with it.
func (s side) command(name string, effect func(*world)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, who := s.oldErr, "old"
	if s.isTarget {
		err, who = s.targetErr, "target"
	}
	if err != nil {
		return err
	}
	s.sent = append(s.sent, who+" "+name)
	if effect != nil {
		effect(s.world)
	}
	return nil
}

func (s side) Failover(context.Context, string, int, time.Duration) error {
	if err := s.command("FAILOVER", nil); err != nil {
		return err
	}
	if errors.Is(s.failoverErr, valkey.ErrReply) {
		return s.failoverErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onFailover(s.world)
	return s.failoverErr
}

func (s side) FailoverAbort(context.Context) error { return s.command("FAILOVER ABORT", s.onAbort) }
func (s side) ReplicaOfNoOne(context.Context) error {
	return s.command("REPLICAOF NO ONE", s.onNoOne)
}
func (s side) ReplicaOf(context.Context, string, int) error {
	return s.command("REPLICAOF", s.onReplicaOf)
}
func (s side) GetAck(context.Context, int) error { return nil }
func (s side) PauseWrites(context.Context, time.Duration) error {
	return s.command("PAUSE", func(w *world) { w.old.PausedActions = "write" })
}
func (s side) Unpause(context.Context) error {
	return s.command("UNPAUSE", func(w *world) { w.old.PausedActions = "none" })
}

func (w *world) commands() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}
