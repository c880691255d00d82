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

func refused(kind error) error { return fmt.Errorf("%w: %w", valkey.ErrReply, kind) }

func TestGateUnderSentinelThatDoesNotHoldSendsNothing(t *testing.T) {
	another := valkey.SentinelReplica{Host: "10.0.0.3", Port: 6379, RoleReported: valkey.RoleReplica, Priority: 100}
	rows := []struct {
		name  string
		spoil func(*watchWorld)
		want  error  // in the error, besides ErrGate
		text  string // in the reason
	}{
		{"a server's gate does not hold", func(w *watchWorld) { w.target.LinkUp = false }, nil, "link"},
		{"the primary is paused", func(w *watchWorld) { w.old.PausedActions = "write" }, nil, "paused"},
		{"a Sentinel does not answer", func(w *watchWorld) { w.sentinels[2].err = valkey.ErrTimeout }, valkey.ErrTimeout, ""},
		{"a Sentinel monitors nothing", func(w *watchWorld) { w.sentinels[1].unknown = true }, valkey.ErrNoSuchPrimary, ""},
		{"a Sentinel names another primary", func(w *watchWorld) { w.sentinels[1].primary.Host = "10.0.0.9" }, nil, "names 10.0.0.9:6379"},
		{"a failover is in progress at one", func(w *watchWorld) { w.sentinels[2].primary.Flags.FailoverInProgress = true }, valkey.ErrSentinelBusy, ""},
		{"a Sentinel takes the primary to be down", func(w *watchWorld) { w.sentinels[0].primary.Flags.Down = true }, nil, "down"},
		{"a Sentinel has no connection to the primary", func(w *watchWorld) { w.sentinels[0].primary.Flags.Disconnected = true }, nil, "down"},
		{"a Sentinel has heard that the primary is a replica", func(w *watchWorld) { w.sentinels[0].primary.RoleReported = valkey.RoleReplica }, nil, "replica"},
		{"a Sentinel reaches no quorum", func(w *watchWorld) { w.sentinels[1].noQuorum = true }, valkey.ErrNoQuorum, ""},
		{"a Sentinel has seen time jump", func(w *watchWorld) { w.sentinels[1].tilt = true }, nil, "time"},
		{"a Sentinel lists the target by another address", func(w *watchWorld) { w.sentinels[1].replicas[0].Host = "node-2" }, nil, "lists no replica"},
		{"a Sentinel takes the target to be down", func(w *watchWorld) { w.sentinels[1].replicas[0].Flags.Down = true }, nil, "target to be down"},
		{"a Sentinel has heard that the target is a primary", func(w *watchWorld) { w.sentinels[1].replicas[0].RoleReported = valkey.RolePrimary }, nil, "primary"},
		{"somebody else is a Sentinel, too", func(w *watchWorld) {
			w.sentinels[0].peers = append(w.sentinels[0].peers, valkey.SentinelPeer{ID: "stranger"})
		}, nil, "stranger"},
		{"another replica might be promoted", func(w *watchWorld) {
			w.sentinels[0].replicas = append(w.sentinels[0].replicas, another)
		}, ErrSteer, "10.0.0.3:6379"},
		{"the target is never promoted", func(w *watchWorld) { w.sentinels[0].replicas[0].Priority = 0 }, valkey.ErrNoGoodReplica, ""},
		{"the one to be asked is not connected to the others", func(w *watchWorld) {
			for i := range w.sentinels[0].peers {
				w.sentinels[0].peers[i].Flags.Disconnected = true
			}
		}, valkey.ErrNoQuorum, "votes"},
		{"none that could be asked has heard of the latest epoch", func(w *watchWorld) {
			w.sentinels[2].primary.ConfigEpoch, w.sentinels[2].version = 6, "8.1.1"
		}, nil, "epoch 6"},
		{"the asked one has just begun a failover of its own", func(w *watchWorld) { w.coordinatedErr = refused(valkey.ErrSentinelBusy) }, valkey.ErrSentinelBusy, ""},
		{"the asked one sees nobody to promote", func(w *watchWorld) { w.coordinatedErr = refused(valkey.ErrNoGoodReplica) }, valkey.ErrNoGoodReplica, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := newWatchWorld("9.1.2")
			row.spoil(w)
			old, target := w.pair()
			result, err := Sentinel(context.Background(), old, target, w.servers(), w.options())
			if !errors.Is(err, ErrGate) || result.Outcome != Aborted || !strings.Contains(err.Error(), row.text) {
				t.Errorf("%s, %v", result.Outcome, err)
			}
			if row.want != nil && !errors.Is(err, row.want) {
				t.Errorf("%v is not %v", err, row.want)
			}
			if sent := w.sentBut(); sent != "" {
				t.Errorf("sent %s", sent)
			}
		})
	}
}

