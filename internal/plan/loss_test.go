package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// frozen is a shard whose primary has not answered for so long, to us and to its
// replicas alike. Their links still stand: nobody has closed them.
func frozen(silent time.Duration) model.Snapshot {
	s := healthy()
	n := &s.Shards[0].Nodes[0]
	n.Server, n.SilentFor = model.Server{}, silent
	for i := 1; i < 3; i++ {
		s.Shards[0].Nodes[i].Server.LastIO = silent.Truncate(time.Second) + time.Second // they round
	}
	return s
}

// refused is a shard whose primary's process has just been killed: Kubernetes does
// not know it yet.
func refused() model.Snapshot {
	s := lost()
	s.Shards[0].Nodes[0].Dead, s.Shards[0].Nodes[0].Refuses = false, true
	return s
}

// forgotten is a shard whose primary's pod was deleted by force.
func forgotten() model.Snapshot {
	s := lost()
	absent(&s.Shards[0].Nodes[0])
	return s
}

func silentNode(n *model.Node, silent time.Duration) {
	n.Server, n.SilentFor = model.Server{}, silent
}

func TestASilentPrimaryIsReplacedOnceAllWitnessesAgree(t *testing.T) {
	const enough = 5 * time.Second
	silent := "promote v-1 (v-0 has been silent for 5s, to v-1 and v-2 as well, and this replica has the most of its history)"
	notVisible := func(name string, given model.Snapshot, change func(s *model.Shard)) incident {
		return incident{name: name, given: given, change: change, hold: model.PrimaryNotVisible, of: "v-0"}
	}
	run(t, []incident{
		{name: "silent to us and to both replicas for long enough", given: frozen(enough), step: silent},
		notVisible("not for long enough yet", frozen(enough-time.Millisecond), nil),
		notVisible("an operator that is cut off from it alone promotes nobody", frozen(time.Hour), func(s *model.Shard) {
			s.Nodes[1].Server.LastIO, s.Nodes[2].Server.LastIO = time.Second, 0
		}),
		notVisible("one replica that hears it is enough", frozen(time.Hour), func(s *model.Shard) { s.Nodes[2].Server.LastIO = 5 * time.Second }),
		notVisible("one whose link has broken and who has not tried for long enough", frozen(time.Hour), func(s *model.Shard) {
			s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.LastIO, s.Nodes[2].Server.LinkDown = false, 0, enough
		}),
		notVisible("one that is being sent its data", frozen(time.Hour), func(s *model.Shard) {
			s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.Syncing, s.Nodes[2].Server.LastIO = false, true, time.Second
		}),
		{name: "a broken link is silence too", given: frozen(enough), change: func(s *model.Shard) {
			s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.LastIO, s.Nodes[2].Server.LinkDown = false, 0, enough+time.Second
		}, step: silent},
		notVisible("a silent replica may hear it", frozen(time.Hour), func(s *model.Shard) { silentNode(&s.Nodes[2], time.Hour) }),
		{name: "unless Kubernetes has lost the host of that replica", given: frozen(enough), change: func(s *model.Shard) {
			silentNode(&s.Nodes[2], time.Hour)
			s.Nodes[2].HostLost = true
		}, step: "promote v-1 (v-0 has been silent for 5s, to v-1 as well; v-2 has been silent for 1h0m0s, and was not the primary, and this replica has the most of its history)"},
		{name: "or it has ended", given: frozen(enough), change: func(s *model.Shard) {
			silentNode(&s.Nodes[2], time.Hour)
			s.Nodes[2].Dead = true
		}, step: "promote v-1 (v-0 has been silent for 5s, to v-1 as well, and this replica has the most of its history)"},
		notVisible("the word of Kubernetes alone is no witness", frozen(time.Hour), func(s *model.Shard) {
			s.Nodes[0].HostLost = true
			for i := 1; i < 3; i++ {
				silentNode(&s.Nodes[i], time.Hour)
				s.Nodes[i].HostLost = true
			}
		}),
		notVisible("who has just booted is no witness", frozen(time.Hour), func(s *model.Shard) {
			reborn(&s.Nodes[1])
			reborn(&s.Nodes[2])
		}),
		notVisible("who was never in service is none either", frozen(time.Hour), func(s *model.Shard) {
			s.Nodes[1].InService, s.Nodes[2].InService = false, false
		}),
		{name: "but nobody waits for its word", given: frozen(enough), change: func(s *model.Shard) { reborn(&s.Nodes[2]) },
			step: "promote v-1 (v-0 has been silent for 5s, to v-1 as well, and this replica has the most of its history)"},
		{name: "the most complete copy wins", given: frozen(enough), change: func(s *model.Shard) { s.Nodes[2].Server.Offset++ },
			step: strings.Replace(silent, "promote v-1", "promote v-2", 1)},
		notVisible("a pod on its way out, on a host that is cut off, is silent and not dead", frozen(enough-1), func(s *model.Shard) {
			s.Nodes[0].Phase, s.Nodes[0].HostLost = model.PodTerminating, true
		}),
		{name: "and the same is asked of its witnesses", given: frozen(enough), change: func(s *model.Shard) {
			s.Nodes[0].Phase, s.Nodes[0].HostLost = model.PodTerminating, true
		}, step: silent},
		notVisible("a primary that pings every ten seconds is silent for ten seconds while it is well", frozen(14*time.Second), func(s *model.Shard) {
			s.Nodes[0].PingEvery = 0 // made by an older operator
		}),
		{name: "and is waited for that much longer", given: frozen(15 * time.Second), change: func(s *model.Shard) { s.Nodes[0].PingEvery = 0 },
			step: strings.Replace(silent, "for 5s", "for 15s", 1)},
		notVisible("without a bound for silence it is for ever", frozen(time.Hour), nil).bounded(0),
	})
}

