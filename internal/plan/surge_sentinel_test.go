package plan_test

import (
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
)

// seenAs is what all Sentinels have last seen of the priority of a replica.
func seenAs(i, priority int) func(*model.SentinelSet) {
	return each(func(n *model.SentinelNode) { n.Watch.Replicas[i-1].Priority = priority })
}

func ranked(i, priority int) func(*model.Shard) {
	return at(i, func(n *model.Node) { n.Server.Priority = priority })
}

// spared is a roll of a primary and one replica whose extra node comes last, and that is
// known.
func spared() model.Snapshot {
	s := with(watched(surged(pair(rolling()))), seenAs(2, model.LastPriority))
	ranked(2, model.LastPriority)(&s.Shards[0])
	return s
}

// Sentinels choose the extra node of a rollout only where there is no other: chosen, it
// would hand over once more before it goes.
func TestTheExtraNodeComesLast(t *testing.T) {
	broken := func(n *model.Node) { n.Server.LinkUp = false }
	run(t, []incident{
		{name: "it boots as one that nobody promotes", given: spared(), change: ranked(2, 0),
			step: "give v-2 the replica-priority 200 (it leaves after the rollout)"},
		{name: "and stays so until it is in step", given: spared(), change: both(ranked(2, 0), at(2, func(n *model.Node) {
			n.InService, n.Ready, n.Server.LinkUp, n.RoleLabel = false, false, false, model.RoleUnknown
		}), func(s *model.Shard) { s.Traffic.Replicas = []string{addr(1)} }), hold: model.NotSynced, of: "v-2"},
		{name: "it is there before anybody else is touched", given: spared(), step: "drain v-1"},
		{name: "and could be promoted while the other one is away", given: spared(), change: both(at(1, absent), func(s *model.Shard) {
			s.Traffic.Replicas = []string{addr(2)}
		}), hold: model.PodStarting, of: "v-1"},
		{name: "as well as another one that lacks what it has", given: spared(), change: at(1, broken),
			step: "give v-2 the replica-priority 100 (another one that may be promoted is not in step with the primary)"},
		{name: "but not because of one that nobody promotes", given: spared(), change: both(at(1, broken), ranked(1, 0)), step: "drain v-1"},
		{name: "which ends with that", given: spared(), change: ranked(2, model.UsualPriority),
			step: "give v-2 the replica-priority 200 (it leaves after the rollout)"},
		{name: "nobody is touched before Sentinels know it: they hear of it from the primary alone", given: with(spared(), each(func(n *model.SentinelNode) {
			n.Watch.Replicas = n.Watch.Replicas[:1]
		})), hold: model.SentinelsDisagree, of: "v-sentinel-0"},
		{name: "but a primary on its way out hands over", given: with(spared(), each(func(n *model.SentinelNode) {
			n.Watch.Replicas = n.Watch.Replicas[:1]
		})), change: leavesFor(0), step: "hand over v-0 to v-1"},
		{name: "the role goes to one that stays", given: spared(), change: revised(1, "new"), step: "hand over v-0 to v-1"},
		{name: "once Sentinels know whom to choose first", given: with(spared(), seenAs(2, model.UsualPriority)), change: revised(1, "new"),
			hold: model.NoGoodReplica, of: "v-2"},
		{name: "or do not choose the extra one at all", given: with(spared(), seenAs(2, 0)), change: revised(1, "new"), step: "hand over v-0 to v-1"},
		{name: "one that is not there is no hindrance to a primary that leaves its host", given: with(spared(), each(func(n *model.SentinelNode) {
			n.Watch.Replicas[1].Priority, n.Watch.Replicas[1].Down = model.UsualPriority, true
		})), change: both(leave(0), at(2, func(n *model.Node) { n.Server, n.Ready, n.RoleLabel = model.Server{}, false, model.RoleReplica }), func(s *model.Shard) {
			s.Traffic.Replicas = []string{addr(1)}
		}),
			step: "hand over v-0 to v-1"},
		{name: "a primary on its way out has no time for that", given: with(spared(), seenAs(2, model.UsualPriority)), change: leavesFor(0),
			step: "hand over v-0 to v-2"},
		{name: "it is ranked out before it goes", given: spared(), change: both(revised(0, "new"), revised(1, "new")),
			step: "give v-2 the replica-priority 0 (it is not to take over)"},
		{name: "and is one like the others if it stays", given: policed(spared(), func(p *model.Policy) { p.Nodes = 3 }),
			step: "give v-2 the replica-priority 100 (its copy is in step with the primary's)"},
		{name: "it is promoted if it is the last", given: spared(), change: both(ended(0), ended(1)),
			step: "promote v-2 (the primary is gone, and this replica has the most of its history)"},
		{name: "be it ranked out", given: with(spared(), seenAs(2, 0)), change: both(ended(0), ended(1), ranked(2, 0)),
			step: "give v-2 the replica-priority 100 (it is to be promoted)"},
		{name: "and if it has more than the other one, which is ranked out first", given: spared(), change: both(ended(0), at(1, func(n *model.Node) {
			n.Server.Offset = 900
		})), step: "give v-1 the replica-priority 0 (v-2 is to be promoted)"},
	})
}

// ended is a server that has ended, in a pod that is still there.
func ended(i int) func(*model.Shard) {
	return func(s *model.Shard) {
		s.Nodes[i].Server, s.Nodes[i].Dead, s.Nodes[i].Ready = model.Server{}, true, false
		for k := range s.Nodes {
			if k != i && s.Nodes[k].Server.Follows == addr(i) {
				s.Nodes[k].Server.LinkUp = false
			}
		}
	}
}

// Whom Sentinels might choose in the target's place, and who may not take over, is ranked
// out first: else they would be asked again and again, and refused.
func TestSentinelsAreToldWhoMayNotTakeOver(t *testing.T) {
	run(t, []incident{
		{name: "one that would refuse writes", given: watched(almost()), change: at(1, fullDisk),
			step: "give v-1 the replica-priority 0 (it is not to take over)"},
		{name: "until they have seen it", given: watched(almost()), change: both(at(1, fullDisk), ranked(1, 0)), hold: model.NoGoodReplica, of: "v-1"},
		{name: "unless there is no other one", given: watched(healthy()), change: both(at(1, fullDisk), at(2, fullDisk)),
			hold: model.NotPersisting, of: "v-1"},
		{name: "one that is about to restart, when the host of the primary is to be emptied", given: watched(almost()), change: both(leave(0), revised(1, "old"), at(1, drainedNode), func(s *model.Shard) {
			s.Traffic.Replicas = []string{addr(2)}
		}),
			step: "give v-1 the replica-priority 0 (it is not to take over)"},
		{name: "one of a third revision", given: watched(almost()), change: both(leave(0), revised(1, "older")),
			step: "give v-1 the replica-priority 0 (it is not to take over)"},
		{name: "one of the primary's revision may", given: watched(almost()), change: both(leave(0), revised(1, "old")), step: "hand over v-0 to v-2"},
		{name: "none while the primary is on its way out", given: watched(almost()), change: both(leavesFor(0), at(1, fullDisk)),
			step: "hand over v-0 to v-2"},
	})
}
