package plan_test

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// bad is a pod of a bad revision, never in service.
func bad(n *model.Node) {
	n.Revision, n.Ready, n.InService, n.Admitted, n.Dead = "bad", false, false, false, true
	n.Server, n.RoleLabel, n.Trouble = model.Server{}, model.RoleUnknown, "ImagePullBackOff: no such image"
}

func TestBadSpecs(t *testing.T) {
	superseded := " (it has never been in service, and its revision is superseded)"
	run(t, []incident{
		{name: "a bad image stops the roll at the first pod, and says why", given: rolling(), change: func(s *model.Shard) {
			s.Revision = "bad"
			bad(&s.Nodes[2])
			s.Traffic.Replicas = []string{addr(1)}
		}, hold: model.NodeDown, of: "v-2"},
		{name: "once it is mended, that pod is replaced first", given: rolling(), change: func(s *model.Shard) {
			bad(&s.Nodes[2])
		}, step: "restart v-2" + superseded},
		{name: "a new shard whose first image was bad comes up when it is mended", given: rolling(), change: func(s *model.Shard) {
			newShard(s)
			for i := range s.Nodes {
				bad(&s.Nodes[i])
			}
		}, step: "restart v-0" + superseded},
		{name: "a pod that serves is not taken for one that never came up", given: rolling(), change: func(s *model.Shard) {
			n := &s.Nodes[0]
			n.Admitted, n.InService, n.Ready, n.Server = false, false, false, model.Server{}
		}, hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "nor is one that has synchronised from a primary that is gone since", given: rolling(), change: func(s *model.Shard) {
			absent(&s.Nodes[0])
			absent(&s.Nodes[1])
			n := &s.Nodes[2]
			n.Admitted, n.InService, n.Ready, n.Server.LinkUp = false, false, false, false
		}, step: "promote v-2 (it holds the most of the newest known history)"},
	})
}

func TestRejoin(t *testing.T) {
	run(t, []incident{
		{name: "a node that has booted is told whom to follow", given: healthy(), change: func(s *model.Shard) {
			reborn(&s.Nodes[2])
			s.Traffic.Replicas = []string{addr(1)}
		}, step: "let v-2 follow v-0 (it has booted)"},
		{name: "a node that is still chained to the old primary is repointed", given: healthy(), change: func(s *model.Shard) {
			s.Nodes[2].Server.Follows = addr(1)
		}, step: "let v-2 follow v-0 (it follows somebody else)"},
		{name: "nobody is repointed while a FAILOVER runs", given: healthy(), change: func(s *model.Shard) {
			s.Nodes[2].Server.Follows = addr(1)
			s.Nodes[0].Server.FailingOver = true
		}, hold: model.HandoverInProgress, of: "v-0"},
		{name: "nobody is pointed at a primary that is on its way out", given: healthy(), change: func(s *model.Shard) {
			s.Nodes[0].Phase, s.Nodes[0].TerminatingFor = model.PodTerminating, model.DepartWithin
			s.Nodes[2].Server.Follows = addr(1)
		}},
		{name: "a replica leaves service when its link has been down for long", given: healthy(), change: func(s *model.Shard) {
			s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.LinkDown = false, time.Minute
		}, step: "publish primary v-0, replicas [v-1]"},
		{name: "and stays while it resynchronises for a moment", given: healthy(), change: func(s *model.Shard) {
			s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.LinkDown = false, time.Second
		}},
	})
}

func sized(s model.Snapshot, nodes int) model.Snapshot {
	s.Policy.Nodes = nodes
	return s
}

func TestScale(t *testing.T) {
	run(t, []incident{
		{name: "out goes at once", given: sized(healthy(), 5), step: "scale from 3 to 5 pods"},
		{name: "in goes one pod at a time, and drained", given: sized(healthy(), 1), step: "drain v-2"},
		{name: "a primary that is to leave hands over first", given: sized(healthy(), 2), change: primaryIs(2), step: "hand over v-2 to v-0"},
		{name: "and waits for none that is to leave as well, and cannot start", given: sized(healthy(), 1), change: both(primaryIs(1), func(s *model.Shard) {
			bad(&s.Nodes[2])
			s.Traffic.Replicas = []string{addr(0)}
		}), step: "hand over v-1 to v-0"},
		{name: "nobody leaves while one that stays has not synced", given: sized(healthy(), 2), change: func(s *model.Shard) {
			s.Nodes[1].Server.LinkUp, s.Nodes[1].Server.LinkDown = false, time.Second
		}, hold: model.NotSynced, of: "v-1"},
		{name: "nobody leaves while the primary is on its way out", given: sized(healthy(), 2), change: func(s *model.Shard) {
			s.Nodes[0].Phase, s.Nodes[0].TerminatingFor = model.PodTerminating, model.DepartWithin
			s.Nodes[2].Draining = true
		}, hold: model.NodeDown, of: "v-0"},
		{name: "a drain is lifted when the wish to scale in is taken back", given: healthy(), change: func(s *model.Shard) {
			s.Nodes[2].Draining = true
		}, step: "publish primary v-0, replicas [v-1 v-2]"},
		{name: "a stale primary that leaves waits for a fresh one that stays, so the roll goes first", given: sized(rolling(), 2),
			change: primaryIs(2), step: "drain v-1"},
	})
}

func TestStandaloneThatMayNotSurgeIsRestartedWithoutSendingItsClientsNowhere(t *testing.T) {
	snap := alone(rolling())
	snap.Policy.Surge = model.SurgeNever
	incident{given: snap, step: "restart v-0 (it runs an older revision, and nobody can take over from it)"}.check(t)
}

func TestATopologyThatIsUnknownIsAnErrorAndNoPlan(t *testing.T) {
	snap := rolling()
	snap.Topology = "Ring"
	if p, err := plan.Next(snap); err == nil || len(p.Steps) > 0 {
		t.Errorf("%v, %v", p, err)
	}
}

// Running, never in service, never answered: the spec has been mended, and the lone server
// has crashed meanwhile and is back with its data.
func TestAMendedSpecReachesAPodThatRunsAndNeverAnswered(t *testing.T) {
	run(t, []incident{{name: "the extra pod", given: durable(alone(rolling())), change: func(s *model.Shard) {
		n := &s.Nodes[0]
		n.Ready, n.InService = false, false
		rebooted(n)
		started(func(e *model.Node) {
			e.Revision, e.Admitted, e.Server, e.RoleLabel = "bad", false, model.Server{}, model.RoleUnknown
		})(s)
	}, step: "restart v-1 (it has never been in service, and its revision is superseded)"}})
}
