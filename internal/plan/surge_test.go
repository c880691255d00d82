package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// alone is the first node of a scene, in topology Standalone.
func alone(s model.Snapshot) model.Snapshot {
	s.Topology, s.Policy.Nodes, s.Policy.Surge = model.Standalone, 1, model.SurgeAuto
	s.Shards[0].Nodes, s.Shards[0].Size, s.Shards[0].Traffic.Replicas = s.Shards[0].Nodes[:1], 1, nil
	return s
}

// pair is the first two nodes of a scene.
func pair(s model.Snapshot) model.Snapshot {
	s.Policy.Nodes, s.Policy.Surge = 2, model.SurgeAuto
	s.Shards[0].Nodes, s.Shards[0].Size, s.Shards[0].Traffic.Replicas = s.Shards[0].Nodes[:2], 2, []string{addr(1)}
	return s
}

// surged gives the shard the extra node, in service.
func surged(s model.Snapshot) model.Snapshot {
	shard := &s.Shards[0]
	extra := healthy().Shards[0].Nodes[len(shard.Nodes)]
	extra.Revision = shard.Revision
	shard.Nodes, shard.Size = append(shard.Nodes, extra), shard.Size+1
	if s.Topology == model.Replication {
		shard.Traffic.Replicas = append(shard.Traffic.Replicas, extra.Address)
	}
	return s
}

// at changes one node of a scene.
func at(i int, change func(*model.Node)) func(*model.Shard) {
	return func(s *model.Shard) { change(&s.Nodes[i]) }
}

func both(changes ...func(*model.Shard)) func(*model.Shard) {
	return func(s *model.Shard) {
		for _, change := range changes {
			change(s)
		}
	}
}

func policed(s model.Snapshot, change func(*model.Policy)) model.Snapshot {
	change(&s.Policy)
	return s
}

func mode(m model.Surge) func(*model.Policy) { return func(p *model.Policy) { p.Surge = m } }

// isPrimary is primaryIs in a topology that has no Service for replicas.
func isPrimary(i int) func(*model.Shard) {
	return func(s *model.Shard) {
		primaryIs(i)(s)
		s.Traffic.Replicas = nil
	}
}

func revised(i int, to string) func(*model.Shard) {
	return at(i, func(n *model.Node) { n.Revision = to })
}

func starting(n *model.Node) {
	*n = model.Node{Ordinal: n.Ordinal, Ref: n.Ref, Revision: n.Revision, Phase: model.PodPending, Dead: true}
	n.Address = ""
}

func unmade(n *model.Node) {
	absent(n)
	n.Trouble = "its pod cannot be made: exceeded quota"
}

func drainedNode(n *model.Node) { n.Draining, n.DrainingFor = true, time.Hour }

func TestWhoIsGivenAnExtraNode(t *testing.T) {
	run(t, []incident{
		{name: "a lone server", given: alone(rolling()), step: "scale from 1 to 2 pods"},
		{name: "with a volume too", given: durable(alone(rolling())), step: "scale from 1 to 2 pods"},
		{name: "a primary with one replica", given: durable(pair(rolling())), step: "scale from 2 to 3 pods"},
		{name: "a shard whose data outlive no pod", given: policed(rolling(), mode(model.SurgeAuto)), step: "scale from 3 to 4 pods"},
		{name: "not one that has another copy to spare", given: durable(policed(rolling(), mode(model.SurgeAuto))), step: "drain v-2"},
		{name: "but if the user wants it", given: durable(policed(rolling(), mode(model.SurgeAlways))), step: "scale from 3 to 4 pods"},
		{name: "and never against the user's wish", given: policed(pair(rolling()), mode(model.SurgeNever)), step: "drain v-1"},
		{name: "nor without a rollout", given: alone(healthy())},
		{name: "nor while it is paused", given: paused(alone(rolling())), hold: model.Paused},
		{name: "nor while the newest revision is not known", given: alone(rolling()),
			change: func(s *model.Shard) { s.Revision = "" }, hold: model.RevisionUnknown},
		{name: "nor where pods are left to the StatefulSet controller", given: optedOut(alone(rolling()))},
		{name: "nodes that stay come before one that leaves again", given: policed(sized(rolling(), 4), mode(model.SurgeAuto)),
			step: "scale from 3 to 4 pods"},
		{name: "a lone server whose host is to be left", given: alone(healthy()),
			change: at(0, func(n *model.Node) { n.Evacuate = "its host is cordoned" }), step: "scale from 1 to 2 pods"},
		{name: "but not if the user wants none", given: policed(alone(healthy()), mode(model.SurgeNever)),
			change: at(0, func(n *model.Node) { n.Evacuate = "its host is cordoned" })},
		{name: "nor one that has somebody to hand over to", given: pair(healthy()),
			change: at(0, func(n *model.Node) { n.Evacuate = "its host is cordoned" }), step: "hand over v-0 to v-1"},
	})
}

