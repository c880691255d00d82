package handover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

var errGone = fmt.Errorf("dial: %w", valkey.ErrRefused)

var quick = Options{Timeout: 50 * time.Millisecond, SettleTimeout: 300 * time.Millisecond}

func TestGateThatDoesNotHoldSendsNothing(t *testing.T) {
	rows := []struct {
		name  string
		spoil func(*world)
		want  string // in the reason
	}{
		{"the old primary does not answer", func(w *world) { w.oldErr = errGone }, "refused"},
		{"the target does not answer", func(w *world) { w.targetErr = errGone }, "refused"},
		{"the old primary is a replica by now", func(w *world) { w.old.Role = valkey.RoleReplica }, "says it is a replica"},
		{"another failover is under way", func(w *world) { w.old.Failover = valkey.FailoverWaitingForSync }, "failing over already"},
		{"somebody holds writes back", func(w *world) { w.old.PausedActions = "write" }, "paused"},
		{"the target is a primary", func(w *world) { w.target.Role = valkey.RolePrimary }, "says it is a primary"},
		{"the target is loading", func(w *world) { w.target.Loading = true }, "loading"},
		{"the target is in a full sync", func(w *world) { w.target.SyncInProgress = true }, "full sync"},
		{"the target's link is down", func(w *world) { w.target.LinkUp = false }, "link"},
		{"the target follows another history", func(w *world) { w.target.ReplID = "another" }, "history"},
		{"the primary shows no such replica", func(w *world) { w.old.Replicas[0].Host = "10.0.0.9" }, "shows no replica"},
		{"the primary shows it in another port", func(w *world) { w.old.Replicas[0].Port = 6380 }, "shows no replica"},
		{"the target is not yet online there", func(w *world) { w.old.Replicas[0].State = "wait_bgsave" }, "wait_bgsave"},
		{"the target is too far behind", func(w *world) { w.old.Offset = 10 << 20 }, "bytes behind"},
		{"the target has acknowledged nothing (8.1)", func(w *world) { w.old.Replicas[0].Offset = 0 }, "offset 0"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld()
			row.spoil(w)
			old, target := w.servers()
			result, err := Replication(context.Background(), old, target, quick)
			if !errors.Is(err, ErrGate) || !strings.Contains(err.Error(), row.want) || result.Outcome != Aborted {
				t.Errorf("%s, %v", result.Outcome, err)
			}
			if sent := w.commands(); len(sent) != 0 {
				t.Errorf("sent %v", sent)
			}
		})
	}
}

// Whoever asks for a handover looks once more whether it is a good moment, when all else
// has been seen to hold.
func TestAMomentThatIsNoGoodOneAnyMoreSendsNothing(t *testing.T) {
	busy := errors.New("no good moment")
	opt := quick
	opt.Ready = func() error { return busy }
	refused := func(how string, result Result, err error, sent ...string) {
		t.Helper()
		if !errors.Is(err, ErrGate) || !errors.Is(err, busy) || result.Outcome != Aborted || len(sent) != 0 {
			t.Errorf("%s: %s, %v, sent %q", how, result.Outcome, err, sent)
		}
	}
	w := newWorld()
	old, target := w.servers()
	result, err := Replication(t.Context(), old, target, opt)
	refused("Replication", result, err, w.commands()...)

	c := newClusterWorld()
	result, err = c.run(t.Context(), opt)
	refused("Cluster", result, err, slices.Repeat([]string{"CLUSTER FAILOVER"}, c.sent)...)

	for _, version := range []string{"8.1.1", "9.1.2"} { // by us, and COORDINATED
		s := newWatchWorld(version)
		old, target := s.pair()
		watched := s.options()
		watched.Ready = opt.Ready
		seen, err := Sentinel(t.Context(), old, target, s.servers(), watched)
		refused("Sentinels "+version, seen.Result, err, strings.Fields(s.sentBut())...)
	}
}

