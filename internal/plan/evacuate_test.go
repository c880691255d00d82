package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// leave says that the host of each of these nodes is to be emptied.
func leave(nodes ...int) func(s *model.Shard) {
	return func(s *model.Shard) {
		for _, i := range nodes {
			s.Nodes[i].Evacuate = "host is cordoned"
		}
	}
}

func unsynced(nodes ...int) func(s *model.Shard) {
	return func(s *model.Shard) {
		for _, i := range nodes {
			s.Nodes[i].Server.LinkUp, s.Nodes[i].Server.LinkDown = false, time.Second
		}
	}
}

func TestEvacuation(t *testing.T) {
	run(t, []incident{
		{name: "a primary leaves a host that is to be emptied", given: healthy(), change: leave(0), step: "hand over v-0 to v-1"},
		{name: "for a host that stays", given: healthy(), change: leave(0, 1), step: "hand over v-0 to v-2"},
		{name: "a replica on such a host is the drain's own matter", given: healthy(), change: leave(1)},
		{name: "nobody goes from one such host to another", given: healthy(), change: leave(0, 1, 2), hold: model.EvacuationWaits, of: "v-0"},
		{name: "and each of them says why it is no help", given: healthy(), change: leave(0, 1, 2), hold: model.EvacuationWaits, of: "v-2"},
		{name: "one replica that is away keeps nobody from going to the other", given: healthy(), change: both(leave(0), func(s *model.Shard) {
			absent(&s.Nodes[1])
			s.Traffic.Replicas = []string{addr(2)}
		}), step: "hand over v-0 to v-2"},
		{name: "without a synced replica the primary stays, and says so", given: healthy(), change: both(leave(0), unsynced(1, 2)),
			hold: model.EvacuationWaits, of: "v-0"},
		{name: "nobody goes to a replica that would refuse writes", given: healthy(), change: both(leave(0), func(s *model.Shard) {
			fullDisk(&s.Nodes[1])
		}), step: "hand over v-0 to v-2"},
		{name: "and waits when they all would", given: healthy(), change: both(leave(0), func(s *model.Shard) {
			fullDisk(&s.Nodes[1])
			fullDisk(&s.Nodes[2])
		}), hold: model.NotPersisting, of: "v-1"},
		{name: "a fresh replica is preferred", given: rolling(), change: both(leave(0), func(s *model.Shard) { s.Nodes[2].Revision = "new" }),
			step: "hand over v-0 to v-2"},
		{name: "before the rollout has reached anybody, one of the same revision will do", given: rolling(), change: leave(0), step: "hand over v-0 to v-1"},
		{name: "and while it is paused", given: paused(rolling()), change: leave(0), step: "hand over v-0 to v-1"},
		{name: "and before its newest revision is known", given: rolling(), change: both(leave(0), func(s *model.Shard) { s.Revision = "" }),
			step: "hand over v-0 to v-1"},
		{name: "a fresh primary does not go back to an old revision; the rollout brings a fresh replica about", given: rolling(),
			change: both(leave(0), func(s *model.Shard) { s.Nodes[0].Revision = "new" }), step: "drain v-2"},
		{name: "the rollout goes on while nobody can take over", given: rolling(), change: leave(0, 1, 2), step: "drain v-2"},
		{name: "but hands over to nobody who has to leave", given: almost(), change: leave(1), step: "hand over v-0 to v-2"},
		{name: "and waits when they all do", given: almost(), change: leave(1, 2), hold: model.EvacuationWaits, of: "v-1"},
		{name: "a node that is drained before its restart is no target", given: rolling(), change: both(leave(0), func(s *model.Shard) {
			s.Nodes[1].Draining, s.Traffic.Replicas = true, []string{addr(2)}
		}), step: "hand over v-0 to v-2"},
		{name: "roles move in a quiet second", given: healthy(), change: both(leave(0), func(s *model.Shard) {
			s.Traffic.Quiet = 100 * time.Millisecond
		}), hold: model.ServicesBusy},
		{name: "a primary that is to be scaled away does not go to a host that is to be emptied", given: sized(healthy(), 2),
			change: both(primaryIs(2), leave(0)), step: "hand over v-2 to v-1"},
		{name: "a host that is to be emptied is left before anybody is scaled away, for one who stays", given: sized(healthy(), 2),
			change: both(primaryIs(1), leave(1)), step: "hand over v-1 to v-0"},
	})
}

