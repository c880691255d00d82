package plan_test

import (
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Sentinels choose whom they promote: nobody whose host is to be emptied, while another one
// could be. They see a new priority within ten seconds only: longer than a primary on its
// way out may be handed over.
func TestSentinelsAreToldWhoseHostIsToBeEmptied(t *testing.T) {
	run(t, []incident{
		{name: "before a primary leaves its host they are told of it", given: watched(healthy()), change: leave(0, 1),
			step: "give v-1 the replica-priority 0 (it is not to take over)"},
		{name: "and it waits until they have seen it", given: watched(healthy()), change: both(leave(0, 1), func(s *model.Shard) {
			s.Nodes[1].Server.Priority = 0
		}), hold: model.EvacuationWaits, of: "v-0"},
		{name: "but not for one that is not there: they do not reach it either", given: with(watched(healthy()), each(func(n *model.SentinelNode) {
			n.Watch.Replicas[1].Down = true
		})), change: both(leave(0, 2), at(2, func(n *model.Node) { n.Server, n.Ready = model.Server{}, false }), func(s *model.Shard) {
			s.Traffic.Replicas = []string{addr(1)}
		}), step: "hand over v-0 to v-1"},
		{name: "one that is to be scaled away goes, since they would promote it in no case", given: with(sized(watched(healthy()), 2), seenAs(2, 0)),
			change: both(leave(0, 1), ranked(2, 0)), step: "drain v-2", hold: model.EvacuationWaits, of: "v-0"},
		{name: "who is on its way out goes to another one than whom they have yet to see", given: with(watched(healthy()), each(func(n *model.SentinelNode) {
			n.Watch.Replicas[0].Priority = 0
		})), change: leavesFor(0), step: "hand over v-0 to v-2"},
		{name: "who is on its way out hands over before they have seen it", given: watched(healthy()), change: both(leavesFor(0), leave(0, 1)),
			step: "hand over v-0 to v-2"},
	})
}
