package conformance

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// mortal is an operator's connection that can die: from then on nothing is sent.
type mortal struct {
	*valkey.Node
	dead *atomic.Bool
}

var errDead = errors.New("the operator is dead")

func (m mortal) Info(ctx context.Context) (valkey.Info, error) {
	if m.dead.Load() {
		return valkey.Info{}, errDead
	}
	return m.Node.Info(ctx)
}

func (m mortal) Role(ctx context.Context) (valkey.RoleState, error) {
	if m.dead.Load() {
		return valkey.RoleState{}, errDead
	}
	return m.Node.Role(ctx)
}

func (m mortal) Failover(ctx context.Context, host string, port int, d time.Duration) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Node.Failover(ctx, host, port, d)
}

func (m mortal) FailoverAbort(ctx context.Context) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Node.FailoverAbort(ctx)
}

func (m mortal) ReplicaOfNoOne(ctx context.Context) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Node.ReplicaOfNoOne(ctx)
}

func (m mortal) ReplicaOf(ctx context.Context, host string, port int) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Node.ReplicaOf(ctx, host, port)
}

func (m mortal) GetAck(ctx context.Context, times int) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Node.GetAck(ctx, times)
}

func (m mortal) PauseWrites(ctx context.Context, d time.Duration) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Node.PauseWrites(ctx, d)
}

func (m mortal) Unpause(ctx context.Context) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Node.Unpause(ctx)
}

// short keeps the scenarios quick.
func short(options handover.Options) handover.Options {
	options.Timeout, options.SettleTimeout = 600*time.Millisecond, 2*time.Second
	return options
}

// onePrimary waits until exactly one of the servers takes writes, and returns it.
func onePrimary(t *testing.T, servers ...*Server) *Server {
	t.Helper()
	var primary *Server
	Eventually(t, "exactly one server takes writes", func() bool {
		primary = nil
		for _, s := range servers {
			if !s.Writable() {
				continue
			}
			if primary != nil {
				t.Fatalf("both %s and %s take writes", primary.Addr(), s.Addr())
			}
			primary = s
		}
		return primary != nil
	})
	return primary
}

func notPaused(t *testing.T, s *Server) {
	t.Helper()
	info, ok := s.Info()
	if !ok || info.PausedActions != "none" || info.Failover != valkey.FailoverNone {
		t.Errorf("%s is paused: %q for %q, %s", s.Addr(), info.PausedActions, info.PausedReason, info.Failover)
	}
}

func TestOperatorThatDiesAtAnyPointLeavesOnePrimaryAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			set := Set(t, Spec{Version: version}, Spec{Version: version})
			for _, point := range []string{
				handover.PointBeforeFailover, handover.PointFailoverSent, handover.PointPromoted, handover.PointProved,
			} {
				t.Run("at "+point, func(t *testing.T) { dieAt(t, point, set) })
			}
		})
	}
}

func dieAt(t *testing.T, point string, set []*Server) {
	old := onePrimary(t, set...)
	target := set[1-slices.Index(set, old)]
	target.WaitSynced(old)
	writers := StartWriters(t, 4, old, target)
	var dead atomic.Bool
	opt := handover.Options{
		Timeout: 1500 * time.Millisecond, SettleTimeout: 200 * time.Millisecond,
		At: func(at string) { dead.Store(at == point || dead.Load()) },
	}
	result, err := handover.Replication(context.Background(),
		mortal{old.Node(), &dead}, mortal{target.Node(), &dead}, opt)
	writers.WaitFor(200)
	writers.Stop()
	primary := onePrimary(t, set...)
	notPaused(t, primary)
	if lost := writers.Lost(primary); lost != 0 {
		t.Errorf("lost %d of %d", lost, writers.Acknowledged())
	}
	if wasSent := point != handover.PointBeforeFailover; wasSent != (primary == target) {
		t.Errorf("once FAILOVER is sent the server goes on by itself; primary is %s, target %s", primary.Addr(), target.Addr())
	}
	t.Logf("%s after %v: %v; gap %v", result.Outcome, result.Total, err, writers.Gap())
}

func TestCancelledHandoverIsStillBroughtToAProvenEnd(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			set := Set(t, Spec{Version: version}, Spec{Version: version})
			old, target := set[0], set[1]
			writers := StartWriters(t, 2, old, target)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			opt := handover.Options{At: func(point string) {
				if point == handover.PointFailoverSent {
					cancel()
				}
			}}
			result, err := handover.Replication(ctx, old.Node(), target.Node(), opt)
			writers.WaitFor(50)
			writers.Stop()
			primary := onePrimary(t, set...)
			notPaused(t, primary)
			wantPrimary := map[handover.Outcome]*Server{handover.Done: target, handover.Aborted: old}[result.Outcome]
			if primary != wantPrimary || writers.Lost(primary) != 0 {
				t.Errorf("%s, but %s is primary; lost %d; %v", result.Outcome, primary.Addr(), writers.Lost(primary), err)
			}
			t.Logf("%s, traffic moved %t, in %v: %v", result.Outcome, result.Promoted, result.Total, err)
		})
	}
}