func TestHandoverEnds(t *testing.T) {
	rows := []struct {
		name    string
		world   func(*world)
		outcome Outcome
		moved   bool // traffic
		sent    string
	}{
		{
			name:    "done",
			world:   func(w *world) { w.onFailover = handOver },
			outcome: Done, moved: true, sent: "old FAILOVER",
		},
		{
			name: "aborted, when the server refuses: nobody else's failover is touched",
			world: func(w *world) {
				w.failoverErr = fmt.Errorf("%w: %w", valkey.ErrReply, valkey.ErrFailoverInProgress)
			},
			outcome: Aborted, sent: "old FAILOVER",
		},
		{
			name:    "aborted, when no answer came but the server has begun",
			world:   func(w *world) { w.failoverErr = valkey.ErrTimeout },
			outcome: Aborted, sent: "old FAILOVER, old PAUSE, old FAILOVER ABORT, old UNPAUSE",
		},
		{
			name: "done, when no answer came but the server went through with it",
			world: func(w *world) {
				w.failoverErr = valkey.ErrClosed
				w.onFailover = handOver
			},
			outcome: Done, moved: true, sent: "old FAILOVER",
		},
		{
			name: "aborted, when the target dies while the old primary applies to it",
			world: func(w *world) {
				w.onFailover = func(w *world) { apply(w); w.targetErr = errGone }
				w.onAbort = becomePrimary
			},
			outcome: Aborted, sent: "old FAILOVER, old PAUSE, old FAILOVER ABORT, old UNPAUSE",
		},
		{
			name: "done, when the abort comes too late: the old primary follows before its writes are let go",
			world: func(w *world) {
				w.failoverErr = valkey.ErrTimeout
				w.onAbort = func(w *world) { becomePrimary(w); promoteTarget(w) }
			},
			outcome: Done, moved: true,
			sent: "old FAILOVER, old PAUSE, old FAILOVER ABORT, old REPLICAOF, old UNPAUSE",
		},
		{
			name: "unproven, when the old primary has applied and the target says nothing after the abort",
			world: func(w *world) {
				w.failoverErr = valkey.ErrTimeout
				w.onFailover = apply
				w.onAbort = func(w *world) { becomePrimary(w); w.targetErr = valkey.ErrTimeout }
			},
			outcome: Unproven, sent: "old FAILOVER, old PAUSE, old FAILOVER ABORT, old UNPAUSE",
		},
		{
			name: "aborted, when the target dies with the role before anybody was sent to it",
			world: func(w *world) {
				w.failoverErr = valkey.ErrClosed
				w.onFailover = func(w *world) { followTarget(w); w.targetErr = errGone }
			},
			outcome: Aborted, sent: "old FAILOVER, old REPLICAOF NO ONE",
		},
		{
			name: "unproven, when there are two primaries: that is for the repair to compare",
			world: func(w *world) {
				w.failoverErr = valkey.ErrTimeout
				w.onFailover = func(w *world) { promoteTarget(w); becomePrimary(w) }
			},
			outcome: Unproven, sent: "old FAILOVER",
		},
		{
			name: "unproven, when a user promotes the target while the old primary still holds writes back: no traffic moves to a second primary",
			world: func(w *world) {
				w.onFailover = func(w *world) { waitForSync(w); promoteTarget(w) }
			},
			outcome: Unproven, sent: "old FAILOVER, old PAUSE, old FAILOVER ABORT, old UNPAUSE",
		},
		{
			name: "unproven, when the old primary is another process by now",
			world: func(w *world) {
				w.failoverErr = valkey.ErrClosed
				w.onFailover = func(w *world) { w.old.RunID = "another" }
			},
			outcome: Unproven, sent: "old FAILOVER",
		},
		{
			name: "unproven, when the old primary dies after the target has taken over: the traffic moves all the same",
			world: func(w *world) {
				w.failoverErr = valkey.ErrClosed
				w.onFailover = func(w *world) { promoteTarget(w); w.oldErr = errGone }
			},
			outcome: Unproven, moved: true, sent: "old FAILOVER",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			row.world(w)
			old, target := w.servers()
			moved := 0
			opt := quick
			opt.SettleTimeout = time.Second
			opt.OnPromoted = func(context.Context) error { moved++; return nil }
			result, err := Replication(context.Background(), old, target, opt)
			if result.Outcome != row.outcome || (err == nil) != (row.outcome == Done) {
				t.Errorf("%s, %v", result.Outcome, err)
			}
			if errors.Is(err, ErrUnproven) != (row.outcome == Unproven) || errors.Is(err, ErrAborted) != (row.outcome == Aborted) {
				t.Errorf("the error does not tell the outcome: %v", err)
			}
			if (moved == 1) != row.moved || moved > 1 || result.Promoted != row.moved {
				t.Errorf("traffic moved %d times, Promoted %t", moved, result.Promoted)
			}
			if sent := strings.Join(w.commands(), ", "); sent != row.sent {
				t.Errorf("sent %s\nwant %s", sent, row.sent)
			}
			if w.oldErr == nil && w.old.PausedActions != "none" {
				t.Error("writes are still held back")
			}
		})
	}
}

