package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// surging is a new image in a cluster whose shards have one replica each.
func surging(w *world) {
	stale(w)
	w.Policy.Surge = model.SurgeAuto
}

// extra gives a shard a third node of its newest revision, in service.
func extra(w *world, k int) {
	s := &w.Shards[k]
	n := s.Nodes[1]
	n.Ordinal, n.Revision = 2, s.Revision
	n.Ref = model.Ref{Name: s.Name + "-2", UID: fmt.Sprintf("uid-%d-2", k), Address: clusterAddr(k, 2)}
	self := n.Server.Cluster.Members[0]
	self.ID, self.Address = fmt.Sprintf("%d.2", k), n.Address
	n.Server.Cluster = &model.ClusterServer{OK: true, ID: self.ID, Members: []model.Member{self}}
	s.Nodes, s.Size = append(s.Nodes, n), 3
	s.Nodes[0].Server.Acked[n.Address] = 1000
}

// rolled is a shard whose first nodes run the newest revision.
func rolled(w *world, k int) {
	w.node(k, 0).Revision, w.node(k, 1).Revision = w.Shards[k].Revision, w.Shards[k].Revision
}

func TestShardsSurgeOneAfterTheOther(t *testing.T) {
	play(t, []scene{
		{name: "one shard is given an extra pod, the others wait without", given: given(surging),
			steps: map[int]string{0: "scale from 2 to 3 pods"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "as many as may be rolled at once", given: given(func(w *world) { surging(w); w.Policy.ParallelShards = 2 }),
			steps: map[int]string{0: "scale from 2 to 3 pods", 1: "scale from 2 to 3 pods"}, holds: []string{"2:OtherShards:"}},
		{name: "none while a node of another shard is down", given: given(func(w *world) { surging(w); dead(w.node(2, 1)) }),
			steps: map[int]string{2: "scale from 2 to 3 pods"}, holds: []string{"0:OtherShards:", "1:OtherShards:"}},
		{name: "while it is not there the others wait", given: given(func(w *world) {
			surging(w)
			extra(w, 0)
			absentNode(w.node(0, 2))
		}), holds: []string{"0:PodStarting:v-shard-0-2", "1:OtherShards:", "2:OtherShards:"}},
		{name: "it is met as any new node is", given: given(func(w *world) {
			surging(w)
			extra(w, 0)
			fresh(w.node(0, 2), "0.9")
			w.parted("0.9", func(m *model.Member) { m.ID = "" })
		}), steps: map[int]string{0: "let v-shard-0-2 meet v-shard-0-0 (it is not known to the cluster under its address)"},
			holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "with it in service its shard is rolled", given: given(func(w *world) { surging(w); extra(w, 0) }),
			steps: map[int]string{0: "drain v-shard-0-1"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "until it has left the others wait", given: given(func(w *world) {
			surging(w)
			extra(w, 0)
			rolled(w, 0)
		}), steps: map[int]string{0: "drain v-shard-0-2"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "two that have one do not wait for each other to lose it", given: given(func(w *world) {
			surging(w)
			for k := range 2 {
				extra(w, k)
				rolled(w, k)
			}
			w.node(1, 2).Draining, w.node(1, 2).DrainingFor = true, time.Hour
		}), steps: map[int]string{1: "scale from 3 to 2 pods"}, holds: []string{"0:OtherShards:", "2:OtherShards:"}},
		{name: "nor two that have begun at the same time", given: given(func(w *world) { surging(w); extra(w, 0); extra(w, 1) }),
			steps: map[int]string{0: "drain v-shard-0-1"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "a shard with an extra node of its own goes on beside one that waits for room", given: given(func(w *world) {
			surging(w)
			w.Policy.ParallelShards = 2
			extra(w, 0)
			extra(w, 1)
			absentNode(w.node(0, 2))
		}), steps: map[int]string{1: "drain v-shard-1-1"}, holds: []string{"0:PodStarting:v-shard-0-2", "2:OtherShards:"}},
		{name: "one that has given everything away needs none", given: given(func(w *world) {
			emptied(w)
			w.Policy.Surge, w.Shards[2].Revision = model.SurgeAuto, "new"
		}), steps: map[int]string{2: "drain v-shard-2-0"}},
		{name: "what is taken back leaves again", given: given(func(w *world) {
			w.Policy.Surge = model.SurgeAuto
			extra(w, 0)
			w.node(0, 2).Revision = "new"
		}), steps: map[int]string{0: "drain v-shard-0-2"}},
		{name: "a rollout with extra pods goes before slots move", given: given(func(w *world) {
			grown(w)
			w.Policy.Surge, w.Shards[1].Revision = model.SurgeAuto, "new"
		}), steps: map[int]string{1: "scale from 2 to 3 pods"}, holds: []string{"0:RolloutFirst:", "2:RolloutFirst:"}},
	})
}
