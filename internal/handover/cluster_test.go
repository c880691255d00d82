package handover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestClusterGateThatDoesNotHoldSendsNothing(t *testing.T) {
	rows := []struct {
		name  string
		spoil func(*clusterWorld)
		want  string // in the reason
	}{
		{"the target is another primary's replica", func(w *clusterWorld) { w.target().view["target"].PrimaryID = "second" }, "replica of node second"},
		{"the target is loading", func(w *clusterWorld) { w.target().info.Loading = true }, "loading"},
		{"the target's link is down", func(w *clusterWorld) { w.target().info.LinkUp = false }, "link"},
		{"the target is too far behind", func(w *clusterWorld) { w.old().info.Offset = 10 << 20 }, "bytes behind"},
		{"the old primary is held back by another failover", pauseShard, "failover_in_progress"},
		{"the old primary is a replica by now", func(w *clusterWorld) { w.old().info.Role = valkey.RoleReplica }, "says it is a replica"},
		{"a slot of the old primary is open", func(w *clusterWorld) {
			w.old().view["old"].Migrating = map[int]string{5: "second"}
		}, "open slots"},
		{"the old primary says that the cluster has failed", func(w *clusterWorld) { w.old().failed = true }, "cluster has failed"},
		{"a primary says that the cluster has failed", func(w *clusterWorld) { w.nodes["second"].failed = true }, "cluster has failed"},
		{"a primary does not know the target", func(w *clusterWorld) { delete(w.nodes["third"].view, "target") }, "does not see the target"},
		{"a primary does not reach the target", func(w *clusterWorld) { w.nodes["third"].view["target"].PFail = true }, "does not see the target"},
		{"a primary has no link to the target", func(w *clusterWorld) { w.nodes["third"].view["target"].LinkUp = false }, "does not see the target"},
		{"a primary lists the target elsewhere", func(w *clusterWorld) { w.nodes["third"].view["target"].PrimaryID = "second" }, "does not list"},
		{"a primary does not reach the old primary", func(w *clusterWorld) { w.nodes["second"].view["old"].PFail = true }, "old primary"},
		{"a primary sees other slots at the old primary", func(w *clusterWorld) {
			w.nodes["second"].view["old"].Slots = []valkey.SlotRange{{First: 0, Last: 50}}
		}, "sees slots 0-50"},
		{"no majority of the primaries can be reached", func(w *clusterWorld) {
			w.nodes["second"].err, w.nodes["third"].err = errGone, errGone
		}, "only 1 of 3"},
		{"the servers' time limit cannot be read", func(w *clusterWorld) { w.limit = "soon" }, "cluster-manual-failover-timeout"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := newClusterWorld()
			row.spoil(w)
			result, err := w.run(context.Background(), quick)
			if !errors.Is(err, ErrGate) || !strings.Contains(err.Error(), row.want) || result.Outcome != Aborted {
				t.Errorf("%s, %v", result.Outcome, err)
			}
			if w.sent != 0 {
				t.Error("CLUSTER FAILOVER was sent")
			}
		})
	}
}