// failed says that the last handover has failed a moment ago.
func failed(s *model.Shard) {
	s.Attempt = model.Attempt{Failures: 4, Since: time.Second, Error: "it timed out"}
}

// refuses says that the servers were not ready a moment ago for a handover to this node.
func refuses(to int) func(s *model.Shard) {
	return func(s *model.Shard) {
		s.Attempt.Refused = model.Handover{From: s.Nodes[0].Ref, To: s.Nodes[to].Ref, Revision: s.Revision}
		s.Attempt.Gate = model.Hold{Shard: s.Name, Reason: model.HandoverGate, Node: s.Nodes[to].Name, Detail: "no quorum", After: time.Second}
	}
}

// What goes on meanwhile may be what mends it: a newer server, another target.
func TestAnEvacuationThatCannotBeginHoldsUpNothing(t *testing.T) {
	extra := policed(durable(pair(rolling())), mode(model.SurgeAuto))
	run(t, []incident{
		{name: "one that has just failed lets the rollout go on", given: rolling(), change: both(leave(0), failed), step: "drain v-2"},
		{name: "and says so beside it", given: rolling(), change: both(leave(0), failed), step: "drain v-2", hold: model.HandoverBackoff, of: "v-0"},
		{name: "one that the servers were not ready for does so too", given: rolling(), change: both(leave(0), refuses(1)), step: "drain v-2"},
		{name: "and says what stands against it", given: rolling(), change: both(leave(0), refuses(1)), step: "drain v-2", hold: model.HandoverGate, of: "v-1"},
		{name: "and that the primary is to leave", given: rolling(), change: both(leave(0), refuses(1)), step: "drain v-2", hold: model.EvacuationWaits, of: "v-0"},
		{name: "nodes that are wished for come", given: sized(healthy(), 4), change: both(leave(0), failed), step: "scale from 3 to 4 pods"},
		{name: "the extra node of a rollout comes", given: extra, change: both(leave(0), failed), step: "scale from 2 to 3 pods"},
		{name: "one that is to go does", given: sized(healthy(), 2), change: both(leave(0), failed), step: "drain v-2"},
		{name: "but not the only one that the primary could hand over to", given: sized(healthy(), 2), change: both(leave(0, 1), failed),
			hold: model.HandoverBackoff, of: "v-0"},
		{name: "not even when the servers were not ready for that", given: sized(healthy(), 2), change: both(leave(0, 1), refuses(2)),
			hold: model.HandoverGate, of: "v-2"},
		{name: "with nothing else to do it waits", given: healthy(), change: both(leave(0), failed), hold: model.HandoverBackoff, of: "v-0"},
		{name: "and comes again", given: healthy(), change: both(leave(0), func(s *model.Shard) {
			s.Attempt = model.Attempt{Failures: 4, Since: time.Hour, Error: "it timed out"}
		}), step: "hand over v-0 to v-1"},
		{name: "what was refused of another node says nothing", given: healthy(), change: both(leave(0), refuses(2)), step: "hand over v-0 to v-1"},
		{name: "a moment without moves of Services is waited for", given: rolling(), change: both(leave(0), func(s *model.Shard) {
			s.Traffic.Quiet = 100 * time.Millisecond
		}), hold: model.ServicesBusy},
	})
}

func TestAnEvacuationThatWaitsIsToldWhileOtherShardsAreAtWork(t *testing.T) {
	play(t, []scene{
		{name: "its shard's rollout has to wait as well", given: given(func(w *world) {
			stale(w)
			w.node(0, 1).Draining = true
			w.node(1, 0).Evacuate = "host is cordoned"
			w.Shards[1].Attempt = model.Attempt{Failures: 4, Since: time.Second, Error: "it timed out"}
		}), steps: map[int]string{0: "restart v-shard-0-1 (it runs an older revision)"},
			holds: []string{"1:OtherShards:", "1:EvacuationWaits:v-shard-1-0", "1:HandoverBackoff:v-shard-1-0", "2:OtherShards:"}},
	})
}

