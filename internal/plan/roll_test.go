package plan_test

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

func TestRoll(t *testing.T) {
	run(t, []incident{
		{name: "nothing is done to a shard that is as it should be", given: healthy()},
		{name: "nodes that cannot write to their volumes are named when there is nothing else to do", given: healthy(), change: func(s *model.Shard) {
			fullDisk(&s.Nodes[0])
		}, hold: model.NotPersisting, of: "v-0"},
		{name: "so is one that still takes writes", given: healthy(), change: func(s *model.Shard) {
			s.Nodes[1].Server.Unsaved = model.UnsavedRewrite
		}, hold: model.NotPersisting, of: "v-1"},
		{name: "a replica that cannot write to its volume is restarted all the same", given: rolling(), change: func(s *model.Shard) {
			fullDisk(&s.Nodes[2])
		}, step: "drain v-2"},
		{name: "the first to go is a replica, drained before it is restarted", given: rolling(), step: "drain v-2"},
		{name: "replicas are told from primaries by their servers, not by their ordinals", given: rolling(),
			change: primaryIs(2), step: "drain v-1"},
		{name: "the replica furthest behind goes first", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[0].Server.Acked[addr(1)] = 100
		}, step: "drain v-1"},
		{name: "a drain that has begun is gone on with, whoever lags more now", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[2].Draining = true
			s.Traffic.Replicas = []string{addr(1)}
		}, step: "restart v-2 (it runs an older revision)"},
		{name: "clients have their time before the pod goes", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[2].Draining, s.Nodes[2].DrainingFor, s.Nodes[2].Server.Clients = true, time.Second, 3
			s.Traffic.Replicas = []string{addr(1)}
		}, step: "drain v-2", hold: model.ClientsLeaving, of: "v-2"},
		{name: "clients that stay longer than their time do not stop the roll", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[2].Draining, s.Nodes[2].DrainingFor, s.Nodes[2].Server.Clients = true, time.Minute, 3
			s.Traffic.Replicas = []string{addr(1)}
		}, step: "restart v-2 (it runs an older revision)"},
		{name: "the second replica waits until the first has synced again, not only until it is Ready", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[2].Revision = "new"
			s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.Syncing = false, true
			delete(s.Nodes[0].Server.Acked, addr(2))
			s.Nodes[2].InService, s.Nodes[2].Ready = false, false
			s.Traffic.Replicas = []string{addr(1)}
		}, hold: model.NotSynced, of: "v-2"},
		{name: "nobody else goes while a node is down", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[1].Server = model.Server{}
		}, hold: model.NodeDown, of: "v-1"},
		{name: "a node that is dead and stale is restarted though it is down", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[1].Server, s.Nodes[1].Dead, s.Nodes[1].CannotStart, s.Nodes[1].Ready = model.Server{}, true, true, false
			s.Traffic.Replicas = []string{addr(2)}
		}, step: "restart v-1 (it does not run, and its revision is superseded)"},
		{name: "to one that has its log written before one that still writes it", given: almost(),
			change: func(s *model.Shard) { s.Nodes[1].Server.Rewriting = true }, step: "hand over v-0 to v-2"},
		{name: "but not one that has only crashed", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[1].Server, s.Nodes[1].Dead, s.Nodes[1].Ready = model.Server{}, true, false
			s.Traffic.Replicas = []string{addr(2)}
		}, hold: model.NodeDown, of: "v-1"},
		{name: "two replicas that need the new revision to start both get it", given: rolling(), change: func(s *model.Shard) {
			for i := 1; i < 3; i++ {
				s.Nodes[i].Server, s.Nodes[i].Dead, s.Nodes[i].CannotStart, s.Nodes[i].Ready = model.Server{}, true, true, false
			}
			s.Traffic.Replicas = []string{addr(0)}
		}, step: "restart v-1 (it does not run, and its revision is superseded)"},
		{name: "an old primary that cannot follow the newer one is restarted though it is not synced", given: almost(), change: leftBehind,
			step: "restart v-0 (it has lost its primary, which runs the newest revision; its own is superseded)"},
		{name: "a replica whose link is cut off holds the roll by name", given: rolling(), change: func(s *model.Shard) {
			s.Nodes[2].InService, s.Nodes[2].Ready, s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.LinkDown = false, false, false, time.Minute
			s.Traffic.Replicas = []string{addr(1)}
		}, hold: model.NotSynced, of: "v-2"},
		{name: "the newest revision is unknown until the StatefulSet controller has seen it", given: rolling(),
			change: func(s *model.Shard) { s.Revision = "" }, hold: model.RevisionUnknown},
		{name: "a paused roll says so", given: paused(rolling()), hold: model.Paused},
		{name: "an opted-out shard is left to the StatefulSet controller", given: optedOut(rolling())},
	})
}