func TestReplicaThatCannotBeChosenNeedsNoSteering(t *testing.T) {
	rows := map[string]func(*valkey.SentinelReplica){
		"its priority is 0":           func(r *valkey.SentinelReplica) { r.Priority = 0 },
		"its priority is higher":      func(r *valkey.SentinelReplica) { r.Priority = 101 },
		"it is down, maybe for good":  func(r *valkey.SentinelReplica) { r.Flags.Down = true },
		"it is a candidate, as usual": func(r *valkey.SentinelReplica) { r.Host = "10.0.0.4" },
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			w := newWatchWorld("9.1.2")
			r := valkey.SentinelReplica{Host: "10.0.0.3", Port: 6379, RoleReported: valkey.RoleReplica, Priority: 100}
			change(&r)
			w.sentinels[0].replicas = append(w.sentinels[0].replicas, r)
			old, target := w.pair()
			opt := w.options()
			opt.Candidates = []Candidate{{Server: target, Host: "10.0.0.4", Port: 6379}}
			if result, err := Sentinel(context.Background(), old, target, w.servers(), opt); err != nil || result.Outcome != Done {
				t.Errorf("%s, %v", result.Outcome, err)
			}
		})
	}
}

func TestHandoverUnderSentinelEnds(t *testing.T) {
	kill := func(w *watchWorld, numbers ...int) {
		for _, n := range numbers {
			w.sentinels[n].err = errGone
		}
	}
	rows := []struct {
		name    string
		version string
		world   func(*watchWorld)
		options func(*SentinelOptions)
		outcome Outcome
		want    error // besides that of the outcome
		way     Way
		moved   bool   // traffic
		epoch   int64  // told in hellos, 0: none
		sent    string // without hellos
		agree   int
	}{
		{
			name: "done, by the Sentinel: the pause is lifted before any of them is told", version: "9.1.2",
			outcome: Done, way: WayCoordinated, moved: true, epoch: 8, agree: 3,
			sent: "sentinel0 COORDINATED, old UNPAUSE, old UNPAUSE",
		},
		{
			name: "done, by ourselves, with an epoch higher than all", version: "8.1.1",
			world:   func(w *watchWorld) { w.onFailover = handOver },
			outcome: Done, way: WayDirect, moved: true, epoch: 6, agree: 3, sent: "old FAILOVER",
		},
		{
			name: "done, with votes seen in an election that came to nothing", version: "8.1.1",
			world: func(w *watchWorld) {
				w.onFailover = handOver
				w.sentinels[1].peers[0].VotedEpoch = 40
			},
			outcome: Done, way: WayDirect, moved: true, epoch: 41, agree: 3, sent: "old FAILOVER",
		},
		{
			name: "done, when no Sentinel believes a hello: their monitors are made anew, one after the other", version: "8.1.1",
			world:   func(w *watchWorld) { w.onFailover, w.deaf = handOver, true },
			options: func(o *SentinelOptions) { o.Settings = []valkey.Setting{{Name: "auth-pass", Value: "x"}} },
			outcome: Done, way: WayDirect, moved: true, epoch: 6, agree: 3,
			sent: "old FAILOVER, " + remade(0) + ", " + remade(1) + ", " + remade(2),
		},
		{
			name: "done, with public commands alone, for a version that is not known to believe hellos", version: "9.0.3",
			world:   func(w *watchWorld) { w.onFailover = handOver },
			options: func(o *SentinelOptions) { o.Settings = []valkey.Setting{{Name: "auth-pass", Value: "x"}} },
			outcome: Done, way: WayDirect, moved: true, agree: 3,
			sent: "old FAILOVER, " + remade(0) + ", " + remade(1) + ", " + remade(2),
		},
		{
			name: "done, though a Sentinel has died meanwhile", version: "9.1.2",
			world: func(w *watchWorld) {
				began := w.onCoordinated
				w.onCoordinated = func(w *watchWorld) { began(w); kill(w, 1) }
			},
			outcome: Done, way: WayCoordinated, moved: true, epoch: 8, agree: 2, sent: "sentinel0 COORDINATED, old UNPAUSE, old UNPAUSE",
		},
		{
			name: "unproven, when too few Sentinels are left to name the target", version: "9.1.2",
			world: func(w *watchWorld) {
				began := w.onCoordinated
				w.onCoordinated = func(w *watchWorld) { began(w); kill(w, 1, 2) }
			},
			outcome: Unproven, want: ErrDisagree, way: WayCoordinated, moved: true, epoch: 8, agree: 1,
			sent: "sentinel0 COORDINATED, old UNPAUSE, old UNPAUSE",
		},
		{
			name: "aborted, when the primary refuses whom the Sentinel names: the pause that came with it is lifted", version: "9.1.2",
			world: func(w *watchWorld) {
				w.onCoordinated = func(w *watchWorld) {
					w.old.PausedActions = "write"
					w.sentinels[0].primary.Flags.FailoverInProgress = true
					w.sentinels[0].primary.FailoverState = valkey.SentinelWaitPromotion
				}
			},
			outcome: Aborted, way: WayCoordinated, sent: "sentinel0 COORDINATED, old UNPAUSE",
		},
		{
			name: "aborted, when the Sentinel gives up", version: "9.1.2",
			world: func(w *watchWorld) {
				w.onCoordinated = func(w *watchWorld) { w.tell(valkey.EventAbortElection, "master main 10.0.0.1 6379") }
			},
			outcome: Aborted, way: WayCoordinated, sent: "sentinel0 COORDINATED, old UNPAUSE",
		},
		{
			name: "aborted, when the target does not catch up in the time that writes may wait", version: "9.1.2",
			world:   func(w *watchWorld) { w.onCoordinated = func(w *watchWorld) { waitForSync(w.world) } },
			outcome: Aborted, way: WayCoordinated,
			sent: "sentinel0 COORDINATED, old PAUSE, old FAILOVER ABORT, old UNPAUSE, old UNPAUSE",
		},
		{
			name: "unproven, when the Sentinel says nothing more, and may still begin", version: "9.1.2",
			world: func(w *watchWorld) {
				w.onCoordinated = func(w *watchWorld) { w.sentinels[0].err = valkey.ErrTimeout }
			},
			outcome: Unproven, way: WayCoordinated, sent: "sentinel0 COORDINATED, old UNPAUSE",
		},
		{
			name: "aborted, when the asked Sentinel's process is gone", version: "9.1.2",
			world:   func(w *watchWorld) { w.onCoordinated = func(w *watchWorld) { kill(w, 0) } },
			outcome: Aborted, way: WayCoordinated, sent: "sentinel0 COORDINATED, old UNPAUSE",
		},
		{
			name: "unproven, when a stranger was promoted: no traffic moves to him", version: "9.1.2",
			world: func(w *watchWorld) {
				w.onCoordinated = func(w *watchWorld) {
					w.tell(valkey.EventSelected, "slave 10.0.0.3:6379 10.0.0.3 6379 @ main 10.0.0.1 6379")
					followTarget(w.world)
					w.old.PrimaryHost = "10.0.0.3"
				}
			},
			outcome: Unproven, way: WayCoordinated, sent: "sentinel0 COORDINATED, old UNPAUSE",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWatchWorld(row.version)
			if row.world != nil {
				row.world(w)
			}
			old, target := w.pair()
			opt, moved := w.options(), 0
			opt.SettleTimeout = time.Second
			opt.OnPromoted = func(context.Context) error { moved++; return nil }
			if row.options != nil {
				row.options(&opt)
			}
			result, err := Sentinel(context.Background(), old, target, w.servers(), opt)
			if result.Outcome != row.outcome || (err == nil) != (row.outcome == Done) || result.Way != row.way || result.Agreeing != row.agree {
				t.Errorf("%+v, %v", result, err)
			}
			if errors.Is(err, ErrUnproven) != (row.outcome == Unproven) || errors.Is(err, ErrAborted) != (row.outcome == Aborted) ||
				row.want != nil && !errors.Is(err, row.want) {
				t.Errorf("the error does not tell the outcome: %v", err)
			}
			if (moved == 1) != row.moved || moved > 1 {
				t.Errorf("traffic moved %d times", moved)
			}
			if sent := w.sentBut("HELLO"); sent != row.sent {
				t.Errorf("sent %s\nwant %s", sent, row.sent)
			}
			told := w.sentBut("COORDINATED", "UNPAUSE", "FAILOVER", "PAUSE", "REMOVE", "MONITOR", "SET")
			if (told == "") != (row.epoch == 0) || told != "" && !strings.Contains(told, fmt.Sprintf("HELLO %d", row.epoch)) {
				t.Errorf("hellos: %s", told)
			}
			if w.old.PausedActions != "none" {
				t.Error("writes are still held back")
			}
		})
	}
}