func TestClusterHandoverEnds(t *testing.T) {
	rows := []struct {
		name    string
		world   func(*clusterWorld)
		outcome Outcome
		moved   bool // traffic
		sent    int
		bumped  int // the old primary's epoch
		// fencedInTime: while it held back writes.
		fencedInTime bool
	}{
		{
			name:    "done",
			world:   func(*clusterWorld) {},
			outcome: Done, moved: true, sent: 1,
		},
		{
			name:    "done, with one primary of three away: a majority agrees",
			world:   func(w *clusterWorld) { w.nodes["third"].err = errGone },
			outcome: Done, moved: true, sent: 1,
		},
		{
			name: "done at the second request, when the first election is lost",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, n int) {
					if pauseShard(w); n == 2 {
						handOverShard(w, n)
					}
				}
			},
			outcome: Done, moved: true, sent: 2,
		},
		{
			name: "done, when no answer came but the server went through with it",
			world: func(w *clusterWorld) {
				w.failoverErr = valkey.ErrClosed
			},
			outcome: Done, moved: true, sent: 1,
		},
		{
			name: "done, when the old primary hears of it later than the clients of others",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) { pauseShard(w); electTarget(w); w.later(60*time.Millisecond, followNew) }
			},
			outcome: Done, moved: true, sent: 1,
		},
		{
			name: "aborted, when the server refuses",
			world: func(w *clusterWorld) {
				w.onFailover, w.failoverErr = nil, fmt.Errorf("%w: %w", valkey.ErrReply, valkey.ErrPrimaryDown)
			},
			outcome: Aborted, sent: 1,
		},
		{
			name: "aborted, when no election is won: not before the old primary takes writes again",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, n int) {
					if pauseShard(w); n == attempts {
						w.later(600*time.Millisecond, unpauseShard)
					}
				}
			},
			outcome: Aborted, sent: attempts,
		},
		{
			name: "aborted, when the target dies: not before the old primary takes writes again",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) {
					pauseShard(w)
					w.target().err = errGone
					w.later(50*time.Millisecond, unpauseShard)
				}
			},
			outcome: Aborted, sent: 1,
		},
		{
			name: "aborted, when the target freezes with the request answered: its time is over when it thaws",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) { w.target().err = valkey.ErrTimeout }
			},
			outcome: Aborted, sent: 1,
		},
		{
			name: "aborted, when the target freezes elected: the old primary has a higher epoch",
			world: func(w *clusterWorld) {
				w.limit = "400"
				w.setEpochs(7, 3)
				w.onFailover = func(w *clusterWorld, _ int) {
					pauseShard(w)
					w.target().err = valkey.ErrTimeout
					w.later(400*time.Millisecond, unpauseShard)
				}
			},
			outcome: Aborted, sent: 1, bumped: 1, fencedInTime: true,
		},
		{
			name: "aborted, when the target dies elected: the old primary has a higher epoch",
			world: func(w *clusterWorld) {
				w.setEpochs(7, 3)
				w.onFailover = func(w *clusterWorld, _ int) { w.target().err = errGone }
			},
			outcome: Aborted, sent: 1, bumped: 1,
		},
		{
			name: "aborted, when the old primary hears of the target's election late: not with the same epoch",
			world: func(w *clusterWorld) {
				w.setEpochs(7, 3)
				w.old().epochs.CurrentEpoch = 6
				w.onFailover = func(w *clusterWorld, _ int) {
					w.target().err = valkey.ErrTimeout
					w.later(100*time.Millisecond, func(w *clusterWorld) { w.old().epochs.CurrentEpoch = 7 })
				}
			},
			outcome: Aborted, sent: 1, bumped: 1,
		},
		{
			name: "unproven, when the target freezes and the old primary does not hear of its election",
			world: func(w *clusterWorld) {
				w.setEpochs(7, 3)
				w.old().epochs.CurrentEpoch = 6
				w.onFailover = func(w *clusterWorld, _ int) { w.target().err = valkey.ErrTimeout }
			},
			outcome: Unproven, sent: 1,
		},
		{
			name: "unproven, when the target freezes and too few are left who know whether it was elected",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) {
					for _, id := range []string{"target", "second", "third"} {
						w.nodes[id].err = valkey.ErrTimeout
					}
				}
			},
			outcome: Unproven, sent: 1,
		},
		{
			name: "unproven, when the target falls silent and has taken over all the same: nothing is taken from it",
			world: func(w *clusterWorld) {
				w.setEpochs(7, 3)
				w.onFailover = func(w *clusterWorld, n int) { handOverShard(w, n); w.target().err = valkey.ErrTimeout }
			},
			outcome: Unproven, sent: 1,
		},
		{
			name: "unproven, when the target freezes with the request unanswered: it may begin when it thaws",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) { w.target().err = valkey.ErrTimeout }
				w.failoverErr = valkey.ErrTimeout
			},
			outcome: Unproven, sent: 1,
		},
		{
			name: "unproven, when the old primary goes on to hold writes back",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) { pauseShard(w) }
			},
			outcome: Unproven, sent: attempts,
		},
		{
			name: "unproven, when the old primary is another process by now",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) { w.old().info.RunID = "another" }
			},
			outcome: Unproven, sent: attempts,
		},
		{
			name: "unproven, when the old primary dies with the target elected: the traffic moves all the same",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) { electTarget(w); w.old().err = errGone }
			},
			outcome: Unproven, moved: true, sent: 1,
		},
		{
			name: "unproven, when the old primary follows but no majority of primaries agrees",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) {
					w.target().info.Role = valkey.RolePrimary
					w.tell(w.target())
					w.tell(w.old())
					followNew(w)
				}
			},
			outcome: Unproven, moved: true, sent: 1,
		},
		{
			name: "unproven, when the old primary goes on as a primary",
			world: func(w *clusterWorld) {
				w.onFailover = func(w *clusterWorld, _ int) { electTarget(w) }
			},
			outcome: Unproven, moved: true, sent: 1,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newClusterWorld()
			row.world(w)
			moved := 0
			opt := quick
			opt.SettleTimeout = time.Second
			opt.OnPromoted = func(context.Context) error { moved++; return nil }
			result, err := w.run(context.Background(), opt)
			if result.Outcome != row.outcome || (err == nil) != (row.outcome == Done) {
				t.Errorf("%s, %v", result.Outcome, err)
			}
			if errors.Is(err, ErrUnproven) != (row.outcome == Unproven) || errors.Is(err, ErrAborted) != (row.outcome == Aborted) {
				t.Errorf("the error does not tell the outcome: %v", err)
			}
			if (moved == 1) != row.moved || moved > 1 || result.Promoted != row.moved {
				t.Errorf("traffic moved %d times, Promoted %t", moved, result.Promoted)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.sent != row.sent || result.Attempts != row.sent {
				t.Errorf("CLUSTER FAILOVER was sent %d times, Attempts %d, want %d", w.sent, result.Attempts, row.sent)
			}
			if w.old().bumped != row.bumped {
				t.Errorf("the old primary's epoch was raised %d times, want %d", w.old().bumped, row.bumped)
			}
			if row.fencedInTime && !w.old().bumpedPaused {
				t.Error("the old primary's epoch was raised when it took writes again already")
			}
			if result.Outcome == Aborted && w.old().info.PausedActions != "none" {
				t.Error("Aborted, and writes are still held back")
			}
		})
	}
}

