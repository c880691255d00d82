package plan_test

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

func TestAShardIsLost(t *testing.T) {
	lost := func(w *world) {
		fresh(w.node(1, 0), "1.7")
		fresh(w.node(1, 1), "1.8")
	}
	old := ghost("1.0", model.EvenShare(1, 3))
	play(t, []scene{
		{name: "its slots are given to nobody by itself", given: given(lost, old), holds: []string{"1:ShardLost:"}},
		{name: "a replica that has not heard what its primary served is not voted for, and is given it", given: given(func(w *world) {
			absentNode(w.node(1, 0))
			w.sees("1.1", "1.0", func(m *model.Member) { m.Slots = nil })
		}, old), steps: map[int]string{1: "promote v-shard-1-1 (the primary is gone, and this replica has the most of its history; what its primary served it has not heard)"}},
		{name: "unless the spec says so", given: given(func(w *world) { lost(w); w.Policy.ReassignEmpty = true }, old),
			steps: map[int]string{1: "give v-shard-1-1 5461 slots (nothing of the shard is left, and its slots may go to an empty node)"}},
		{name: "a volume that has not come back is waited for", given: given(func(w *world) {
			lost(w)
			w.Policy.Durable, w.Policy.ReassignEmpty = true, true
			absentNode(w.node(1, 0))
		}, old), holds: []string{"1:WaitingForCopies:v-shard-1-0"}},
		{name: "slots that somebody has deleted go to the shard with the fewest", given: given(func(w *world) {
			w.self(2, 0).Slots = w.self(2, 0).Slots.Minus(model.Slots{{First: 16000, Last: 16099}})
		}), steps: map[int]string{2: "give v-shard-2-0 100 slots (nobody serves them)"}},
		{name: "also when the status has forgotten whose slots they were", given: given(func(w *world) {
			w.Shards[1] = w.newShard(1, nil)
			w.Shards[1].Memory = model.Memory{}
		}, ghost("1.7", model.EvenShare(1, 3)))},
		{name: "and also then they are given away if the spec says so", given: given(func(w *world) {
			w.Policy.ReassignEmpty = true
			w.Shards[1] = w.newShard(1, nil)
			w.Shards[1].Memory = model.Memory{}
		}, ghost("1.7", model.EvenShare(1, 3))), steps: map[int]string{1: "give v-shard-1-0 5461 slots (nobody serves them)"}},
		{name: "the slots of a shard that leaves and is cut off are nobody else's", given: given(func(w *world) {
			shrunk(w)
			for _, id := range []string{"2.0", "2.1"} {
				w.parted(id, func(m *model.Member) { m.Linked, m.Failed = false, true })
			}
		}), holds: []string{"2:Joining:v-shard-2-0", "2:Joining:v-shard-2-1"}},
	})
}

// grown is a fourth shard, in service and without a slot.
func grown(w *world) {
	w.Policy.Shards = 4
	w.Shards = append(w.Shards, w.newShard(3, nil))
}

// shrunk is one shard too many.
func shrunk(w *world) {
	w.Policy.Shards = 2
	w.Shards[2].Leaving = true
}

// emptied is a cluster that is to have two shards; the third has given its slots
// away.
func emptied(w *world) {
	shrunk(w)
	given := model.EvenShare(2, 3)
	w.Shards[2].Memory.Slots, w.self(2, 0).Slots = nil, nil
	w.self(0, 0).Slots, w.self(1, 0).Slots = w.self(0, 0).Slots.Plus(given.Highest(2730)), w.self(1, 0).Slots.Plus(given.Minus(given.Highest(2730)))
}

func drained(w *world, shard int, since time.Duration) {
	for i := range 2 {
		w.node(shard, i).Draining, w.node(shard, i).DrainingFor = true, since
	}
}