// bounded is the same with another spec.recovery.downAfter.
func (in incident) bounded(downAfter time.Duration) incident {
	in.given.Policy.DownAfter = downAfter
	return in
}

func TestAPrimaryThatRefusesIsReplacedAtOnceIfItsReplicasHaveLostItToo(t *testing.T) {
	run(t, []incident{
		{name: "killed a moment ago", given: refused(),
			step: "promote v-1 (v-0 refuses connections, and v-1 and v-2 lost the link to it, and this replica has the most of its history)"},
		{name: "who refuses may be somebody on the way: a replica still hears it", given: refused(), change: func(s *model.Shard) {
			s.Nodes[2].Server.LinkUp = true
		}, hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "both servers of a shard were killed: nobody is left to say so", given: refused(), change: func(s *model.Shard) {
			for i := 1; i < 3; i++ {
				silentNode(&s.Nodes[i], 0)
				s.Nodes[i].Refuses = true
			}
		}, hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "a silent replica may still hear it", given: refused(), change: func(s *model.Shard) { silentNode(&s.Nodes[2], time.Hour) },
			hold: model.PrimaryNotVisible, of: "v-0"},
	})
}

func TestAReplicaThatHearsItsPrimaryIsBelievedAgainstKubernetes(t *testing.T) {
	linked := func(s *model.Shard) { s.Nodes[1].Server.LinkUp = true }
	run(t, []incident{
		{name: "the container is said to have ended", given: lost(), change: linked, hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "the pod was deleted by force, and the process runs on", given: forgotten(), change: linked, hold: model.PrimaryNotVisible},
		{name: "until it has not been heard for long enough", given: forgotten(), change: func(s *model.Shard) {
			s.Nodes[1].Server.LinkUp, s.Nodes[1].Server.LastIO = true, 6*time.Second
		}, step: "promote v-1 (the primary is gone, and this replica has the most of its history)"},
		{name: "whom it hears may be nobody of ours", given: forgotten(), change: func(s *model.Shard) {
			s.Nodes[1].Server.LinkUp, s.Nodes[1].Server.Follows = true, "192.0.2.7:6379"
		}, step: "promote v-1 (the primary is gone, and this replica has the most of its history)"},
	})
}

// A lone server that is rolled, or leaves its host, has a second one: a replica like any
// other, and a witness like any other.
func TestTheSecondServerOfALoneOneIsBelievedAgainstKubernetes(t *testing.T) {
	heard := func(ago time.Duration) func(s *model.Shard) {
		return func(s *model.Shard) { s.Nodes[1].Server.LinkUp, s.Nodes[1].Server.LastIO = true, ago }
	}
	lone := func(s model.Snapshot) model.Snapshot { return surged(alone(s)) }
	run(t, []incident{
		{name: "the container is said to have ended", given: lone(lost()), change: heard(time.Second), hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "the pod was deleted by force, and the process runs on", given: lone(forgotten()), change: heard(time.Second), hold: model.PrimaryNotVisible},
		{name: "until it has not been heard for long enough", given: lone(forgotten()), change: heard(6 * time.Second),
			step: "promote v-1 (the primary is gone, and this replica has the most of its history)"},
	})
}