// The one state that no timeout ends: the target has died while the old primary
// applies to it. The next operator must bring it to an end.
func TestHandoverThatADeadOperatorLeftIsRecovered(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		do   func(target *Server)
	}{
		{"the target has died", (*Server).Kill},
		{"the target lives and lets nobody in", func(*Server) {}},
	}
	for _, version := range Versions {
		for _, row := range rows {
			t.Run(string(version)+" "+row.name, func(t *testing.T) {
				t.Parallel()
				ctx := context.Background()
				set := Set(t, Spec{Version: version}, Spec{Version: version})
				old, target := set[0], set[1]
				node, targetNode := old.Node(), target.Node()
				target.Must("ACL", "SETUSER", ReplicationUser, "off")
				target.WaitAcknowledged(old)
				if err := node.Failover(ctx, target.Host, target.Port, 200*time.Millisecond); err != nil {
					t.Fatal(err)
				}
				Eventually(t, "the old primary applies to its target", func() bool {
					info, ok := old.Info()
					return ok && info.Failover == valkey.FailoverInProgress
				})
				row.do(target)
				time.Sleep(time.Second) // far beyond FAILOVER's timeout
				info, _ := old.Info()
				if info.Failover != valkey.FailoverInProgress || old.Writable() {
					t.Errorf("the server has ended it by itself: %s, role %s", info.Failover, info.Role)
				}
				if err := node.ReplicaOfNoOne(ctx); !errors.Is(err, valkey.ErrFailoverInProgress) {
					t.Errorf("REPLICAOF NO ONE meanwhile: %v", err)
				}
				result, err := handover.Recover(ctx, node, targetNode, short(handover.Options{}))
				t.Logf("%s in %v: %v", result.Outcome, result.Total, err)
				if result.Outcome != handover.Aborted || !old.Writable() {
					t.Errorf("outcome %s, want Aborted and a primary that takes writes", result.Outcome)
				}
				notPaused(t, old)
			})
		}
	}
}

// failing is what is done to a handover's target.
type failing struct {
	name string
	// behind: there are writers, and what they write after before is done does not
	// reach the target. Without, the old primary applies to the target at once.
	behind  bool
	refuses bool          // the target does not let the old primary in
	before  func(*Server) // done before FAILOVER is sent
	after   func(*Server) // done once it is sent
	outcome handover.Outcome
}

var failings = []failing{
	{name: "killed before", behind: true, before: (*Server).Kill, outcome: handover.Aborted},
	{name: "frozen before it has caught up", behind: true, before: (*Server).Freeze, outcome: handover.Aborted},
	{name: "killed before it has caught up", behind: true, before: (*Server).Freeze, after: (*Server).Kill, outcome: handover.Aborted},
	{name: "killed when the old primary applies to it", refuses: true, after: (*Server).Kill, outcome: handover.Aborted},
	{name: "refuses when the old primary applies to it", refuses: true, outcome: handover.Aborted},
	{name: "frozen when the old primary applies to it", before: (*Server).Freeze, outcome: handover.Unproven},
}

// A target that cannot catch up, or cannot take over, must leave the old primary
// as it was.
func TestTargetThatFailsLeavesTheOldPrimaryAsItWas(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		for _, row := range failings {
			t.Run(string(version)+" "+row.name, func(t *testing.T) {
				t.Parallel()
				row.run(t, Set(t, Spec{Version: version}, Spec{Version: version}))
			})
		}
	}
}

func (row failing) run(t *testing.T, set []*Server) {
	old, target := set[0], set[1]
	var writers *Writers
	if row.behind {
		writers = StartWriters(t, 2, old, target)
	} else {
		target.WaitAcknowledged(old)
	}
	if row.refuses {
		target.Must("ACL", "SETUSER", ReplicationUser, "off")
	}
	promoted := false
	opt := short(handover.Options{
		OnPromoted: func(context.Context) error { promoted = true; return nil },
		At: func(point string) {
			switch {
			case point == handover.PointBeforeFailover && row.before != nil:
				row.before(target)
				if row.behind {
					writers.WaitFor(20)
				}
			case point == handover.PointFailoverSent && row.after != nil:
				row.after(target)
			}
		},
	})
	result, err := handover.Replication(context.Background(), old.Node(), target.Node(), opt)
	t.Logf("%s in %v: %v", result.Outcome, result.Total, err)
	if result.Outcome != row.outcome || promoted {
		t.Errorf("outcome %s, want %s; traffic moved %t", result.Outcome, row.outcome, promoted)
	}
	notPaused(t, old)
	if !old.Writable() {
		t.Error("the old primary takes no writes")
	}
	target.Thaw()
	Eventually(t, "the target has died, or says that it is a replica", func() bool {
		info, ok := target.Info()
		return !target.running() || ok && info.Role == valkey.RoleReplica
	})
	if onePrimary(t, set...) != old {
		t.Error("the target has taken the role after all")
	}
	if writers == nil {
		return
	}
	writers.WaitFor(50)
	writers.Stop()
	if lost := writers.Lost(old); lost != 0 {
		t.Errorf("lost %d of %d", lost, writers.Acknowledged())
	}
}

// A target that dies with the role: what it acknowledged as primary may be
// nowhere else, so nothing is undone, and the error says what is known.
func TestTargetThatDiesWithTheRoleLeavesItUnproven(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			set := Set(t, Spec{Version: version}, Spec{Version: version})
			opt := short(handover.Options{})
			opt.SettleTimeout = time.Second
			opt.OnPromoted = func(context.Context) error { set[1].Kill(); return nil }
			result, err := handover.Replication(context.Background(), set[0].Node(), set[1].Node(), opt)
			t.Logf("%s in %v: %v", result.Outcome, result.Total, err)
			info, _ := set[0].Info()
			if result.Outcome != handover.Unproven || !errors.Is(err, handover.ErrUnproven) || !result.Promoted {
				t.Errorf("outcome %s, %v", result.Outcome, err)
			}
			if info.Role != valkey.RoleReplica || info.Failover != valkey.FailoverNone {
				t.Errorf("the old primary is %s, %s", info.Role, info.Failover)
			}
		})
	}
}