func TestShardsComeAndGo(t *testing.T) {
	play(t, []scene{
		{name: "a new shard gets slots from those that have too many, one at a time", given: given(grown),
			steps: map[int]string{0: "move 1024 slots from v-shard-0-0 to v-shard-3-0, at once"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "but between others at the same time", given: given(func(w *world) {
			grown(w)
			w.Policy.Shards = 5
			w.Shards = append(w.Shards, w.newShard(4, nil))
		}), steps: map[int]string{0: "move 1024 slots from v-shard-0-0 to v-shard-3-0, at once", 2: "move 1024 slots from v-shard-2-0 to v-shard-4-0, at once"},
			holds: []string{"1:OtherShards:"}},
		{name: "key by key where one end is too old", given: given(func(w *world) { grown(w); w.node(3, 0).Server.Version = "8.1.1" }),
			steps: map[int]string{0: "move 1024 slots from v-shard-0-0 to v-shard-3-0, key by key"}, holds: []string{"1:OtherShards:", "2:OtherShards:"}},
		{name: "a slot that is half moved is gone on with", given: given(func(w *world) { grown(w); w.self(1, 0).Giving = map[int]string{6000: "3.0"} }),
			steps: map[int]string{1: "move 1 slots from v-shard-1-0 to v-shard-3-0, key by key"}, holds: []string{"0:SlotsMoving:v-shard-1-0", "2:SlotsMoving:v-shard-1-0"}},
		{name: "also when only the taker knows of it", given: given(func(w *world) { grown(w); w.self(3, 0).Taking = map[int]string{6000: "1.0"} }),
			steps: map[int]string{1: "move 1 slots from v-shard-1-0 to v-shard-3-0, key by key"}, holds: []string{"0:SlotsMoving:v-shard-3-0", "2:SlotsMoving:v-shard-3-0"}},
		{name: "and waited with while the other end is away", given: given(func(w *world) { grown(w); w.self(1, 0).Giving = map[int]string{6000: "9.9"} }),
			steps: map[int]string{0: "move 1024 slots from v-shard-0-0 to v-shard-3-0, at once"}, holds: []string{"1:SlotsMoving:v-shard-1-0", "2:OtherShards:"}},
		{name: "and before a rollout goes on, which would wait for it", given: given(func(w *world) {
			grown(w)
			stale(w)
			w.self(1, 0).Giving = map[int]string{6000: "3.0"}
		}), steps: map[int]string{1: "move 1 slots from v-shard-1-0 to v-shard-3-0, key by key"},
			holds: []string{"0:SlotsMoving:v-shard-1-0", "2:SlotsMoving:v-shard-1-0", "3:SlotsMoving:v-shard-1-0"}},
		{name: "rollouts go first", given: given(func(w *world) { grown(w); w.Shards[1].Revision = "new" }),
			steps: map[int]string{1: "drain v-shard-1-1"}, holds: []string{"0:RolloutFirst:", "2:RolloutFirst:"}},
		{name: "a shard that leaves gives all it has to those that stay", given: given(shrunk),
			steps: map[int]string{2: "move 1024 slots from v-shard-2-0 to v-shard-0-0, at once"}},
		{name: "what is on its way is waited for", given: given(func(w *world) {
			shrunk(w)
			w.node(2, 0).Server.Cluster.Moves = []model.Move{{To: "0.0", Slots: model.EvenShare(2, 3).Highest(7)}}
		}), holds: []string{"2:SlotsMoving:v-shard-2-0"}},
		{name: "and called off when the spec has changed back", given: given(func(w *world) {
			w.node(2, 0).Server.Cluster.Moves = []model.Move{{To: "0.0", Slots: model.EvenShare(2, 3).Highest(7)}}
		}), steps: map[int]string{2: "call off the migrations from v-shard-2-0 (v-shard-0 is not to have them any more)"}},
		{name: "a migration that failed waits, and says why", given: given(func(w *world) {
			shrunk(w)
			w.node(2, 0).Server.Cluster.Moves = []model.Move{{To: "0.0", State: model.MoveFailed, Ago: time.Second, Message: "failover"}}
		}), holds: []string{"2:SlotMoveFailed:v-shard-2-0"}},
		{name: "a shard without slots is drained first", given: given(func(w *world) {
			emptied(w)
			w.node(2, 0).Draining = true
		}), steps: map[int]string{2: "drain v-shard-2-1"}},
		{name: "and answers for a minute where its slots are", given: given(func(w *world) {
			emptied(w)
			drained(w, 2, time.Minute)
			w.node(2, 1).DrainingFor -= time.Second
		}), holds: []string{"2:ClientsLeaving:v-shard-2-1"}},
		{name: "or longer, if clients have longer", given: given(func(w *world) {
			emptied(w)
			drained(w, 2, time.Minute)
			w.Policy.ClientDrain = 2 * time.Minute
		}), holds: []string{"2:ClientsLeaving:v-shard-2-0"}},
		{name: "another shard is rolled meanwhile", given: given(func(w *world) {
			emptied(w)
			drained(w, 2, time.Second)
			w.Shards[0].Revision = "new"
		}), steps: map[int]string{0: "drain v-shard-0-1"}, holds: []string{"2:ClientsLeaving:v-shard-2-0"}},
		{name: "then it is forgotten by all others", given: given(func(w *world) {
			emptied(w)
			drained(w, 2, time.Minute)
		}), steps: map[int]string{0: "forget 2.0 2.1 at v-shard-0-0 v-shard-0-1", 1: "forget 2.0 2.1 at v-shard-1-0 v-shard-1-1"},
			holds: []string{"2:OtherShards:v-shard-0-0"}},
		{name: "whatever its own nodes still believe", given: given(func(w *world) {
			emptied(w)
			drained(w, 2, time.Minute)
			w.sees("2.1", "2.0", func(m *model.Member) { m.Slots = model.EvenShare(2, 3) })
		}), steps: map[int]string{0: "forget 2.0 2.1 at v-shard-0-0 v-shard-0-1", 1: "forget 2.0 2.1 at v-shard-1-0 v-shard-1-1"},
			holds: []string{"2:OtherShards:v-shard-0-0"}},
		{name: "and goes", given: given(func(w *world) {
			emptied(w)
			drained(w, 2, time.Minute)
			for _, who := range []string{"0.0", "0.1", "1.0", "1.1"} {
				w.forgets(who, "2.0")
				w.forgets(who, "2.1")
			}
		}), steps: map[int]string{2: "scale from 2 to 0 pods"}},
		{name: "a shard that has no slots yet and loses its primary: whom the others do not need joins again", given: given(func(w *world) {
			grown(w)
			held(w.node(3, 0), 1000)
		}, ghost("3.0", nil)), steps: map[int]string{3: "let v-shard-3-0 join the cluster (its shard has no slots, and no primary)"},
			holds: []string{"0:OtherShards:", "1:OtherShards:", "2:OtherShards:"}},
		{name: "but its first primary is waited for until it has heard that somebody follows it", given: given(func(w *world) {
			grown(w)
			w.node(3, 0).Server.Role, w.node(3, 0).Server.Follows, w.node(3, 0).Server.Acked = model.RoleReplica, model.Nobody, nil
			w.node(3, 0).InService, w.node(3, 1).InService = false, false
		}), holds: []string{"0:OtherShards:", "1:OtherShards:", "2:OtherShards:", "3:Joining:v-shard-3-1"}},
		{name: "or its replica takes over nothing, for which nobody votes", given: given(func(w *world) {
			grown(w)
			absentNode(w.node(3, 0))
		}, ghost("3.0", nil)), steps: map[int]string{3: "promote v-shard-3-1 (its shard has no slots, and no primary)"},
			holds: []string{"0:OtherShards:", "1:OtherShards:", "2:OtherShards:"}},
		{name: "a shard that has given away its last slots a moment ago, and lost its primary, goes all the same", given: given(func(w *world) {
			shrunk(w)
			given := model.EvenShare(2, 3)
			w.self(0, 0).Slots, w.self(1, 0).Slots = w.self(0, 0).Slots.Plus(given.Highest(2730)), w.self(1, 0).Slots.Plus(given.Minus(given.Highest(2730)))
			for _, who := range []string{"0.0", "0.1", "1.0", "1.1"} {
				w.forgets(who, "2.1")
			}
			dead(w.node(2, 0))
		}), steps: map[int]string{2: "drain v-shard-2-1"}},
		{name: "but not one that has taken slots of which nobody knows yet", given: given(func(w *world) {
			shrunk(w)
			w.Shards[2].Memory.Slots = nil
			dead(w.node(2, 0))
		}, ghost("2.0", model.EvenShare(2, 3))), steps: map[int]string{2: "promote v-shard-2-1 (the primary is gone, and this replica has the most of its history)"}},
		{name: "also those of a replica whose primary has died meanwhile", given: given(func(w *world) {
			shrunk(w)
			given := model.EvenShare(2, 3)
			w.Shards[2].Memory.Slots, w.self(2, 0).Slots = nil, nil
			w.self(0, 0).Slots, w.self(1, 0).Slots = w.self(0, 0).Slots.Plus(given.Highest(2730)), w.self(1, 0).Slots.Plus(given.Minus(given.Highest(2730)))
			for _, who := range []string{"0.0", "0.1", "1.0", "1.1"} {
				w.forgets(who, "2.1")
			}
			dead(w.node(2, 0))
		}), steps: map[int]string{2: "drain v-shard-2-1"}},
		{name: "but not while slots that nobody serves may be its own, whatever is remembered", given: given(func(w *world) {
			shrunk(w)
			drained(w, 2, time.Minute)
			w.Policy.Durable, w.Shards[2].Memory = true, model.Memory{}
			absentNode(w.node(2, 0))
			for _, who := range []string{"0.0", "0.1", "1.0", "1.1"} {
				w.forgets(who, "2.1")
			}
		}, ghost("2.0", model.EvenShare(2, 3))), holds: []string{"2:WaitingForCopies:v-shard-2-0"}},
		{name: "its size does not matter any more: nobody in it could take over from its primary", given: given(func(w *world) {
			emptied(w)
			drained(w, 2, time.Second)
			lead(&w.Shards[2], 1, nil)
			w.Policy.Nodes = 1
			for k := range 2 {
				w.Shards[k].Size, w.Shards[k].Nodes = 1, w.Shards[k].Nodes[:1]
			}
		}), holds: []string{"2:ClientsLeaving:v-shard-2-0"}},
		{name: "a shard that has left is no matter", given: given(func(w *world) {
			shrunk(w)
			w.Shards[2] = model.Shard{Name: "v-shard-2", Index: 2, Leaving: true, Exists: true}
			w.self(0, 0).Slots, w.self(1, 0).Slots = model.EvenShare(0, 2), model.EvenShare(1, 2)
		})},
		{name: "one whose pods somebody took away comes back for the slots that it has to give away", given: given(func(w *world) {
			shrunk(w)
			w.Shards[2] = model.Shard{Name: "v-shard-2", Index: 2, Leaving: true, Exists: true, Memory: model.Memory{Formed: true, Slots: model.EvenShare(2, 3)}}
		}, ghost("2.0", model.EvenShare(2, 3))), steps: map[int]string{2: "scale from 0 to 2 pods"}},
		{name: "and one whose StatefulSet somebody deleted is lost", given: given(func(w *world) {
			shrunk(w)
			w.Shards[2] = model.Shard{Name: "v-shard-2", Index: 2, Leaving: true, Memory: model.Memory{Formed: true, Slots: model.EvenShare(2, 3)}}
		}, ghost("2.0", model.EvenShare(2, 3))), holds: []string{"2:ShardLost:"}},
		{name: "and comes back when it is wished for again", given: given(func(w *world) {
			w.Shards[2] = model.Shard{Name: "v-shard-2", Index: 2, Exists: true}
			w.self(0, 0).Slots, w.self(1, 0).Slots = model.EvenShare(0, 2), model.EvenShare(1, 2)
		}), steps: map[int]string{2: "scale from 0 to 2 pods"}, holds: []string{"0:OtherShards:", "1:OtherShards:"}},
	})
}
