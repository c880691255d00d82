package conformance

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// peers are all running nodes but these two, as the operator's clients.
func (c *Cluster) peers(old, target *Server) []handover.ClusterServer {
	c.t.Helper()
	var peers []handover.ClusterServer
	for _, s := range c.Servers() {
		if s != old && s != target && s.running() {
			peers = append(peers, s.Node())
		}
	}
	return peers
}

// handOver hands over as the operator does, and as it does waits while a gate does
// not hold: not every node has heard of the handover before.
func (c *Cluster) handOver(old, target *Server, opt handover.Options) (handover.Result, error) {
	c.t.Helper()
	oldNode, targetNode, peers := old.Node(), target.Node(), c.peers(old, target)
	var result handover.Result
	var err error
	Eventually(c.t, "the gates hold", func() bool {
		result, err = handover.Cluster(context.Background(), oldNode, targetNode, peers, opt)
		return !errors.Is(err, handover.ErrGate)
	})
	return result, err
}

// Two elections at once take votes from each other; a lost one is asked for again.
func TestClusterHandoversOfTwoShardsAtOnce(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			w := StartClusterWriters(t, 4, c, c.SlotsOf(0))
			again := 0
			for run := range 6 {
				ends := make([]handover.Result, 2)
				errs := make([]error, 2)
				var both sync.WaitGroup
				for i := range ends {
					old, target := c.Shards[i][run%2], c.Shards[i][1-run%2]
					target.WaitSynced(old)
					both.Go(func() { ends[i], errs[i] = c.handOver(old, target, handover.Options{}) })
				}
				both.Wait()
				for i, result := range ends {
					if errs[i] != nil {
						t.Fatalf("run %d, shard %d: %+v, %v", run, i, result, errs[i])
					}
					again += result.Attempts - 1
				}
			}
			w.Stop()
			t.Logf("%s: asked again %d times in 12 handovers, longest gap %v", version, again, w.Gap())
			if lost := w.Lost(); lost > 0 {
				t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
			}
		})
	}
}

func TestClusterHandoverThatFailsGivesWritesBack(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		point  string
		freeze func(*Cluster) []*Server
	}{
		{"the target freezes in the middle of it", handover.PointFailoverSent, func(c *Cluster) []*Server { return c.Shards[0][1:] }},
		{"the other primaries freeze, so nobody elects", handover.PointBeforeFailover, func(c *Cluster) []*Server {
			return []*Server{c.Shards[1][0], c.Shards[2][0]}
		}},
	}
	for _, version := range Versions {
		for _, row := range rows {
			t.Run(string(version)+" "+row.name, func(t *testing.T) {
				t.Parallel()
				// The default limit is 5 s. A node timeout above it keeps the servers'
				// own failovers out of this.
				spec := Spec{Version: version, Config: []string{"cluster-manual-failover-timeout 1000", "cluster-node-timeout 10000"}}
				c := FormCluster(t, spec, 3, 1)
				old, target := c.Shards[0][0], c.Shards[0][1]
				w := StartClusterWriters(t, 4, c, c.SlotsOf(0))
				opt := handover.Options{At: func(point string) {
					if point == row.point {
						for _, s := range row.freeze(c) {
							s.Freeze()
						}
					}
				}}
				w.ResetGap()
				result, err := c.handOver(old, target, opt)
				if result.Outcome == handover.Done && row.point == handover.PointFailoverSent {
					t.Skip("the target was quicker than its freezing")
				}
				if !errors.Is(err, handover.ErrAborted) || result.Outcome != handover.Aborted || result.Promoted {
					t.Fatalf("%+v, %v", result, err)
				}
				w.WaitFor(50)
				t.Logf("%s, %s: writes were held back for %v, %d attempts, all in all %v", version, row.name, w.Gap(), result.Attempts, result.Total)
				for _, s := range row.freeze(c) {
					s.Thaw()
				}
				c.WaitOK()
				if role, err := target.Node().Role(context.Background()); err != nil || role.Role != valkey.RoleReplica {
					t.Errorf("the target when it has thawed: %+v, %v", role, err)
				}
				w.Stop()
				if lost := w.Lost(); lost > 0 {
					t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
				}
				if result, err = c.handOver(old, target, handover.Options{}); err != nil {
					t.Errorf("the next handover: %+v, %v", result, err)
				}
			})
		}
	}
}

func TestClusterHandoverWithADeadPeerOfThree(t *testing.T) {
	t.Parallel()
	c := FormCluster(t, Spec{Version: V91, Config: []string{"cluster-node-timeout 10000"}}, 3, 1)
	old, target := c.Shards[0][0], c.Shards[0][1]
	dead := c.Shards[2][0]
	dead.Signal(syscall.SIGKILL)
	Eventually(t, "it has ended", func() bool { return !dead.running() })
	if result, err := c.handOver(old, target, handover.Options{}); err != nil {
		t.Errorf("%+v, %v", result, err)
	}
}
