package plan_test

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// deletedByForce deletes the pod of the first shard's primary by force: Kubernetes knows of
// none, while its process serves on for a moment. What its replica says is changed.
func deletedByForce(change func(w *world, replica *model.Server)) func() *world {
	return heardOf(func(w *world) { absentNode(w.node(0, 0)) }, change)
}

// heardOf changes a cluster, and lets the first shard's replica hear from its primary all
// the same.
func heardOf(given func(w *world), change func(w *world, replica *model.Server)) func() *world {
	return func() *world {
		w := sharded(3)
		given(w)
		w.gossip(model.Member{ID: "0.0", Address: clusterAddr(0, 0), Role: model.RolePrimary, Linked: true, Slots: model.EvenShare(0, 3)})
		replica := &w.node(0, 1).Server
		replica.LinkUp, replica.LinkDown = true, 0
		change(w, replica)
		return w
	}
}

// Whoever is promoted beside it lacks what it goes on to acknowledge.
func TestNobodySucceedsAPrimaryThatItsReplicaHears(t *testing.T) {
	heard := []string{"0:PrimaryNotVisible:v-shard-0-1"}
	elected := map[int]string{0: "promote v-shard-0-1 (the primary is gone, and this replica has the most of its history)"}
	play(t, []scene{
		{name: "its pod is gone, its process is not", given: deletedByForce(func(*world, *model.Server) {}), holds: heard},
		{name: "nor while the replica synchronises with it in full", given: deletedByForce(func(_ *world, r *model.Server) {
			r.LinkUp, r.Syncing = false, true
		}), holds: heard},
		{name: "a new pod of its name is not the one that is heard", given: deletedByForce(func(w *world, _ *model.Server) {
			n := w.node(0, 0)
			n.Phase, n.Address, n.Revision = model.PodRunning, "10.0.0.7:6379", "old"
			n.Server.ReplID = "h0"
			held(n, 1000)
		}), holds: heard},
		{name: "not even one that has lost its identity", given: deletedByForce(func(w *world, _ *model.Server) {
			n := w.node(0, 0)
			n.Phase, n.Address, n.Revision = model.PodRunning, "10.0.0.7:6379", "old"
			fresh(n, "0.7")
		}), holds: heard},
		{name: "nor is one whose host Kubernetes has lost", given: heardOf(func(w *world) {
			w.node(0, 0).Server, w.node(0, 0).HostLost, w.node(0, 0).Ready = model.Server{}, true, false
		}, func(*world, *model.Server) {}), holds: heard},
		{name: "its link has ended with the process", given: deletedByForce(func(_ *world, r *model.Server) { r.LinkUp = false }), steps: elected},
		{name: "a link over which nothing has come for long says nothing", given: deletedByForce(func(_ *world, r *model.Server) {
			r.LastIO = time.Minute
		}), steps: elected},
	})
}