func TestTargetIsNudgedUntilTheOldPrimaryHasHeard(t *testing.T) {
	w := newClusterWorld()
	w.onFailover = func(w *clusterWorld, _ int) { pauseShard(w); electTarget(w); w.later(50*time.Millisecond, followNew) }
	result, err := w.run(context.Background(), quick)
	if err != nil || result.Nudges < len(nudges) || w.nudged != result.Nudges {
		t.Errorf("%d nudges, %d said, %v", w.nudged, result.Nudges, err)
	}
	if result.Switch <= 0 || result.Demoted < result.Switch {
		t.Errorf("switch %v, demoted %v", result.Switch, result.Demoted)
	}
}

func TestClusterHandoverThatHasBegunIsSeenToItsEnd(t *testing.T) {
	points := []string{}
	w := newClusterWorld()
	ctx, cancel := context.WithCancel(context.Background())
	opt := quick
	opt.At = func(point string) {
		if points = append(points, point); point == PointFailoverSent {
			cancel()
		}
	}
	result, err := w.run(ctx, opt)
	want := []string{PointBeforeFailover, PointFailoverSent, PointPromoted, PointProved}
	if err != nil || result.Outcome != Done || strings.Join(points, " ") != strings.Join(want, " ") {
		t.Errorf("%s, %v, passed %v", result.Outcome, err, points)
	}

	w = newClusterWorld()
	ctx, cancel = context.WithCancel(context.Background())
	opt.At = func(string) { cancel() }
	if result, err := w.run(ctx, opt); !errors.Is(err, ErrGate) || w.sent != 0 {
		t.Errorf("cancelled before anything was sent: %s, %v, sent %d", result.Outcome, err, w.sent)
	}
}