func TestALoneServerIsRolledWithoutAnOutage(t *testing.T) {
	base := func() model.Snapshot { return surged(alone(rolling())) }
	run(t, []incident{
		{name: "its extra pod is waited for", given: base(), change: at(1, absent), hold: model.PodStarting, of: "v-1"},
		{name: "and follows it", given: base(), change: at(1, reborn), step: "let v-1 follow v-0 (it has booted)"},
		{name: "and synchronises", given: base(), change: func(s *model.Shard) {
			reborn(&s.Nodes[1])
			s.Nodes[1].Server.Follows, s.Nodes[1].Server.Syncing = addr(0), true
			delete(s.Nodes[0].Server.Acked, addr(1))
		}, hold: model.NotSynced, of: "v-1"},
		{name: "and is in service, with no Service for it", given: base(), change: at(1, func(n *model.Node) {
			n.InService, n.Ready, n.RoleLabel = false, false, model.RoleUnknown
		}), step: "publish primary v-0, replicas []"},
		{name: "then it takes over", given: base(), step: "hand over v-0 to v-1"},
		{name: "in a quiet second", given: base(), change: func(s *model.Shard) { s.Traffic.Quiet = 0 }, hold: model.ServicesBusy},
		{name: "then the old one is drained", given: base(), change: isPrimary(1), step: "drain v-0"},
		{name: "and restarted", given: base(), change: both(isPrimary(1), at(0, drainedNode)), step: "restart v-0 (it runs an older revision)"},
		{name: "the extra one does not go while it is away", given: base(), change: both(isPrimary(1), at(0, absent)), hold: model.PodStarting, of: "v-0"},
		{name: "nor before it has synced", given: base(), change: both(isPrimary(1), revised(0, "new"), at(0, func(n *model.Node) {
			n.Server.Syncing, n.Server.LinkUp, n.InService, n.Ready = true, false, false, false
		})), hold: model.NotSynced, of: "v-0"},
		{name: "the role comes back", given: base(), change: both(isPrimary(1), revised(0, "new")), step: "hand over v-1 to v-0"},
		{name: "the extra one is drained", given: base(), change: revised(0, "new"), step: "drain v-1"},
		{name: "and leaves", given: base(), change: both(revised(0, "new"), at(1, drainedNode)), step: "scale from 2 to 1 pods"},
		{name: "and has left", given: alone(healthy())},
	})
}