func leavesFor(d time.Duration) func(s *model.Shard) {
	return func(s *model.Shard) {
		n := &s.Nodes[0]
		n.Phase, n.TerminatingFor, n.Ready = model.PodTerminating, d, false
	}
}

// endsWell is a pod on its way out whose server is still in step.
func endsWell(i int) func(s *model.Shard) {
	return at(i, func(n *model.Node) { n.Phase, n.Ready = model.PodTerminating, false })
}

// notAdmitted is a replica that has just caught up, and whose clients are still with the primary.
func notAdmitted(i int) func(s *model.Shard) {
	return func(s *model.Shard) {
		s.Nodes[i].InService, s.Nodes[i].Ready, s.Nodes[i].Admitted = false, false, false
		s.Traffic.Replicas = []string{addr(0)}
	}
}

func TestDeparture(t *testing.T) {
	run(t, []incident{
		{name: "a primary whose pod was deleted hands over at once", given: healthy(), change: leavesFor(0), step: "hand over v-0 to v-1"},
		{name: "to one that takes writes rather than to one that would not", given: healthy(), change: both(leavesFor(0), func(s *model.Shard) {
			fullDisk(&s.Nodes[1])
		}), step: "hand over v-0 to v-2"},
		{name: "but not one that the StatefulSet's controller restarts, as its user wants", given: policed(healthy(), func(p *model.Policy) {
			p.Strategy = model.StrategyRollingUpdate
		}), change: leavesFor(0)},
		{name: "though another replica is not synced", given: healthy(), change: both(leavesFor(0), unsynced(1)), step: "hand over v-0 to v-2"},
		{name: "and of whatever revision", given: rolling(), change: leavesFor(0), step: "hand over v-0 to v-1"},
		{name: "a fresh one first", given: rolling(), change: both(leavesFor(0), func(s *model.Shard) { s.Nodes[2].Revision = "new" }),
			step: "hand over v-0 to v-2"},
		{name: "one that need not leave its host first", given: healthy(), change: both(leavesFor(0), leave(1)), step: "hand over v-0 to v-2"},
		{name: "one that has to leave its host before none", given: healthy(), change: both(leavesFor(0), leave(1, 2)), step: "hand over v-0 to v-1"},
		{name: "a moment of quiet is waited for", given: healthy(), change: both(leavesFor(time.Second), func(s *model.Shard) {
			s.Traffic.Quiet = 500 * time.Millisecond
		}), hold: model.ServicesBusy},
		{name: "but no longer", given: healthy(), change: both(leavesFor(2*time.Second), func(s *model.Shard) {
			s.Traffic.Quiet = 500 * time.Millisecond
		}), step: "hand over v-0 to v-1"},
		{name: "once it is the turn of its own preStop step, the operator begins nothing, and says so", given: healthy(), change: leavesFor(model.DepartWithin),
			hold: model.PodStarting, of: "v-0"},
		{name: "nor while a FAILOVER runs", given: healthy(), change: both(leavesFor(0), func(s *model.Shard) { s.Nodes[0].Server.FailingOver = true }),
			hold: model.HandoverInProgress, of: "v-0"},
		{name: "nobody who is not synced is handed over to", given: healthy(), change: both(leavesFor(0), unsynced(1, 2)), hold: model.PodStarting, of: "v-0"},
		{name: "and each says why it cannot take over, of whatever revision", given: rolling(), change: both(leavesFor(0), unsynced(1, 2)),
			hold: model.NotSynced, of: "v-2"},
		{name: "nor is one that is on its way out as well", given: pair(healthy()), change: both(leavesFor(0), endsWell(1)), hold: model.PodStarting, of: "v-1"},
		{name: "one that has nobody else says so", given: alone(healthy()), change: leavesFor(0), hold: model.PodStarting, of: "v-0"},
		{name: "one that Sentinels could not promote yet says so", given: with(watched(healthy()), each(func(n *model.SentinelNode) {
			n.Watch.Replicas[0].Priority, n.Watch.Replicas[1].Priority = 0, 0
		})), change: leavesFor(0), hold: model.NoGoodReplica, of: "v-1"},
		{name: "one that catches up only now is put into service, to take over", given: pair(healthy()), change: both(leavesFor(time.Second), notAdmitted(1)),
			step: "publish primary v-0, replicas [v-0]"},
		{name: "also when it is the preStop step's turn, which asks the same servers", given: pair(healthy()), change: both(leavesFor(model.DepartWithin), notAdmitted(1)),
			step: "publish primary v-0, replicas [v-0]"},
		{name: "but not while it lags", given: pair(healthy()), change: both(leavesFor(time.Second), notAdmitted(1), unsynced(1)), hold: model.PodStarting, of: "v-0"},
		{name: "nor before the Service leads to the primary", given: pair(healthy()), change: both(leavesFor(time.Second), notAdmitted(1), func(s *model.Shard) {
			s.Traffic.Primary = ""
		}), hold: model.PodStarting, of: "v-0"},
		{name: "a failed one is tried again after its wait", given: healthy(), change: both(leavesFor(3*time.Second), func(s *model.Shard) {
			s.Attempt = model.Attempt{Failures: 1, Since: 2 * time.Second, Error: "it timed out"}
		}), step: "hand over v-0 to v-1"},
	})
}

