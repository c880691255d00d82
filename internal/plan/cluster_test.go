package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// given makes a cluster of three shards, changes it, and lets its members talk.
func given(change func(w *world), ghosts ...model.Member) func() *world {
	return func() *world {
		w := sharded(3)
		change(w)
		w.gossip(ghosts...)
		return w
	}
}

// newborn is an instance whose pods have just started.
func newborn(w *world) {
	w.Formed = false
	for k := range w.Shards {
		w.Shards[k].Memory = model.Memory{}
		for i := range 2 {
			fresh(w.node(k, i), w.node(k, i).Server.Cluster.ID)
		}
	}
	w.apart()
}

// apart: nobody knows anybody.
func (w *world) apart() {
	for _, n := range w.answering() {
		w.parted(n.Server.Cluster.ID, func(m *model.Member) { m.ID = "" })
	}
}

func stale(w *world) {
	for k := range w.Shards {
		w.Shards[k].Revision = "new"
	}
}

func TestClusterForms(t *testing.T) {
	play(t, []scene{
		{name: "each shard's first primary gets its even share, and the primaries spread over the hosts", given: given(newborn), steps: map[int]string{
			0: "give v-shard-0-0 5462 slots (a new cluster)",
			1: "give v-shard-1-1 5461 slots (a new cluster)",
			2: "give v-shard-2-0 5461 slots (a new cluster)"}},
		{name: "once they have slots they are introduced to each other", given: given(func(w *world) {
			newborn(w)
			for k := range 3 {
				lead(&w.Shards[k], 0, model.EvenShare(k, 3))
				fresh(w.node(k, 1), w.node(k, 1).Server.Cluster.ID)
			}
		}), steps: map[int]string{
			0: "let v-shard-0-1 meet v-shard-0-0 (it is not known to the cluster under its address)",
			1: "let v-shard-1-0 v-shard-1-1 meet v-shard-0-0 (it is not known to the cluster under its address)",
			2: "let v-shard-2-0 v-shard-2-1 meet v-shard-0-0 (it is not known to the cluster under its address)"}},
		{name: "a node that knows the primary becomes its replica", given: given(func(w *world) { fresh(w.node(1, 1), "1.1") }),
			steps: map[int]string{1: "let v-shard-1-1 follow v-shard-1-0 (it has booted)"}},
		{name: "but of nobody whom no majority of the others knows as primary", given: given(func(w *world) {
			fresh(w.node(1, 1), "1.1")
			w.sees("2.0", "1.0", func(m *model.Member) { m.Slots = nil })
		}), holds: []string{"1:Joining:v-shard-1-1"}},
		{name: "one that has not heard of the primary waits until it has", given: given(func(w *world) {
			fresh(w.node(1, 1), "1.1")
			w.forgets("1.1", "1.0")
		}), holds: []string{"1:Joining:v-shard-1-1"}},
		{name: "a cluster that is whole is taken as it is", given: given(func(*world) {})},
		{name: "a replica of another shard's primary comes back to its own", given: given(func(w *world) {
			w.self(1, 1).Primary, w.node(1, 1).Server.Follows = "0.0", clusterAddr(0, 0)
		}), steps: map[int]string{1: "let v-shard-1-1 follow v-shard-1-0 (it follows somebody else)"}},
		{name: "a shard led by another shard's node says so", given: given(func(w *world) {
			for i := range 2 {
				w.self(1, i).Role, w.self(1, i).Slots, w.self(1, i).Primary = model.RoleReplica, nil, "0.1"
				w.node(1, i).Server.Role, w.node(1, i).Server.Follows = model.RoleReplica, clusterAddr(0, 1)
			}
			w.self(0, 1).Role, w.self(0, 1).Primary, w.self(0, 1).Slots = model.RolePrimary, "", model.EvenShare(1, 3)
			w.node(0, 1).Server.Role = model.RolePrimary
		}), holds: []string{"0:TwoPrimaries:", "1:ForeignPrimary:v-shard-1-0"}},
	})
}