func TestHandover(t *testing.T) {
	run(t, []incident{
		{name: "the primary hands over before its pod is touched", given: almost(), step: "hand over v-0 to v-1"},
		{name: "a stale replica is no target, however complete", given: almost(), change: func(s *model.Shard) {
			s.Nodes[1].Revision = "old"
			s.Nodes[2].Server.LinkUp = false
		}, hold: model.NotSynced, of: "v-2"},
		{name: "a replica that cannot write its log is passed over", given: almost(), change: func(s *model.Shard) {
			fullDisk(&s.Nodes[1])
		}, step: "hand over v-0 to v-2"},
		{name: "when no replica would take writes, the primary keeps the role, even if it takes none itself", given: almost(), change: func(s *model.Shard) {
			for i := range s.Nodes {
				fullDisk(&s.Nodes[i])
			}
		}, hold: model.NotPersisting, of: "v-2"},
		{name: "a primary that refuses writes hands over to one that takes them", given: almost(), change: func(s *model.Shard) {
			fullDisk(&s.Nodes[0])
		}, step: "hand over v-0 to v-1"},
		{name: "a replica in the middle of its full sync is no target, though its pod is Ready", given: almost(), change: func(s *model.Shard) {
			for i := 1; i < 3; i++ {
				s.Nodes[i].Server.Syncing = true
				s.Nodes[i].InService = false
			}
			s.Traffic.Replicas = []string{addr(0)}
		}, hold: model.NotSynced, of: "v-1"},
		{name: "no second handover begins while one runs", given: almost(), change: func(s *model.Shard) {
			s.Nodes[0].Server.FailingOver = true
		}, hold: model.HandoverInProgress, of: "v-0"},
		{name: "a failed handover leads to a wait, never to a restart", given: almost(), change: func(s *model.Shard) {
			s.Attempt = model.Attempt{Failures: 2, Since: time.Second, Error: "it timed out"}
		}, hold: model.HandoverBackoff, of: "v-0"},
		{name: "and then it is tried again", given: almost(), change: func(s *model.Shard) {
			s.Attempt = model.Attempt{Failures: 2, Since: time.Minute, Error: "it timed out"}
		}, step: "hand over v-0 to v-1"},
		{name: "roles move in a quiet second", given: almost(), change: func(s *model.Shard) {
			s.Traffic.Quiet = 100 * time.Millisecond
		}, hold: model.ServicesBusy},
		{name: "where Services never rest, a quiet second is not waited for in vain", given: almost(), change: func(s *model.Shard) {
			s.Traffic.Quiet, s.Traffic.Waited = 100*time.Millisecond, time.Minute
		}, step: "hand over v-0 to v-1"},
		{name: "the Service follows the role before anything else is done", given: almost(), change: func(s *model.Shard) {
			primaryIs(1)(s)
			s.Traffic.Primary = addr(0)
		}, step: "publish primary v-1, replicas [v-0 v-2]"},
		{name: "but not yet the one that it has just left, to which clients may still be led", given: almost(), change: func(s *model.Shard) {
			primaryIs(1)(s)
			s.Traffic.Primary = addr(0)
			s.Traffic.Left, s.Traffic.LeftFor = "v-0", time.Second
		}, step: "publish primary v-1, replicas [v-2]"},
		{name: "soon that one as well", given: almost(), change: func(s *model.Shard) {
			primaryIs(1)(s)
			s.Traffic.Primary = addr(0)
			s.Traffic.Left, s.Traffic.LeftFor = "v-0", model.ServiceMoves
		}, step: "publish primary v-1, replicas [v-0 v-2]"},
		{name: "also if it left it by a clock that is ahead of ours", given: almost(), change: func(s *model.Shard) {
			primaryIs(1)(s)
			s.Traffic.Primary = addr(0)
			s.Traffic.Left, s.Traffic.LeftFor = "v-0", -time.Minute
		}, step: "publish primary v-1, replicas [v-0 v-2]"},
		{name: "a node that becomes primary in the midst of its drain is drained no more", given: almost(), change: func(s *model.Shard) {
			s.Nodes[0].Draining = true
		}, step: "publish primary v-0, replicas [v-1 v-2]"},
	})
}

// fullDisk keeps a server from writing its log.
func fullDisk(n *model.Node) { n.Server.Unsaved, n.Server.RefusesWrites = model.UnsavedLog, true }

// leftBehind: v-1 has taken over, and v-0 is too old to follow it.
func leftBehind(s *model.Shard) {
	primaryIs(1)(s)
	s.Nodes[0].InService, s.Nodes[0].Ready, s.Nodes[0].Server.LinkUp = false, false, false
	delete(s.Nodes[1].Server.Acked, addr(0))
	s.Traffic.Replicas = []string{addr(2)}
}

// primaryIs gives the role to another node; Kubernetes shows it.
func primaryIs(p int) func(s *model.Shard) {
	return func(s *model.Shard) {
		s.Traffic = model.Traffic{Primary: addr(p), Quiet: time.Hour}
		acked := map[string]int64{}
		for i := range s.Nodes {
			n := &s.Nodes[i]
			n.Server.Role, n.RoleLabel, n.Server.Follows, n.Server.LinkUp = model.RoleReplica, model.RoleReplica, addr(p), true
			n.Server.Acked = nil
			if i != p {
				acked[addr(i)] = n.Server.Offset
				s.Traffic.Replicas = append(s.Traffic.Replicas, addr(i))
			}
		}
		n := &s.Nodes[p]
		n.Server.Role, n.RoleLabel, n.Server.Follows, n.Server.LinkUp, n.Server.Acked = model.RolePrimary, model.RolePrimary, "", false, acked
	}
}

func paused(s model.Snapshot) model.Snapshot {
	s.Policy.Paused = true
	return s
}

func optedOut(s model.Snapshot) model.Snapshot {
	s.Policy.Strategy = model.StrategyRollingUpdate
	return s
}