func TestTargetThatDiesAfterTheTrafficHasMovedIsNotUndone(t *testing.T) {
	w := newWorld()
	w.onFailover = handOver
	old, target := w.servers()
	opt := quick
	opt.OnPromoted = func(context.Context) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.targetErr = errGone
		return nil
	}
	result, err := Replication(context.Background(), old, target, opt)
	if result.Outcome != Unproven || !errors.Is(err, ErrUnproven) || slices.Contains(w.commands(), "old REPLICAOF NO ONE") {
		t.Errorf("%s, %v, sent %v", result.Outcome, err, w.commands())
	}
}

func TestTrafficMovesEvenIfTheOperatorIsToldToEnd(t *testing.T) {
	w := newWorld()
	w.onFailover = handOver
	old, target := w.servers()
	ctx, cancel := context.WithCancel(context.Background())
	opt := quick
	failed := errors.New("conflict")
	opt.At = func(point string) {
		if point == PointPromoted {
			cancel()
		}
	}
	opt.OnPromoted = func(ctx context.Context) error { return errors.Join(ctx.Err(), failed) }
	result, err := Replication(ctx, old, target, opt)
	if err != nil || result.Outcome != Done || !errors.Is(result.TrafficErr, failed) || errors.Is(result.TrafficErr, context.Canceled) {
		t.Errorf("%s, %v, traffic %v", result.Outcome, err, result.TrafficErr)
	}
}

func TestRecoverEndsWhatADeadOperatorLeft(t *testing.T) {
	rows := []struct {
		name    string
		target  func(*world) Server // nil: the world's
		outcome Outcome
	}{
		{"the target's pod is gone", func(*world) Server { return Absent("10.0.0.2:6379", ErrGone) }, Aborted},
		{"the target cannot be reached: it may still take over", func(*world) Server {
			return Absent("10.0.0.2:6379", valkey.ErrTimeout)
		}, Unproven},
		{"the target is there and has not taken over", nil, Aborted},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			apply(w)
			w.onAbort = func(w *world) { becomePrimary(w); w.target.ReplID = w.old.ReplID }
			old, target := w.servers()
			if row.target != nil {
				target = row.target(w)
			}
			opt := quick
			opt.SettleTimeout = 2 * time.Second
			result, err := Recover(context.Background(), old, target, opt)
			if result.Outcome != row.outcome || err == nil {
				t.Errorf("%s, %v", result.Outcome, err)
			}
			if want := "old PAUSE, old FAILOVER ABORT, old UNPAUSE"; strings.Join(w.commands(), ", ") != want {
				t.Errorf("sent %v, want %s", w.commands(), want)
			}
		})
	}
	w := newWorld()
	old, target := w.servers()
	if _, err := Recover(context.Background(), old, target, quick); !errors.Is(err, ErrGate) || len(w.commands()) != 0 {
		t.Errorf("nothing to recover: %v, sent %v", err, w.commands())
	}
}