func TestClusterRolls(t *testing.T) {
	play(t, []scene{
		{name: "one shard at a time, its replica first", given: given(stale),
			steps: map[int]string{0: "drain v-shard-0-1"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "in as many shards as the spec allows", given: given(func(w *world) { stale(w); w.Policy.ParallelShards = 2 }),
			steps: map[int]string{0: "drain v-shard-0-1", 1: "drain v-shard-1-1"}, holds: []string{"2:OtherShards:"}},
		{name: "a shard that is at work already goes on before another begins", given: given(func(w *world) { stale(w); w.node(2, 1).Draining = true }),
			steps: map[int]string{2: "restart v-shard-2-1 (it runs an older revision)"}, holds: []string{"0:OtherShards:", "1:OtherShards:"}},
		{name: "a shard in which the rollout has begun ends it before another begins", given: given(func(w *world) { stale(w); w.node(2, 1).Revision = "new" }),
			steps: map[int]string{2: "hand over v-shard-2-0 to v-shard-2-1"}, holds: []string{"0:OtherShards:", "1:OtherShards:"}},
		{name: "shards that have begun do not wait for each other when the bound is lowered", given: given(func(w *world) {
			stale(w)
			w.node(1, 1).Revision, w.node(2, 1).Revision = "new", "new"
		}), steps: map[int]string{1: "hand over v-shard-1-0 to v-shard-1-1"}, holds: []string{"0:OtherShards:", "2:OtherShards:"}},
		{name: "the role moves to the fresh replica, without a quiet second", given: given(func(w *world) { stale(w); w.node(0, 1).Revision = "new" }),
			steps: map[int]string{0: "hand over v-shard-0-0 to v-shard-0-1"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "clients that still send commands to a node are waited for, and not disconnected", given: given(func(w *world) {
			stale(w)
			w.node(0, 1).Draining, w.node(0, 1).Server.Clients, w.node(0, 1).DrainingFor = true, 2, time.Second
		}), holds: []string{"0:ClientsLeaving:v-shard-0-1", "1:OtherShards:", "2:OtherShards:"}},
		{name: "a pod that never came up and is superseded waits for no other shard", given: given(func(w *world) {
			stale(w)
			dead(w.node(2, 1))
			w.node(2, 1).Admitted, w.node(2, 1).InService = false, false
			w.node(0, 1).Draining = true
		}), steps: map[int]string{2: "restart v-shard-2-1 (it has never been in service, and its revision is superseded)"},
			holds: []string{"0:OtherShards:", "1:OtherShards:"}},
	})
}

// gated wants shard 0, whose replica is fresh, not to hand over.
func gated(name, hold string, change func(w *world)) scene {
	return scene{name: name, given: given(func(w *world) {
		w.Shards[0].Revision = "new"
		w.node(0, 1).Revision = "new"
		change(w)
	}), holds: []string{hold}}
}

// Two drains may begin at the same time, by looks that have not seen each other's.
func TestTwoShardsThatAreDrainedDoNotWaitForEachOther(t *testing.T) {
	both := func(w *world) {
		for _, k := range []int{0, 2} {
			w.Shards[k].Revision = "new"
			w.node(k, 1).Draining, w.node(k, 1).DrainingFor = true, time.Hour
		}
	}
	play(t, []scene{
		{name: "the first goes on", given: given(both), steps: map[int]string{0: "restart v-shard-0-1 (it runs an older revision)"},
			holds: []string{"2:OtherShards:"}},
		{name: "nor does one wait for another that is midway and waits for it", given: given(func(w *world) {
			w.Shards[0].Revision, w.node(0, 1).Revision = "new", "new"
			w.Shards[2].Revision = "new"
			w.node(2, 1).Draining, w.node(2, 1).DrainingFor = true, time.Hour
		}), steps: map[int]string{2: "restart v-shard-2-1 (it runs an older revision)"}, holds: []string{"0:OtherShards:"}},
	})
}

func TestNothingIsTouchedWhileTheClusterIsNotOfOneMind(t *testing.T) {
	play(t, []scene{
		gated("a primary that does not know the target under its address", "0:Joining:v-shard-0-1", func(w *world) {
			w.sees("2.0", "0.1", func(m *model.Member) { m.Address = "10.0.9.9:6379" })
		}),
		gated("a primary that has forgotten the target", "0:Joining:v-shard-0-1", func(w *world) { w.forgets("1.0", "0.1") }),
		gated("a primary that does not reach the target", "0:ClusterDisagrees:v-shard-0-1", func(w *world) {
			w.sees("1.0", "0.1", func(m *model.Member) { m.Suspected = true })
		}),
		gated("a primary that takes the target for somebody else's replica", "0:ClusterDisagrees:v-shard-0-1", func(w *world) {
			w.sees("1.0", "0.1", func(m *model.Member) { m.Primary = "2.0" })
		}),
		gated("a majority that finds the cluster out of order", "0:ClusterDisagrees:v-shard-2-0", func(w *world) {
			w.node(1, 0).Server.Cluster.OK, w.node(2, 0).Server.Cluster.OK = false, false
		}),
		gated("a majority that sees other slots than are served", "0:ClusterDisagrees:v-shard-2-0", func(w *world) {
			for _, who := range []string{"1.0", "2.0"} {
				w.sees(who, "0.0", func(m *model.Member) { m.Slots = model.EvenShare(0, 4) })
			}
		}),
		gated("a failover in another shard", "0:HandoverInProgress:v-shard-2-0", func(w *world) {
			w.node(2, 0).Server.FailingOver = true
		}).with("0:HandoverInProgress:v-shard-2-0", "2:HandoverInProgress:v-shard-2-0"),
		gated("slots on their way from the shard, all at once", "0:SlotsMoving:v-shard-0-0", func(w *world) {
			w.Shards[2].Leaving, w.Policy.Shards = true, 2
			w.node(0, 0).Server.Cluster.Moves = nil
			w.node(2, 0).Server.Cluster.Moves = []model.Move{{To: "0.0", Slots: model.EvenShare(2, 3).Highest(5)}}
		}).with("0:SlotsMoving:v-shard-2-0", "2:SlotsMoving:v-shard-2-0"),
	})
}

// with are other holds than the one.
func (s scene) with(holds ...string) scene {
	s.holds = holds
	return s
}

func TestClusterLosesNodes(t *testing.T) {
	play(t, []scene{
		{name: "a primary whose process has ended is succeeded by the vote of the others", given: given(func(w *world) { dead(w.node(0, 0)) }, ghost("0.0", model.EvenShare(0, 3))),
			steps: map[int]string{0: "promote v-shard-0-1 (the primary is gone, and this replica has the most of its history)"}},
		{name: "a primary that is only silent is not", given: given(func(w *world) { w.node(0, 0).Server = model.Server{} }, ghost("0.0", model.EvenShare(0, 3))),
			holds: []string{"0:PrimaryNotVisible:v-shard-0-0"}},
		{name: "not even one that was never in service, as long as its replica is linked to it", given: given(func(w *world) {
			n := w.node(0, 0)
			n.Server, n.Ready, n.InService, n.Admitted = model.Server{}, false, false, false
		}, ghost("0.0", model.EvenShare(0, 3))), holds: []string{"0:PrimaryNotVisible:v-shard-0-0"}},
		{name: "unless Kubernetes has lost its host", given: given(func(w *world) {
			w.node(0, 0).Server, w.node(0, 0).HostLost, w.node(0, 0).Ready = model.Server{}, true, false
		}, ghost("0.0", model.EvenShare(0, 3))),
			steps: map[int]string{0: "promote v-shard-0-1 (the primary is gone, and this replica has the most of its history)"}},
		{name: "a former primary that is held joins when its shard has another", given: given(func(w *world) {
			lead(&w.Shards[0], 1, model.EvenShare(0, 3))
			held(w.node(0, 0), 900)
			w.node(0, 0).InService = false
		}), steps: map[int]string{0: "let v-shard-0-0 join the cluster (v-shard-0-1 has superseded it)"}},
		{name: "a replica that has not been linked since it booted is no heir while the primary's volume may come back", given: given(func(w *world) {
			w.Policy.Durable = true
			absentNode(w.node(0, 0))
			w.node(0, 1).Server.LinkUp, w.node(0, 1).Server.Unlinked = false, true
		}, ghost("0.0", model.EvenShare(0, 3))), holds: []string{"0:WaitingForCopies:v-shard-0-0"}},
		{name: "but not before the others know that one", given: given(func(w *world) {
			lead(&w.Shards[0], 1, model.EvenShare(0, 3))
			held(w.node(0, 0), 900)
			w.node(0, 0).InService = false
			w.parted("0.1", func(m *model.Member) { m.Linked = false })
		}), holds: []string{"0:Joining:v-shard-0-0"}},
		{name: "nor before a majority has heard of it", given: given(func(w *world) {
			lead(&w.Shards[0], 1, model.EvenShare(0, 3))
			held(w.node(0, 0), 900)
			w.node(0, 0).InService = false
			w.sees("2.0", "0.1", func(m *model.Member) { m.Slots = nil })
		}), holds: []string{"0:Joining:v-shard-0-0"}},
		{name: "the newer copy wins over the former primary", given: given(func(w *world) { held(w.node(0, 0), 900) }, ghost("0.0", model.EvenShare(0, 3))),
			steps: map[int]string{0: "promote v-shard-0-1 (the primary is gone, and this replica has the most of its history)"}},
		{name: "a former primary that has more than its replica joins as what it was", given: given(func(w *world) { held(w.node(0, 0), 1100) }, ghost("0.0", model.EvenShare(0, 3))),
			steps: map[int]string{0: "let v-shard-0-0 join the cluster (the primary is gone, and this replica has the most of its history)"}},
		{name: "without a majority nothing is taken over beside a node that may serve", given: given(func(w *world) {
			dead(w.node(0, 0))
			w.node(1, 0).Server = model.Server{}
		}, ghost("0.0", model.EvenShare(0, 3)), ghost("1.0", model.EvenShare(1, 3))),
			holds: []string{"0:PrimaryNotVisible:v-shard-1-0", "1:PrimaryNotVisible:v-shard-1-0"}},
		{name: "two of three primaries lost with their hosts are taken over from", given: given(func(w *world) {
			for k := range 2 {
				w.node(k, 0).Server, w.node(k, 0).HostLost, w.node(k, 0).Ready = model.Server{}, true, false
			}
		}, ghost("0.0", model.EvenShare(0, 3)), ghost("1.0", model.EvenShare(1, 3))), steps: map[int]string{
			0: "promote v-shard-0-1 (the primary is gone, and this replica has the most of its history; 1 of 3 primaries can vote)",
			1: "promote v-shard-1-1 (the primary is gone, and this replica has the most of its history; 1 of 3 primaries can vote)"}},
		{name: "an old entry is forgotten once every node has been seen", given: given(func(*world) {}, ghost("9.9", nil)), steps: map[int]string{
			0: "forget 9.9 at v-shard-0-0 v-shard-0-1", 1: "forget 9.9 at v-shard-1-0 v-shard-1-1", 2: "forget 9.9 at v-shard-2-0 v-shard-2-1"}},
		{name: "but not while a node is away that may come back under it", given: given(func(w *world) {
			w.node(2, 1).Server, w.node(2, 1).Ready = model.Server{}, false
		}, ghost("2.1", nil))},
		{name: "nor while it owns slots", given: given(func(*world) {}, ghost("9.9", model.EvenShare(0, 3)))},
	})
}

func TestAllNodesCameBackAtOnce(t *testing.T) {
	newAddresses := func(w *world) {
		for _, n := range w.answering() {
			w.parted(n.Server.Cluster.ID, func(m *model.Member) { m.Linked, m.Address = false, "10.9.9.9:6379" })
		}
	}
	play(t, []scene{
		{name: "former primaries with the most of their histories join first", given: given(func(w *world) {
			w.Policy.Durable = true
			for k := range 3 {
				held(w.node(k, 0), 1000)
				w.node(k, 0).InService, w.node(k, 1).InService = false, false
				w.node(k, 1).Server.LinkUp = false
			}
			newAddresses(w)
		}, ghost("0.0", model.EvenShare(0, 3)), ghost("1.0", model.EvenShare(1, 3)), ghost("2.0", model.EvenShare(2, 3))), steps: map[int]string{
			0: "let v-shard-0-0 join the cluster (it holds the most of the newest known history)",
			1: "let v-shard-1-0 join the cluster (it holds the most of the newest known history)",
			2: "let v-shard-2-0 join the cluster (it holds the most of the newest known history)"}},
		{name: "and who does not know where the others are is introduced again", given: given(func(w *world) { newAddresses(w) }), steps: map[int]string{
			0: "let v-shard-0-1 meet v-shard-0-0 (it is not known to the cluster under its address)",
			1: "let v-shard-1-0 v-shard-1-1 meet v-shard-0-0 (it is not known to the cluster under its address)",
			2: "let v-shard-2-0 v-shard-2-1 meet v-shard-0-0 (it is not known to the cluster under its address)"}},
		{name: "two that moved at the same moment are introduced to each other", given: given(func(w *world) {
			w.blind[[2]string{"1.1", "2.1"}] = func(m *model.Member) { m.Address, m.Linked = "10.9.9.8:6379", false }
			w.blind[[2]string{"2.1", "1.1"}] = func(m *model.Member) { m.Address, m.Linked = "10.9.9.9:6379", false }
		}), steps: map[int]string{
			2: "let v-shard-2-1 meet v-shard-1-1 (both have moved, and know each other under earlier addresses)"}},
		{name: "but not while one of them can tell the other", given: given(func(w *world) {
			w.blind[[2]string{"1.1", "2.1"}] = func(m *model.Member) { m.Address, m.Linked = "10.9.9.8:6379", false }
		}), steps: map[int]string{}},
		{name: "who is about to be known is not introduced again", given: given(func(w *world) {
			w.parted("2.1", func(m *model.Member) { m.Linked = false })
		}), holds: []string{"2:Joining:v-shard-2-1"}},
		{name: "and keeps nobody else from being put into service", given: given(func(w *world) {
			w.parted("2.1", func(m *model.Member) { m.Linked = false })
			w.node(2, 1).InService = false
			w.node(2, 1).Server.LinkUp = false
			w.node(2, 0).InService = false
		}), steps: map[int]string{2: "publish primary v-shard-2-0, replicas []"}},
	})
}

// REPLICAOF is refused in a cluster: what a person is told to run has to work there.
func TestWhoChoosesACopyIsToldHow(t *testing.T) {
	w := sharded(3)
	for i := range 2 {
		w.node(0, i).InService = false
	}
	held(w.node(0, 0), 900)
	w.node(0, 0).Server.ReplID = "h7"
	w.node(0, 1).Server.ReplID, w.node(0, 1).Server.LinkUp = "h8", false
	w.gossip(ghost("0.0", model.EvenShare(0, 3)))
	p, err := plan.Next(w.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	holds := p.HoldsOf("v-shard-0")
	if len(holds) != 2 {
		t.Fatalf("%v", holds)
	}
	for i, command := range []string{"SHUTDOWN NOSAVE", "CLUSTER FAILOVER TAKEOVER"} {
		if h := holds[i]; h.Reason != model.HistoryUnknown || !strings.HasSuffix(h.Detail, "run "+command+" on it") {
			t.Errorf("%s: %s", h.Node, h)
		}
	}
}