func remade(number int) string {
	return fmt.Sprintf("sentinel%[1]d REMOVE, sentinel%[1]d MONITOR, sentinel%[1]d SET auth-pass+down-after-milliseconds+failover-timeout+parallel-syncs+quorum", number)
}

func TestSentinelMayChooseAnyCandidate(t *testing.T) {
	w := newWatchWorld("9.1.2")
	third := newWorld()
	third.target.RunID = "third-run"
	w.sentinels[0].replicas = append(w.sentinels[0].replicas,
		valkey.SentinelReplica{Host: "10.0.0.3", Port: 6379, RoleReported: valkey.RoleReplica, Priority: 100})
	w.onCoordinated = func(w *watchWorld) {
		w.tell(valkey.EventNewEpoch, "8")
		w.tell(valkey.EventSelected, "slave 10.0.0.3:6379 10.0.0.3 6379 @ main 10.0.0.1 6379")
		followTarget(w.world)
		w.old.PrimaryHost = "10.0.0.3"
		third.target.Role = valkey.RolePrimary
	}
	old, target := w.pair()
	opt := w.options()
	opt.Candidates = []Candidate{{Server: side{third, true}, Host: "10.0.0.3", Port: 6379}}
	result, err := Sentinel(context.Background(), old, target, w.servers(), opt)
	if err != nil || result.TargetHost != "10.0.0.3" || result.TargetRunID != "third-run" || result.Agreeing != 3 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestVersionsOfSentinels(t *testing.T) {
	rows := []struct {
		version            string
		coordinates, hears bool
	}{
		{"8.1.1", false, true},
		{"8.0.4", false, false},
		{"7.2.9", false, false},
		{"9.0.3", false, false},
		{"9.1.0", false, true},
		{"9.1.1", true, true},
		{"9.1.12", true, true},
		{"9.2.0", true, false},
		{"10.0.0", true, false},
		{"9.1", false, false},
		{"9.1.1-rc1", false, false},
		{"", false, false},
	}
	for _, row := range rows {
		if coordinates(row.version) != row.coordinates || hears(row.version) != row.hears {
			t.Errorf("%q: coordinates %t, hears %t", row.version, coordinates(row.version), hears(row.version))
		}
	}
}

func TestTellingSentinelsWhoIsPrimary(t *testing.T) {
	w := newWatchWorld("9.1.2")
	handOver(w.world)
	w.sentinels[2].unknown = true
	w.sentinels[1].primary.Host = "10.0.0.2"
	_, target := w.pair()
	opt := w.options()
	opt.OnPromoted = func(context.Context) error { t.Error("traffic was moved"); return nil }
	result, err := TellSentinels(context.Background(), target, w.servers(), opt)
	if err != nil || result.Agreeing != 3 || len(result.Remade) != 1 || w.sentinels[2].primary.Quorum != 2 {
		t.Errorf("%+v, %v", result, err)
	}
	old, _ := w.pair()
	if _, err := TellSentinels(context.Background(), old, w.servers(), opt); !errors.Is(err, ErrGate) {
		t.Errorf("told that a replica is primary: %v", err)
	}
}
