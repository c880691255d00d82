package handover

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// clusterWorld is a shard of two and two more primaries, who see what a row of a
// table tells them to see. What real servers do is shown in internal/conformance.
type clusterWorld struct {
	mu    sync.Mutex
	nodes map[string]*clusterNode
	sent  int // CLUSTER FAILOVER
	// onFailover is what becomes of the nth request, nil for nothing.
	onFailover func(w *clusterWorld, n int)
	// failoverErr is how it is answered.
	failoverErr error
	limit       string // cluster-manual-failover-timeout
	nudged      int
}

// clusterNode is one of them.
type clusterNode struct {
	*clusterWorld
	id, host string
	info     valkey.Info
	err      error // does not answer
	failed   bool  // says that the cluster has failed
	epochs   valkey.ClusterInfo
	bumped   int // CLUSTER BUMPEPOCH
	// bumpedPaused: it held back writes then.
	bumpedPaused bool
	view         map[string]*valkey.ClusterNode
}

func newClusterWorld() *clusterWorld {
	w := &clusterWorld{nodes: map[string]*clusterNode{}, limit: "50", onFailover: handOverShard}
	for i, id := range []string{"old", "target", "second", "third"} {
		host := fmt.Sprintf("10.0.0.%d", i+1)
		n := &clusterNode{clusterWorld: w, id: id, host: host, view: map[string]*valkey.ClusterNode{}}
		n.info = valkey.Info{
			RunID: id + "-run", Role: valkey.RolePrimary, Offset: 100, ReplID: historyBefore,
			Failover: valkey.FailoverNone, PausedActions: "none",
		}
		for j, of := range []string{"old", "target", "second", "third"} {
			seen := &valkey.ClusterNode{
				ID: of, Host: fmt.Sprintf("10.0.0.%d", j+1), Port: 6379, Primary: true, LinkUp: true, Myself: of == id,
				Slots: []valkey.SlotRange{{First: j * 100, Last: j*100 + 99}},
			}
			if of == "target" {
				seen.Primary, seen.Replica, seen.PrimaryID, seen.Slots = false, true, "old", nil
			}
			n.view[of] = seen
		}
		w.nodes[id] = n
	}
	w.old().info.Replicas = []valkey.ReplicaLine{{Host: "10.0.0.2", Port: 6379, State: valkey.ReplicaOnline, Offset: 100}}
	target := w.target()
	target.info.Role, target.info.LinkUp, target.info.ReplicaOffset = valkey.RoleReplica, true, 100
	target.info.PrimaryHost, target.info.PrimaryPort = "10.0.0.1", 6379
	return w
}

// setEpochs: all have heard of that epoch, and the old primary's own is another.
func (w *clusterWorld) setEpochs(current, old int64) {
	for _, n := range w.nodes {
		n.epochs.CurrentEpoch = current
	}
	w.old().epochs.MyEpoch = old
}

func (w *clusterWorld) old() *clusterNode    { return w.nodes["old"] }
func (w *clusterWorld) target() *clusterNode { return w.nodes["target"] }

// run hands over from old to target.
func (w *clusterWorld) run(ctx context.Context, opt Options) (Result, error) {
	return Cluster(ctx, w.old(), w.target(), []ClusterServer{w.nodes["second"], w.nodes["third"]}, opt)
}

// What may become of a request.
func pauseShard(w *clusterWorld) {
	w.old().info.PausedActions, w.old().info.PausedReason = "write", "failover_in_progress"
}
func unpauseShard(w *clusterWorld) { w.old().info.PausedActions = "none" }
func electTarget(w *clusterWorld) {
	info := &w.target().info
	info.Role, info.ReplID = valkey.RolePrimary, historyAfter
	for _, n := range w.nodes {
		w.tell(n)
	}
}

// tell lets one node know of the new primary.
func (w *clusterWorld) tell(n *clusterNode) {
	old, target := n.view["old"], n.view["target"]
	target.Primary, target.Replica, target.PrimaryID, target.Slots = true, false, "", old.Slots
	old.Primary, old.Replica, old.PrimaryID, old.Slots = false, true, "target", nil
}
func followNew(w *clusterWorld) {
	info := &w.old().info
	info.Role, info.LinkUp, info.PausedActions = valkey.RoleReplica, true, "none"
	info.PrimaryHost, info.PrimaryPort = "10.0.0.2", 6379
}
func handOverShard(w *clusterWorld, _ int) { electTarget(w); followNew(w) }

func (n *clusterNode) Addr() string { return n.host + ":6379" }

func (n *clusterNode) Info(ctx context.Context) (valkey.Info, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return valkey.Info{}, err
	}
	return n.info, n.err
}

func (n *clusterNode) Role(ctx context.Context) (valkey.RoleState, error) {
	info, err := n.Info(ctx)
	return valkey.RoleState{Role: info.Role, Offset: info.Offset}, err
}

func (n *clusterNode) GetAck(context.Context, int) error { return nil }

func (n *clusterNode) ConfigGet(context.Context, string) (map[string]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return map[string]string{"cluster-manual-failover-timeout": n.limit}, n.err
}

func (n *clusterNode) ClusterNodes(context.Context) ([]valkey.ClusterNode, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var nodes []valkey.ClusterNode
	for _, id := range []string{"old", "target", "second", "third"} {
		if seen, ok := n.view[id]; ok {
			copied := *seen
			copied.Slots = slices.Clone(seen.Slots)
			nodes = append(nodes, copied)
		}
	}
	return nodes, n.err
}

func (n *clusterNode) ClusterInfo(context.Context) (valkey.ClusterInfo, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return valkey.ClusterInfo{OK: !n.failed, CurrentEpoch: n.epochs.CurrentEpoch, MyEpoch: n.epochs.MyEpoch}, n.err
}

func (n *clusterNode) BumpEpoch(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return n.err
	}
	n.bumped++
	n.bumpedPaused = n.info.PausedActions == "write"
	n.epochs.CurrentEpoch++
	n.epochs.MyEpoch = n.epochs.CurrentEpoch
	return nil
}

func (n *clusterNode) ClusterFailover(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return n.err
	}
	n.sent++
	if n.onFailover != nil {
		n.onFailover(n.clusterWorld, n.sent)
	}
	return n.failoverErr
}

func (n *clusterNode) Nudge(context.Context, int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nudged++
	return n.err
}

// later does something to the world while a handover runs.
func (w *clusterWorld) later(d time.Duration, what func(*clusterWorld)) {
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		what(w)
	})
}
