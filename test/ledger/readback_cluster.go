package ledger

import (
	"context"
	"fmt"

	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// roleNobody is that of no server: nobody owns the slots of some keys.
const roleNobody = "no owner"

// owns reports whether a key that is missing there is lost. With one shard it is
// the first node.
func (r *Run) owns(i int, n report.Node) bool {
	if !r.config.Cluster {
		return i == 0
	}
	return n.Role == rolePrimary || n.Role == roleNobody
}

// readBackCluster reads every acknowledged key from the owner of its slot, and
// from each of the owner's replicas.
func (r *Run) readBackCluster(ctx context.Context) []report.Node {
	v, err := r.awaitView(ctx)
	if err != nil {
		r.problem("the cluster was not whole and at rest within %s: %v", r.config.SyncTimeout, err)
	}
	r.view = v
	var nodes []report.Node
	for _, s := range v.shards {
		nodes = append(nodes, r.readShard(ctx, s)...)
	}
	if v.covered() < history.Slots {
		nodes = append(nodes, r.unowned(v))
	}
	if after, err := r.look(ctx); err == nil && !v.same(after) {
		r.problem("slots of the cluster changed their owner while they were read back: run again without a change at the end")
	}
	if r.config.Cleanup {
		for _, s := range v.shards {
			r.cleanUp(ctx, s.primary.Addr, s.goal.slots)
		}
	}
	return nodes
}

// readShard reads a shard's keys back from its primary and from its replicas.
func (r *Run) readShard(ctx context.Context, s shard) []report.Node {
	primary := report.Node{Address: s.primary.Addr, Role: rolePrimary, CaughtUp: true, RunID: s.goal.runID, Shard: s.id}
	primary.Name = r.podOf(s.goal.runID)
	r.compare(ctx, &primary, s.goal.slots)
	nodes := []report.Node{primary}
	for _, m := range s.replicas {
		replica := report.Node{Address: m.Addr, Role: roleUnknown, Shard: s.id}
		r.readReplica(ctx, &replica, s.goal)
		nodes = append(nodes, replica)
	}
	if n := len(s.replicas); n < r.config.ExpectReplicas {
		r.problem("the primary at %s has %d replicas in the cluster, and %d were expected", s.primary.Addr, n, r.config.ExpectReplicas)
	}
	return nodes
}

// unowned counts the keys in slots that nobody owns, or whose owner does not
// answer: what cannot be read counts as missing.
func (r *Run) unowned(v view) report.Node {
	var slots history.SlotSet
	for i := range slots {
		slots[i] = true
	}
	for _, s := range v.shards {
		for i, mine := range s.primary.Slots {
			slots[i] = slots[i] && !mine
		}
	}
	node := report.Node{Address: r.config.Addr, Role: roleNobody, Error: fmt.Sprintf("%d slots have no owner that answers", slots.Len())}
	r.note(&node, r.history.Unread(&slots))
	return node
}
