package plan_test

import (
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

func durable(s model.Snapshot) model.Snapshot {
	s.Policy.Durable = true
	return s
}

func TestElection(t *testing.T) {
	most := "promote v-1 (the primary is gone, and this replica has the most of its history)"
	run(t, []incident{
		{name: "a new shard is formed on its first node", given: healthy(), change: newShard, step: "promote v-0 (a new shard)"},
		{name: "a replica in service succeeds a primary that is dead", given: lost(), step: most},
		{name: "nothing is promoted while a silent server may still be primary", given: lost(),
			change: func(s *model.Shard) { s.Nodes[0].Dead = false }, hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "that holds also for one that the Service leads to and nobody has admitted yet", given: lost(), change: func(s *model.Shard) {
			s.Nodes[0].Dead, s.Nodes[0].Admitted, s.Nodes[0].InService = false, false, false
		}, hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "of two replicas the one with more of the history succeeds", given: lost(), change: func(s *model.Shard) {
			s.Nodes[2].Server.Offset = 1001
		}, step: "promote v-2 (the primary is gone, and this replica has the most of its history)"},
		{name: "one that has synchronised and is not in service yet counts as well", given: lost(), change: func(s *model.Shard) {
			s.Nodes[2].Server.Offset = 1001
			s.Nodes[2].InService, s.Nodes[2].Admitted, s.Nodes[2].Ready = false, false, false
		}, step: "promote v-2 (the primary is gone, and this replica has the most of its history)"},
		{name: "an empty primary that comes back at its old address is not promoted", given: lost(), change: func(s *model.Shard) {
			reborn(&s.Nodes[0])
		}, step: most},
		{name: "more keys are not newer keys", given: lost(), change: func(s *model.Shard) {
			reborn(&s.Nodes[0])
			s.Nodes[0].Server.Keys, s.Nodes[0].Server.ReplID, s.Nodes[0].Server.Offset = 1_000_000, "h0", 5
			s.Memory.History = []string{"h1", "h0"}
		}, step: most},
		{name: "a history that no operator lived to write down is newer than the last one written", given: lost(), change: func(s *model.Shard) {
			reborn(&s.Nodes[0])
			s.Nodes[0].Server.ReplID, s.Nodes[0].Server.Offset, s.Nodes[0].Server.Keys = "h1", 2000, 10
			for i := 1; i < 3; i++ {
				s.Nodes[i].Server.ReplID, s.Nodes[i].Server.ReplID2, s.Nodes[i].Server.Offset2 = "h2", "h1", 900
			}
		}, step: most},
		{name: "a replica told of a new history, of which it has nothing yet, is compared by the old one", given: lost(), change: func(s *model.Shard) {
			s.Memory.History = []string{"h2", "h1"}
			reborn(&s.Nodes[0])
			s.Nodes[0].Server.ReplID, s.Nodes[0].Server.Offset, s.Nodes[0].Server.Keys = "h1", 1000, 10
			absent(&s.Nodes[2])
			n := &s.Nodes[1]
			n.InService, n.Server.ReplID, n.Server.ReplID2, n.Server.Offset, n.Server.Offset2 = false, "h2", "h1", 990, 991
		}, step: "promote v-0 (it holds the most of the newest known history)"},
		{name: "with volumes, a node that is not back yet is waited for", given: durable(lost()), change: func(s *model.Shard) {
			absent(&s.Nodes[0])
			reborn(&s.Nodes[1])
			reborn(&s.Nodes[2])
		}, hold: model.WaitingForCopies, of: "v-0"},
		{name: "a node with a volume that needs the new revision to start gets it", given: durable(lost()), change: func(s *model.Shard) {
			s.Revision, s.Nodes[0].CannotStart = "new", true
			reborn(&s.Nodes[1])
			reborn(&s.Nodes[2])
			s.Nodes[1].Revision, s.Nodes[2].Revision = "new", "new"
		}, step: "restart v-0 (it does not run, its revision is superseded, and its data outlive the pod)"},
		{name: "but one that has only crashed comes back as it was", given: durable(lost()), change: func(s *model.Shard) {
			s.Revision = "new"
			reborn(&s.Nodes[1])
			reborn(&s.Nodes[2])
			s.Nodes[1].Revision, s.Nodes[2].Revision = "new", "new"
		}, hold: model.WaitingForCopies, of: "v-0"},
		{name: "copies without a common history are a person's to choose from", given: lost(), change: func(s *model.Shard) {
			for i := range s.Nodes {
				reborn(&s.Nodes[i])
				s.Nodes[i].Server.Keys, s.Nodes[i].Server.Offset = int64(10+i), 7
			}
		}, hold: model.HistoryUnknown, of: "v-2"},
		{name: "an append-only file that forgot its history is known by the last primary's name", given: lost(), change: func(s *model.Shard) {
			for i := range s.Nodes {
				reborn(&s.Nodes[i])
				s.Nodes[i].Server.Keys = int64(10 + i)
			}
		}, step: "promote v-0 (the copies have no common history, and it was the last primary)"},
		{name: "nothing is promoted in the midst of a FAILOVER", given: lost(), change: halfway, hold: model.HandoverInProgress, of: "v-0"},
		{name: "a FAILOVER that has lost its target is ended", given: lost(), change: func(s *model.Shard) {
			halfway(s)
			s.Nodes[1].Server, s.Nodes[1].Dead = model.Server{}, true
		}, step: "promote v-0 (its FAILOVER has lost its target, and nobody has more than it has)"},
	})
}

func newShard(s *model.Shard) {
	s.Memory, s.Traffic = model.Memory{}, model.Traffic{}
	for i := range s.Nodes {
		reborn(&s.Nodes[i])
	}
}

// halfway: v-0 has demoted itself and asks v-1 to take over.
func halfway(s *model.Shard) {
	s.Nodes[0].Dead = false
	s.Nodes[0].Server = model.Server{Answered: true, Role: model.RoleReplica, Follows: addr(1), FailingOver: true,
		ReplID: "h1", Offset: 1000, Keys: 10}
}

func TestTwoPrimaries(t *testing.T) {
	split := func(s *model.Shard) {
		n := &s.Nodes[1]
		n.Server.Role, n.Server.Follows, n.Server.LinkUp = model.RolePrimary, "", false
		n.Server.ReplID, n.Server.ReplID2, n.Server.Keys = "h2", "h1", 1_000_000
	}
	follow := func(who, whom string) string {
		return "let " + who + " follow " + whom + " (a second primary; clients are served by " + whom + ")"
	}
	run(t, []incident{
		{name: "the one that the Service leads to stays, whoever has more keys", given: healthy(), change: split,
			step: follow("v-1", "v-0"), hold: model.TwoPrimaries},
		{name: "when the Service leads to a node that has handed over, the one that it follows stays", given: healthy(), change: func(s *model.Shard) {
			split(s)
			s.Traffic.Primary, s.Nodes[2].Server.Follows = addr(2), addr(1)
		}, step: follow("v-0", "v-1"), hold: model.TwoPrimaries},
		{name: "without any such, the one with the remembered history stays", given: healthy(), change: func(s *model.Shard) {
			split(s)
			s.Traffic.Primary = "10.9.9.9:6379"
		}, step: follow("v-1", "v-0"), hold: model.TwoPrimaries},
		{name: "of two that were made one after the other, the one that has served stays", given: healthy(), change: func(s *model.Shard) {
			split(s)
			s.Traffic.Primary, s.Memory.History = "10.9.9.9:6379", nil
			s.Nodes[0].Admitted = false
		}, step: follow("v-0", "v-1"), hold: model.TwoPrimaries},
		{name: "without any of that, a person has to say", given: healthy(), change: func(s *model.Shard) {
			split(s)
			s.Traffic.Primary, s.Memory.History = "10.9.9.9:6379", nil
		}, hold: model.TwoPrimaries},
	})
}

// unused is a pod that has never started, on a volume that nothing can be on.
func unused(trouble string) func(*model.Node) {
	return func(n *model.Node) {
		starting(n)
		n.Trouble, n.Blank = trouble, true
	}
}

// The extra pod of a rollout has never started: there is no room for it, or its image cannot
// be pulled. Meanwhile the lone server's container restarts, with its data.
func TestALoneServerThatRestartsDoesNotWaitForAnExtraPodThatHasNeverStarted(t *testing.T) {
	beside := func(extra func(*model.Node)) func(s *model.Shard) {
		return func(s *model.Shard) {
			rebooted(&s.Nodes[0])
			withLog(&s.Nodes[0])
			extra(&s.Nodes[1])
		}
	}
	noRoom := unused("it cannot be scheduled: 0/3 nodes are available")
	refused := func(n *model.Node) {
		absent(n)
		n.Blank = true
	}
	used := func(n *model.Node) {
		noRoom(n)
		n.Blank = false
	}
	given := func() model.Snapshot { return durable(surged(alone(rolling()))) }
	only := "promote v-0 (it is the only node with data)"
	run(t, []incident{
		{name: "no room", given: given(), change: beside(noRoom), step: only},
		{name: "no image", given: given(), change: beside(unused("ImagePullBackOff: Back-off pulling image")), step: only},
		{name: "not even made yet", given: given(), change: beside(refused), step: only},
		{name: "the user gives up: surge Never", given: policed(given(), mode(model.SurgeNever)), change: beside(noRoom), step: only},
		{name: "for its host was cordoned", given: durable(surged(alone(healthy()))), change: beside(noRoom), step: only},
		{name: "a volume that has been used is another matter", given: given(), change: beside(used), hold: model.NodeDown, of: "v-1"},
	})
}

// No pod of a new instance was ever in service, so there is nothing to protect (law 5).
func TestANewShardDoesNotWaitForAPodThatHasNoRoom(t *testing.T) {
	run(t, []incident{{name: "", given: durable(healthy()), change: func(s *model.Shard) {
		newShard(s)
		unused("it cannot be scheduled: 0/2 nodes are available")(&s.Nodes[2])
	}, step: "promote v-0 (a new shard)"}})
}

func TestANewShardThatDoesNotComeUpSaysWhy(t *testing.T) {
	run(t, []incident{
		{name: "its image cannot be pulled", given: durable(healthy()), change: func(s *model.Shard) {
			newShard(s)
			for i := range s.Nodes {
				unused("ImagePullBackOff: no such image")(&s.Nodes[i])
			}
		}, hold: model.NodeDown, of: "v-2"},
		{name: "its pods are made", given: durable(healthy()), change: func(s *model.Shard) {
			newShard(s)
			for i := range s.Nodes {
				unused("")(&s.Nodes[i])
			}
		}, hold: model.PodStarting},
	})
}

// Whoever waits for a copy that never comes back has to be told the way out.
func TestWhoWaitsForACopyIsToldHowToGoOnWithoutIt(t *testing.T) {
	snap := durable(pair(healthy()))
	s := &snap.Shards[0]
	rebooted(&s.Nodes[0])
	withLog(&s.Nodes[0])
	starting(&s.Nodes[1])
	p, err := plan.Next(snap)
	if err != nil || len(p.Holds) != 1 || !strings.Contains(p.Holds[0].Detail, "for v-0, run REPLICAOF NO ONE on it") {
		t.Errorf("%+v, %v", p, err)
	}
}