func TestTheExtraNodeIsTheCanary(t *testing.T) {
	base := func() model.Snapshot { return surged(pair(rolling())) }
	notYet := func() model.Snapshot {
		s := base()
		s.Shards[0].Traffic.Replicas = []string{addr(1)}
		return s
	}
	run(t, []incident{
		{name: "nothing is touched while it has no room", given: notYet(), change: at(2, func(n *model.Node) {
			starting(n)
			n.Trouble = "it cannot be scheduled: 0/3 nodes are available"
		}), hold: model.NodeDown, of: "v-2"},
		{name: "nor while Kubernetes refuses to make it", given: notYet(), change: at(2, unmade), hold: model.NodeDown, of: "v-2"},
		{name: "nor while Kubernetes refuses one that was restarted", given: base(), change: both(at(1, unmade), func(s *model.Shard) {
			s.Traffic.Replicas = []string{addr(2)}
		}), hold: model.NodeDown, of: "v-1"},
		{name: "nor while it crashes", given: notYet(), change: at(2, func(n *model.Node) {
			starting(n)
			n.Phase, n.Trouble = model.PodRunning, "CrashLoopBackOff: its server ended with code 1"
		}), hold: model.NodeDown, of: "v-2"},
		{name: "nor while it is not Ready", given: base(), change: at(2, func(n *model.Node) { n.Ready = false }), hold: model.NotSynced, of: "v-2"},
		{name: "a superseding spec replaces it", given: base(), change: both(at(2, starting), at(2, func(n *model.Node) {
			n.Revision, n.Admitted = "bad", false
		})), step: "restart v-2 (it has never been in service, and its revision is superseded)"},
		{name: "and one that says Never takes it away", given: policed(notYet(), mode(model.SurgeNever)), change: at(2, starting),
			step: "scale from 3 to 2 pods"},
		{name: "with it in service the roll begins", given: base(), step: "drain v-1"},
		{name: "the role goes to one that stays", given: base(), change: revised(1, "new"), step: "hand over v-0 to v-1"},
		{name: "and not back again", given: base(), change: both(primaryIs(1), revised(0, "new"), revised(1, "new")), step: "drain v-2"},
		{name: "a second change makes it the first to go", given: base(), change: both(revised(2, "older"), at(1, drainedNode), func(s *model.Shard) {
			s.Traffic.Replicas = []string{addr(2)}
		}), step: "drain v-2"},
		{name: "a node that is dead anyway is mended while it is not there", given: base(), change: both(at(2, starting), at(1, func(n *model.Node) {
			n.Server, n.Dead, n.CannotStart, n.Ready = model.Server{}, true, true, false
		}), func(s *model.Shard) { s.Traffic.Replicas = []string{addr(0)} }), step: "restart v-1 (it does not run, and its revision is superseded)"},
	})
}

func TestTheWishChangesWhileAShardSurges(t *testing.T) {
	lone := func() model.Snapshot { return surged(alone(rolling())) }
	twice := both(isPrimary(1), revised(1, "older"))
	run(t, []incident{
		{name: "a second change: the extra node has the role, so the other is rolled first", given: lone(), change: twice, step: "drain v-0"},
		{name: "and then hands over without having been restarted", given: lone(), change: both(twice, revised(0, "new")), step: "hand over v-1 to v-0"},
		{name: "a second change while the extra node is a replica", given: lone(), change: revised(1, "older"), step: "drain v-1"},
		{name: "the change is taken back: the extra node leaves", given: lone(), change: both(revised(0, "new"), revised(1, "older")), step: "drain v-1"},
		{name: "also with the role", given: lone(), change: both(isPrimary(1), revised(0, "new"), revised(1, "older")), step: "hand over v-1 to v-0"},
		{name: "paused: it stays", given: paused(lone()), hold: model.Paused},
		{name: "paused: it stays with the role", given: paused(lone()), change: isPrimary(1), hold: model.Paused},
		{name: "the newest revision is unknown for a moment: it stays", given: lone(),
			change: func(s *model.Shard) { s.Revision = "" }, hold: model.RevisionUnknown},
		{name: "Never: it leaves, and nobody is restarted meanwhile", given: policed(lone(), mode(model.SurgeNever)), step: "drain v-1"},
		{name: "Never: with the role it stays until the other one is fresh", given: policed(lone(), mode(model.SurgeNever)), change: isPrimary(1),
			step: "drain v-0"},
		{name: "Never, and the role on it: then it hands over", given: policed(lone(), mode(model.SurgeNever)),
			change: both(isPrimary(1), revised(0, "new")), step: "hand over v-1 to v-0"},
		{name: "Never: nobody hands over to it on its way out", given: policed(lone(), mode(model.SurgeNever)),
			change: func(s *model.Shard) { s.Size = 1 }, hold: model.PodStarting, of: "v-1"},
		{name: "opted out: it leaves", given: optedOut(lone()), step: "drain v-1"},
		{name: "one replica more: it stays for good", given: durable(sized(surged(pair(rolling())), 3)), step: "drain v-1"},
		{name: "one more without volumes: another one comes", given: sized(surged(pair(rolling())), 3), step: "scale from 3 to 4 pods"},
		{name: "one replica less: the last one stays until the roll has ended", given: policed(durable(sized(rolling(), 2)), mode(model.SurgeAuto)),
			step: "drain v-2"},
		{name: "a drain of it is lifted when it is needed again", given: lone(), change: at(1, drainedNode), step: "publish primary v-0, replicas []"},
	})
}