// The primary has certainly ended, and a replica is silent: it was none, and is not
// waited for longer than a primary would be.
func TestASilentReplicaDoesNotKeepAShardWithoutAPrimaryForEver(t *testing.T) {
	back := func(silent time.Duration) func(s *model.Shard) {
		return func(s *model.Shard) {
			reborn(&s.Nodes[0])
			silentNode(&s.Nodes[2], silent)
		}
	}
	run(t, []incident{
		{name: "it may answer in a moment, and have more", given: lost(), change: back(4 * time.Second), hold: model.PrimaryNotVisible, of: "v-2"},
		{name: "it has had its time", given: lost(), change: back(5 * time.Second),
			step: "promote v-1 (v-2 has been silent for 5s, and was not the primary, and this replica has the most of its history)"},
		{name: "the primary is gone by the word of Kubernetes alone", given: lost(), change: func(s *model.Shard) { silentNode(&s.Nodes[2], time.Hour) },
			hold: model.PrimaryNotVisible, of: "v-2"},
	})
}

func TestASilentServerWithoutReplicasIsNeverReplaced(t *testing.T) {
	for nodes := 1; nodes < 3; nodes++ { // the second one is there for a rollout alone
		for _, snap := range []model.Snapshot{frozen(time.Hour), refused()} {
			snap.Topology, snap.Policy.Nodes = model.Standalone, 1
			snap.Shards[0].Size, snap.Shards[0].Nodes = nodes, snap.Shards[0].Nodes[:nodes]
			incident{given: snap, hold: model.PrimaryNotVisible, of: "v-0"}.check(t)
		}
	}
}