// The StatefulSet is asked for fewer pods, and its controller has yet to act.
func TestWhoHasJustBeenLetGoIsCalledBackIfItIsNeeded(t *testing.T) {
	letGo := func(s *model.Shard) { s.Size-- }
	lone := func() model.Snapshot { return surged(alone(healthy())) }
	run(t, []incident{
		{name: "the only one that could take over from a primary on its way out", given: lone(), change: both(leavesFor(0), letGo), step: "scale from 1 to 2 pods"},
		{name: "not while another one can", given: sized(healthy(), 2), change: both(leavesFor(0), letGo), step: "hand over v-0 to v-1"},
		{name: "not when its own pod is on its way out by then", given: lone(), change: both(leavesFor(0), letGo, endsWell(1)), hold: model.PodStarting, of: "v-0"},
		{name: "not when it is not in step", given: lone(), change: both(leavesFor(0), letGo, unsynced(1)), hold: model.PodStarting, of: "v-0"},
		{name: "not when it is the turn of the other's preStop step", given: lone(), change: both(leavesFor(model.DepartWithin), letGo), hold: model.PodStarting, of: "v-0"},
		{name: "and one that has taken over meanwhile", given: lone(), change: both(isPrimary(1), letGo), step: "scale from 1 to 2 pods"},
		{name: "be the other one back or not", given: lone(), change: both(isPrimary(1), at(0, absent), letGo), step: "scale from 1 to 2 pods"},
	})
}