func TestAClaimThatIsLeftIsWaitedFor(t *testing.T) {
	left := func(ordinal int, going bool) func(*model.Shard) {
		return func(s *model.Shard) {
			s.Leftovers = []model.Leftover{{Claim: "data-v-" + string(rune('0'+ordinal)), Ordinal: ordinal, Going: going}}
		}
	}
	run(t, []incident{
		{name: "before an extra pod comes", given: alone(rolling()), change: left(1, true), hold: model.ClaimLeft, of: "v-1"},
		{name: "also one that nobody has asked to go", given: alone(rolling()), change: left(1, false), hold: model.ClaimLeft, of: "v-1"},
		{name: "before any pod is added", given: sized(healthy(), 5), change: left(4, false), hold: model.ClaimLeft, of: "v-4"},
		{name: "not that of another pod", given: alone(rolling()), change: left(2, false), step: "scale from 1 to 2 pods"},
		{name: "after it has left", given: alone(healthy()), change: left(1, true), hold: model.ClaimLeft, of: "v-1"},
		{name: "but nothing waits for it", given: rolling(), change: left(3, true), step: "drain v-2"},
		{name: "what nobody has asked to go is the user's to keep", given: alone(healthy()), change: left(1, false)},
	})
}

// A claim goes only with a pod. One that was never made, or has just been deleted by force,
// would leave its claim for ever.
func TestAnExtraPodThatIsNotThereLeavesWithItsClaimIfItCan(t *testing.T) {
	taken := func() model.Snapshot { return durable(surged(alone(healthy()))) } // the change was taken back
	lacking := func(since time.Duration) func(*model.Shard) {
		return at(1, func(n *model.Node) {
			absent(n)
			n.AbsentFor = since
		})
	}
	bad := both(at(1, starting), at(1, func(n *model.Node) { n.Revision, n.Admitted = "bad", false }))
	never := policed(durable(surged(alone(rolling()))), mode(model.SurgeNever))
	run(t, []incident{
		{name: "it has just gone, and is about to be made anew", given: taken(), change: lacking(time.Second), hold: model.PodStarting, of: "v-1"},
		{name: "it was refused all along", given: taken(), change: lacking(time.Minute), step: "scale from 2 to 1 pods"},
		{name: "it is there, and has not started", given: taken(), change: at(1, starting), step: "scale from 2 to 1 pods"},
		{name: "it never came up, and is not evicted before it leaves", given: taken(), change: bad, step: "scale from 2 to 1 pods"},
		{name: "nor when none is wished for in mid-roll", given: never, change: bad, step: "scale from 2 to 1 pods"},
		{name: "but is replaced while it is wished for", given: durable(surged(alone(rolling()))), change: bad,
			step: "restart v-1 (it has never been in service, and its revision is superseded)"},
	})
}

func TestAHoldForAClaimThatBelongsToNoPodSaysHowToGetRidOfIt(t *testing.T) {
	snap := alone(rolling())
	snap.Shards[0].Leftovers = []model.Leftover{{Claim: "data-v-1", Ordinal: 1}}
	p, err := plan.Next(snap)
	if err != nil || len(p.Holds) != 1 {
		t.Fatalf("%v, %v", p, err)
	}
	for _, want := range []string{"data-v-1", "refused", "only with its pod", "kubectl delete pvc data-v-1"} {
		if !strings.Contains(p.Holds[0].Detail, want) {
			t.Errorf("%q does not say %q", p.Holds[0].Detail, want)
		}
	}
}