// Sentinels have their own eyes, and members of a cluster too.
func TestTheRuleIsOfReplicationAlone(t *testing.T) {
	for _, given := range []model.Snapshot{frozen(time.Hour), refused()} {
		incident{given: watched(given), hold: model.PrimaryNotVisible, of: "v-0"}.check(t)
	}
	w := sharded(3)
	silentNode(w.node(0, 0), time.Hour)
	w.gossip()
	p, err := plan.Next(w.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if step := p.Steps["v-shard-0"]; step != nil {
		t.Errorf("in a cluster a silent primary leads to %q", step)
	}
}

func TestAPromotionSaysWhomItReplaces(t *testing.T) {
	for name, given := range map[string]model.Snapshot{"silent": frozen(5 * time.Second), "ended": lost()} {
		p, err := plan.Next(given)
		if err != nil {
			t.Fatal(err)
		}
		if step, ok := p.Steps["v"].(model.Promote); !ok || step.Lost != "v-0" {
			t.Errorf("%s: %#v", name, p.Steps["v"])
		}
	}
}

func TestAHoldSaysHowMuchOfTheSilenceIsMissing(t *testing.T) {
	snap := frozen(3200 * time.Millisecond)
	snap.Shards[0].Nodes[2].Server.LinkUp, snap.Shards[0].Nodes[2].Server.LinkDown = false, 2*time.Second
	p, err := plan.Next(snap)
	if err != nil {
		t.Fatal(err)
	}
	want := "it has been silent for 3.2s of 5s (spec.recovery.downAfter); v-1 heard from it 4s ago; the link of v-2 has been down for 2s"
	if len(p.Holds) != 1 || p.Holds[0].Detail != want {
		t.Errorf("have %v\nwant %s", p.Holds, want)
	}
}

// A former primary that comes back finds another one, and its clients are sent on.
func TestAReturnedPrimaryIsDemotedWithItsClients(t *testing.T) {
	snap := healthy()
	s := &snap.Shards[0]
	s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows, s.Nodes[1].Server.ReplID, s.Nodes[1].Server.ReplID2 = model.RolePrimary, "", "h2", "h1"
	s.Traffic.Primary, s.Memory.Primary, s.Memory.History = addr(1), "v-1", []string{"h2", "h1"}
	p, err := plan.Next(snap)
	if err != nil {
		t.Fatal(err)
	}
	if step, ok := p.Steps["v"].(model.Follow); !ok || !step.Demotes || step.Node.Name != "v-0" || step.Primary.Name != "v-1" {
		t.Errorf("%#v", p.Steps["v"])
	}
}

// returned is a shard whose lost primary v-0 has come back, still writing its old
// history, after v-1 had been promoted in its place, published and remembered. v-1 has
// ended since.
func returned() model.Snapshot {
	snap := healthy()
	s := &snap.Shards[0]
	s.Traffic.Primary, s.Traffic.Replicas = addr(1), []string{addr(2)}
	s.Memory = model.Memory{Formed: true, Primary: "v-1", History: []string{"h2", "h1"}}
	for i := 1; i < 3; i++ {
		s.Nodes[i].Server.ReplID, s.Nodes[i].Server.ReplID2, s.Nodes[i].Server.Offset = "h2", "h1", 1100
	}
	s.Nodes[2].Server.Follows, s.Nodes[2].Server.LinkUp, s.Nodes[2].Server.LinkDown = addr(1), false, time.Second
	s.Nodes[1].Server, s.Nodes[1].Dead = model.Server{}, true
	return snap
}

func TestAPrimaryOfEarlierIsNotTrustedForBeingAlone(t *testing.T) {
	run(t, []incident{
		{name: "a replica that has newer data takes over", given: returned(),
			step: "promote v-2 (the primary is gone, and this replica has the most of its history)"},
		{name: "its successor is only silent", given: returned(), change: func(s *model.Shard) {
			silentNode(&s.Nodes[1], 0)
			s.Nodes[1].Dead = false
		}, hold: model.PrimaryNotVisible, of: "v-1"},
		{name: "its successor has restarted with newer data", given: durable(returned()), change: func(s *model.Shard) {
			absent(&s.Nodes[2])
			rebooted(&s.Nodes[1])
			s.Nodes[1].Server = model.Server{Answered: true, Role: model.RoleReplica, Follows: model.Nobody, ReplID: "h2", ReplID2: "h1", Offset: 1100, Keys: 10}
		}, hold: model.WaitingForCopies, of: "v-2"},
		{name: "all have been seen, and its successor has the most", given: returned(), change: func(s *model.Shard) {
			absent(&s.Nodes[2])
			rebooted(&s.Nodes[1])
			s.Nodes[1].Server = model.Server{Answered: true, Role: model.RoleReplica, Follows: model.Nobody, ReplID: "h2", ReplID2: "h1", Offset: 1100, Keys: 10}
		}, step: "promote v-1 (it holds newer data than v-0, which has come back as the primary that it was)"},
		{name: "nothing newer is left: it is the best there is", given: returned(), change: func(s *model.Shard) {
			absent(&s.Nodes[1])
			reborn(&s.Nodes[2])
		}, step: "publish primary v-0, replicas [v-0]"},
		{name: "clients are led to it, so it has been chosen", given: returned(), change: func(s *model.Shard) { s.Traffic.Primary = addr(0) },
			step: "let v-2 follow v-0 (it follows somebody else)"},
	})
	// Where Sentinels promote, they say whom to trust.
	incident{given: watched(returned()), step: "publish primary v-0, replicas [v-2]"}.check(t)
}

func TestOfTwoThatNobodyWasEverLedToTheOneWithMoreStays(t *testing.T) {
	run(t, []incident{{name: "promoted one after the other", given: healthy(), change: func(s *model.Shard) {
		for i := 1; i < 3; i++ {
			n := &s.Nodes[i]
			n.Server.Role, n.Server.Follows, n.Server.LinkUp = model.RolePrimary, "", false
			n.Server.ReplID, n.Server.ReplID2, n.Server.Offset = "new-"+n.Name, "h1", int64(1000+i)
		}
		s.Nodes[0].Server, s.Nodes[0].Dead = model.Server{}, true
	}, step: "let v-1 follow v-2 (a second primary; clients are served by v-2)", hold: model.TwoPrimaries}})
}

// The budget of the primary is about the one that there is.
func TestALostPrimaryLosesItsLabel(t *testing.T) {
	snap := healthy()
	s := &snap.Shards[0]
	silentNode(&s.Nodes[0], time.Minute)
	s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows, s.Nodes[1].Server.ReplID, s.Nodes[1].Server.ReplID2 = model.RolePrimary, "", "h2", "h1"
	p, err := plan.Next(snap)
	if err != nil {
		t.Fatal(err)
	}
	step, ok := p.Steps["v"].(model.Publish)
	if !ok {
		t.Fatalf("%v", p)
	}
	for _, n := range step.Nodes {
		if n.Node.Name == "v-0" && n.Role == model.RoleReplica {
			return
		}
	}
	t.Errorf("%+v", step.Nodes)
}