// A drain sends replicas away at once: in a Kubernetes cluster without room elsewhere, or
// with volumes of one host, they are away until it ends.
func TestAHostIsLeftWhileOtherShardsAreAtWork(t *testing.T) {
	w := sharded(3)
	w.node(0, 0).Evacuate = "host is cordoned"
	absent(w.node(1, 1))
	w.gossip()
	p, err := plan.Next(w.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Steps["v-shard-0"].(model.Handover); !ok {
		t.Errorf("steps %v, holds %v", p.Steps, p.Holds)
	}
}

func TestOneShardAfterTheOtherLeavesAHost(t *testing.T) {
	w := sharded(3)
	for k := range 3 {
		w.node(k, 0).Evacuate = "host is cordoned"
	}
	w.node(0, 0).Server.FailingOver = true
	w.gossip()
	p, err := plan.Next(w.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) > 0 {
		t.Errorf("steps %v", p.Steps)
	}
}

// The servers elect nobody in the place of a primary that owns no slots.
func TestAPrimaryWithoutSlotsHasNothingToHandOver(t *testing.T) {
	for name, change := range map[string]func(n *model.Node){
		"its host is drained":       func(n *model.Node) { n.Evacuate = "host is cordoned" },
		"its pod is on its way out": func(n *model.Node) { n.Phase = model.PodTerminating },
	} {
		w := sharded(2)
		w.Shards = append(w.Shards, w.newShard(2, nil))
		w.Policy.Shards = 3
		change(w.node(2, 0))
		w.gossip()
		p, err := plan.Next(w.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		if step, ok := p.Steps["v-shard-2"].(model.Handover); ok {
			t.Errorf("%s: %s", name, step)
		}
	}
}

// Slots move for as long as it takes, batch after batch.
func TestAPrimaryThatLeavesItsHostGoesBeforeTheNextSlotsThatMoveThere(t *testing.T) {
	receives := func(w *world) {
		grown(w)
		batch := w.self(0, 0).Slots.Highest(1024)
		w.self(0, 0).Slots, w.self(3, 0).Slots = w.self(0, 0).Slots.Minus(batch), batch
		w.node(3, 0).Evacuate = "host is cordoned"
	}
	play(t, []scene{
		{name: "it receives them", given: given(receives), steps: map[int]string{3: "hand over v-shard-3-0 to v-shard-3-1"},
			holds: []string{"0:OtherShards:", "1:OtherShards:", "2:OtherShards:"}},
		{name: "but a slot that is half moved arrives first", given: given(func(w *world) {
			receives(w)
			w.self(1, 0).Giving = map[int]string{6000: "3.0"}
		}), steps: map[int]string{1: "move 1 slots from v-shard-1-0 to v-shard-3-0, key by key"},
			holds: []string{"0:SlotsMoving:v-shard-1-0", "2:SlotsMoving:v-shard-1-0", "3:EvacuationWaits:v-shard-3-0", "3:SlotsMoving:v-shard-1-0"}},
		{name: "also when only the taker knows of it, and its pod is on its way out", given: given(func(w *world) {
			receives(w)
			w.self(3, 0).Taking = map[int]string{6000: "1.0"}
			w.node(3, 0).Phase = model.PodTerminating
		}), steps: map[int]string{1: "move 1 slots from v-shard-1-0 to v-shard-3-0, key by key"},
			holds: []string{"0:SlotsMoving:v-shard-3-0", "2:SlotsMoving:v-shard-3-0", "3:PodStarting:v-shard-3-0", "3:SlotsMoving:v-shard-3-0"}},
	})
}

// Nobody but whoever asked for it knows when the host is to be empty: the operator evicts
// no fresh, healthy node.
func TestALoneServerThatHasHandedOverIsWaitedForUntilItHasLeft(t *testing.T) {
	lone := func() model.Snapshot { return surged(alone(healthy())) }
	run(t, []incident{
		{name: "its pod is still there", given: lone(), change: both(isPrimary(1), leave(0)), hold: model.EvictionAwaited, of: "v-0"},
		{name: "also while a rollout is paused", given: paused(surged(alone(rolling()))), change: both(isPrimary(1), leave(0)),
			hold: model.EvictionAwaited, of: "v-0"},
		{name: "its pod is on its way out", given: lone(), change: both(isPrimary(1), leave(0), at(0, func(n *model.Node) {
			n.Phase, n.Ready = model.PodTerminating, false
		})), hold: model.PodStarting, of: "v-0"},
		{name: "it starts elsewhere", given: lone(), change: both(isPrimary(1), at(0, absent)), hold: model.PodStarting, of: "v-0"},
		{name: "the wish is taken back, or it is elsewhere", given: lone(), change: isPrimary(1), step: "hand over v-1 to v-0"},
		{name: "the other host is to be left, too", given: lone(), change: both(isPrimary(1), leave(0, 1)), hold: model.EvacuationWaits, of: "v-1"},
		{name: "the extra pod was started on a host that is to be left, too, and says so", given: lone(), change: leave(0, 1),
			hold: model.EvacuationWaits, of: "v-1"},
		{name: "a rollout does it by itself", given: surged(alone(rolling())), change: both(isPrimary(1), leave(0)), step: "drain v-0"},
	})
}

func TestAnEvictionIsWaitedForOnlyWhereAnExtraNodeIs(t *testing.T) {
	for name, given := range map[string]model.Snapshot{
		"a replica among others":                    healthy(),
		"one of several, in a rollout that waits":   paused(policed(surged(pair(rolling())), mode(model.SurgeAlways))),
		"a lone server which is given no extra one": policed(surged(alone(healthy())), mode(model.SurgeNever)),
	} {
		last := len(given.Shards[0].Nodes) - 1
		both(primaryIs(last), leave(0))(&given.Shards[0])
		p, err := plan.Next(given)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range p.Holds {
			if h.Reason == model.EvictionAwaited {
				t.Errorf("%s: %s", name, h)
			}
		}
	}
}

// The drain has sent the only replica away, or a second server has just been made.
func TestAReplicaThatCannotTakeOverSaysWhyInKubernetesWords(t *testing.T) {
	noRoom := func(n *model.Node) {
		starting(n)
		n.Trouble = "it cannot be scheduled: 0/3 nodes are available"
	}
	for _, c := range []struct {
		name   string
		change func(*model.Node)
		words  string
	}{
		{"no room", noRoom, "NodeDown: v-1: it cannot be scheduled: 0/3 nodes are available"},
		{"not there yet", absent, "PodStarting: v-1: its pod has not started yet"},
		{"it crashes", func(n *model.Node) {
			starting(n)
			n.Phase, n.Trouble = model.PodRunning, "CrashLoopBackOff: its server ended with code 1"
		}, "NodeDown: v-1: CrashLoopBackOff: its server ended with code 1"},
		{"on its way out", func(n *model.Node) { n.Phase = model.PodTerminating }, "PodStarting: v-1: its pod is on its way out"},
	} {
		given := surged(alone(healthy()))
		both(at(1, c.change), leave(0))(&given.Shards[0])
		p, err := plan.Next(given)
		if err != nil || len(p.Steps) > 0 || len(p.Holds) != 2 {
			t.Fatalf("%s: %+v, %v", c.name, p, err)
		}
		if p.Holds[0].Reason != model.EvacuationWaits || p.Holds[1].String() != c.words {
			t.Errorf("%s: %v", c.name, p.Holds)
		}
	}
}

// The rollout has something to say of its own, and the drain waits all the same.
func TestARolloutThatWaitsDoesNotHideThatAPrimaryIsToLeave(t *testing.T) {
	run(t, []incident{
		{name: "it is paused, and the primary alone is fresh", given: paused(policed(durable(pair(rolling())), mode(model.SurgeNever))),
			change: both(primaryIs(1), revised(1, "new"), leave(1)), hold: model.EvacuationWaits, of: "v-1"},
		{name: "its extra pod has no room", given: surged(alone(rolling())),
			change: both(at(1, starting), leave(0)), hold: model.EvacuationWaits, of: "v-0"},
	})
}

// Two pods of three were on the drained host, with volumes of that host: the first has been
// evicted and cannot come back, and the role has moved. The replicas' budget keeps the second.
func TestAReplicaThatItsBudgetKeepsOnADrainedHostSaysSo(t *testing.T) {
	given := func() model.Snapshot {
		s := durable(healthy())
		both(primaryIs(2), leave(0), at(1, starting))(&s.Shards[0])
		s.Shards[0].Traffic.Replicas = []string{addr(0)}
		return s
	}
	bound := at(1, func(n *model.Node) { n.Trouble = "it cannot be scheduled: 1 node(s) had volume node affinity conflict" })
	run(t, []incident{
		{name: "the other one cannot come back", given: given(), change: bound, hold: model.EvacuationWaits, of: "v-0"},
		{name: "the other one only starts", given: given()},
		{name: "nobody drains its host", given: given(), change: both(bound, at(0, func(n *model.Node) { n.Evacuate = "" }))},
		{name: "a single replica is never kept", given: durable(pair(healthy())), change: both(primaryIs(0), leave(1))},
	})
}

func TestAPausedRolloutThatKeepsAPrimaryOnADrainedHostSaysHowToGoOn(t *testing.T) {
	snap := paused(surged(alone(rolling())))
	both(isPrimary(1), leave(1))(&snap.Shards[0])
	p, err := plan.Next(snap)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) > 0 || !slices.ContainsFunc(p.Holds, func(h model.Hold) bool {
		return h.Reason == model.EvacuationWaits && h.Node == "v-1" && strings.Contains(h.Detail, "resume it")
	}) {
		t.Errorf("steps %v, holds %v", p.Steps, p.Holds)
	}
}