// A server of 8.1 that writes its first append-only file since a full synchronisation has
// nothing of that on its disk (conformance, first_log_test.go).
func TestNoPodGoesWhoseDiskMayBeTheOnlyOneWithEverything(t *testing.T) {
	writes := func(i int) func(*model.Shard) { return at(i, func(n *model.Node) { n.Server.Rewriting = true }) }
	fails := func(i int) func(*model.Shard) {
		return at(i, func(n *model.Node) { n.Server.Unsaved = model.UnsavedRewrite })
	}
	lone := func() model.Snapshot { return durable(surged(alone(healthy()))) }
	roll := func() model.Snapshot { return durable(surged(alone(rolling()))) }
	two := func() model.Snapshot { return durable(surged(pair(healthy()))) }
	drained := at(1, drainedNode)
	gone := at(1, func(n *model.Node) {
		absent(n)
		n.AbsentFor = time.Minute
	})
	run(t, []incident{
		{name: "the extra one stays", given: lone(), change: writes(0), hold: model.Persisting, of: "v-0"},
		{name: "also when it is drained", given: lone(), change: both(writes(0), drained), hold: model.Persisting, of: "v-0"},
		{name: "also when it is away: its volume is what counts", given: lone(), change: both(writes(0), gone), hold: model.Persisting, of: "v-0"},
		{name: "until the file is written", given: lone(), change: drained, step: "scale from 2 to 1 pods"},
		{name: "also while there is no room for the file", given: lone(), change: both(fails(0), drained), hold: model.NotPersisting, of: "v-0"},
		{name: "but one that does not run helps nobody", given: lone(), change: both(fails(0), gone), step: "scale from 2 to 1 pods"},
		{name: "one file of those that stay is enough", given: two(), change: writes(0), step: "drain v-2"},
		{name: "it is not while nobody has one", given: two(), change: both(writes(0), fails(1)), hold: model.Persisting, of: "v-0"},
		{name: "the old primary is not restarted before the new one has one", given: roll(), change: both(isPrimary(1), writes(1)),
			hold: model.Persisting, of: "v-1"},
		{name: "nor when it has been drained", given: roll(), change: both(isPrimary(1), writes(1), at(0, drainedNode)), hold: model.Persisting, of: "v-1"},
		{name: "a change may be what mends a file that cannot be written", given: roll(), change: both(isPrimary(1), fails(1), at(0, drainedNode)),
			step: "restart v-0 (it runs an older revision)"},
		{name: "no role moves to a server that has none yet", given: roll(), change: writes(1), hold: model.Persisting, of: "v-1"},
		{name: "nor back to one", given: lone(), change: both(isPrimary(1), writes(0)), hold: model.Persisting, of: "v-0"},
		{name: "but from one that is on its way out", given: roll(), change: both(writes(1), at(0, func(n *model.Node) {
			n.Phase, n.TerminatingFor = model.PodTerminating, time.Second
		})), step: "hand over v-0 to v-1"},
		{name: "a file that is written anew keeps no roll of three", given: rolling(), change: writes(0), step: "drain v-2"},
	})
}

// The extra pod has the role, and the first one does not come back with a second change.
func TestWhatKeepsTheExtraPodSaysWhyTheFirstOneIsDown(t *testing.T) {
	for trouble, reason := range map[string]model.Reason{
		"CrashLoopBackOff: its server ended with code 1: Bad directive":       model.NodeDown,
		"it cannot be scheduled: 1 node(s) had volume node affinity conflict": model.NodeDown,
		"": model.PodStarting,
	} {
		snap := surged(alone(healthy()))
		s := &snap.Shards[0]
		isPrimary(1)(s)
		starting(&s.Nodes[0])
		s.Nodes[0].Trouble = trouble
		p, err := plan.Next(snap)
		if err != nil || len(p.Steps) > 0 || len(p.Holds) == 0 {
			t.Fatalf("%v, %v", p, err)
		}
		if h := p.Holds[0]; h.Reason != reason || h.Node != "v-0" || !strings.Contains(h.Detail, trouble) {
			t.Errorf("%s", h)
		}
	}
}

func TestACopyThatIsOnlyLeftOnAPodThatLeavesIsCalledBack(t *testing.T) {
	snap := surged(alone(healthy()))
	snap.Shards[0].Size = 1
	incident{given: snap, change: func(s *model.Shard) {
		s.Nodes[0].Server, s.Nodes[0].Dead, s.Nodes[0].Ready = model.Server{}, true, false
		s.Nodes[1].Server.LinkUp = false
	}, step: "scale from 1 to 2 pods"}.check(t)
}

func TestAHoldForAnExtraPodSaysWhatToDo(t *testing.T) {
	snap := surged(alone(rolling()))
	starting(&snap.Shards[0].Nodes[1])
	snap.Shards[0].Nodes[1].Trouble = "it cannot be scheduled: 0/3 nodes are available"
	p, err := plan.Next(snap)
	if err != nil || len(p.Steps) > 0 || len(p.Holds) != 1 {
		t.Fatalf("%v, %v", p, err)
	}
	for _, want := range []string{"0/3 nodes", "nothing else is touched", "spec.rollout.surge to Never", "outage"} {
		if !strings.Contains(p.Holds[0].Detail, want) {
			t.Errorf("%q does not say %q", p.Holds[0].Detail, want)
		}
	}
}
