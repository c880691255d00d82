package act

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
)

// ring is a world whose instance is a cluster, with a server for each of n nodes.
func ring(t *testing.T, n int) (*world, []*fake.Server, []model.Ref) {
	t.Helper()
	w := newWorld(t)
	w.Valkey.Spec.Topology = v1alpha1.TopologyCluster
	w.Migration = servers.Credentials{Username: v1alpha1.MigrationUser, Password: "secret"}
	var all []*fake.Server
	var refs []model.Ref
	for i := range n {
		s := fake.Listen(t, loopback)
		s.Info(map[string]string{"cluster_enabled": "1"})
		r := ref(i)
		r.Address = s.Addr()
		all, refs = append(all, s), append(refs, r)
	}
	return w, all, refs
}

// told are the commands that change something.
func told(s *fake.Server) []string {
	return slices.DeleteFunc(s.Got(), func(line string) bool {
		return strings.HasPrefix(line, "INFO") || line == "ROLE" || line == "CLUSTER NODES" || line == "CLUSTER MYID" || line == "PING"
	})
}

func TestANodeThatBeginsAClusterTakesItsEpochThenItsSlots(t *testing.T) {
	slots := model.NewSlots(model.SlotRange{First: 0, Last: 5460}, model.SlotRange{First: 7000, Last: 7000})
	for name, row := range map[string]struct {
		epoch int64
		reply string
		want  []string
	}{
		"a fresh one":                       {3, "+OK\r\n", []string{"CLUSTER SET-CONFIG-EPOCH 3", "CLUSTER ADDSLOTSRANGE 0 5460 7000 7000"}},
		"one that knows others already":     {3, "-ERR The user can assign a config epoch only when the node does not know any other node.\r\n", []string{"CLUSTER SET-CONFIG-EPOCH 3", "CLUSTER BUMPEPOCH", "CLUSTER ADDSLOTSRANGE 0 5460 7000 7000"}},
		"one that is to be believed by all": {0, "", []string{"CLUSTER BUMPEPOCH", "CLUSTER ADDSLOTSRANGE 0 5460 7000 7000"}},
	} {
		w, all, refs := ring(t, 1)
		all[0].Reply("CLUSTER SET-CONFIG-EPOCH", row.reply)
		all[0].Reply("CLUSTER BUMPEPOCH", "+BUMPED 7\r\n")
		step := model.AddSlots{Node: refs[0], Slots: slots, Epoch: row.epoch}
		if _, err := w.Do(t.Context(), shard, w.planned(step)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if have := told(all[0]); !slices.Equal(have, row.want) {
			t.Errorf("%s: told %q, want %q", name, have, row.want)
		}
	}
}

func TestSlotsThatSomebodyElseHasTakenMeanwhileLeadToAnotherLook(t *testing.T) {
	w, all, refs := ring(t, 1)
	all[0].Reply("CLUSTER BUMPEPOCH", "+STILL 7\r\n")
	all[0].Reply("CLUSTER ADDSLOTSRANGE", "-ERR Slot 5 is already busy\r\n")
	all[0].Joined(true, fake.Member{ID: "me", Addr: "10.0.0.1:6379", Flags: "myself,master"},
		fake.Member{ID: "other", Addr: "10.0.0.2:6379", Flags: "master", Slots: "5"})
	_, err := w.Do(t.Context(), shard, w.planned(model.AddSlots{Node: refs[0], Slots: model.EvenShare(0, 3)}))
	if !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	if have := told(all[0]); slices.ContainsFunc(have, func(line string) bool { return strings.HasPrefix(line, "CLUSTER DELSLOTSRANGE") }) {
		t.Errorf("a living owner lost its slots: told %q", have)
	}
}

func TestSlotsOfAMemberThatHasFailedAreTakenFromIt(t *testing.T) {
	w, all, refs := ring(t, 1)
	all[0].Reply("CLUSTER BUMPEPOCH", "+BUMPED 7\r\n")
	all[0].Reply("CLUSTER ADDSLOTSRANGE", "-ERR Slot 5 is already busy\r\n")
	all[0].Joined(true, fake.Member{ID: "me", Addr: "10.0.0.1:6379", Flags: "myself,master"},
		fake.Member{ID: "gone", Addr: "10.0.0.2:6379", Flags: "master,fail", Slots: "5-9 16000-16383"})
	all[0].Then("CLUSTER DELSLOTSRANGE", func() { all[0].Reply("CLUSTER ADDSLOTSRANGE", "+OK\r\n") })
	if _, err := w.Do(t.Context(), shard, w.planned(model.AddSlots{Node: refs[0], Slots: model.NewSlots(model.SlotRange{First: 0, Last: 99})})); err != nil {
		t.Fatal(err)
	}
	want := []string{"CLUSTER BUMPEPOCH", "CLUSTER ADDSLOTSRANGE 0 99", "CLUSTER DELSLOTSRANGE 5 9", "CLUSTER ADDSLOTSRANGE 0 99"}
	if have := told(all[0]); !slices.Equal(have, want) {
		t.Errorf("told %q, want %q", have, want)
	}
}

func TestWhoHasSupersededAHeldServerIsBelievedBeforeThatJoins(t *testing.T) {
	w, all, refs := ring(t, 2)
	all[0].Info(map[string]string{"cluster_enabled": "0"})
	all[0].Reply("ROLE", fake.ReplicaRole("127.0.0.1:1", 5))
	all[1].Reply("CLUSTER BUMPEPOCH", "-ERR refused\r\n")
	step := model.Release{Node: refs[0], Over: refs[1]}
	if _, err := w.Do(t.Context(), shard, w.planned(step)); err == nil || len(told(all[0])) > 0 {
		t.Errorf("it was let go although its successor got no epoch above it: %v, told %q", err, told(all[0]))
	}
	all[1].Reply("CLUSTER BUMPEPOCH", "+BUMPED 9\r\n")
	all[0].Then("SHUTDOWN", all[0].End)
	if _, err := w.Do(t.Context(), shard, w.planned(step)); err != nil {
		t.Errorf("%v; told %q", err, told(all[0]))
	}
}

func TestOneNodeThatCannotGreetKeepsNoOtherFromIt(t *testing.T) {
	w, all, refs := ring(t, 3)
	all[0].End()
	_, err := w.Do(t.Context(), shard, w.planned(model.Meet{Nodes: refs[:2], Via: ref(7)}))
	if err == nil || !slices.Equal(told(all[1]), []string{"CLUSTER MEET 10.0.0.8 6379"}) {
		t.Errorf("%v; told %q", err, told(all[1]))
	}
}

func TestAReplicaFollowsByTheIDThatThePrimaryTells(t *testing.T) {
	w, all, refs := ring(t, 2)
	all[0].Reply("CLUSTER MYID", fake.Bulk("id-of-primary"))
	if _, err := w.Do(t.Context(), shard, w.planned(model.Follow{Node: refs[1], Primary: refs[0]})); err != nil {
		t.Fatal(err)
	}
	if have := told(all[1]); !slices.Equal(have, []string{"CLUSTER REPLICATE id-of-primary"}) {
		t.Errorf("told %q", have)
	}
}

func TestANodeIsEmptiedForItsPrimaryOnlyIfItServesNothing(t *testing.T) {
	const notEmpty = "-ERR To set a master the node must be empty and without assigned slots.\r\n"
	for slots, want := range map[string][]string{
		"":       {"CLUSTER REPLICATE id", "FLUSHALL ASYNC", "CLUSTER REPLICATE id"},
		"0-5460": {"CLUSTER REPLICATE id"},
	} {
		w, all, refs := ring(t, 2)
		all[0].Reply("CLUSTER MYID", fake.Bulk("id"))
		all[1].Joined(true, fake.Member{ID: "me", Addr: "10.0.0.2:6379", Flags: "myself,master", Slots: slots})
		all[1].Reply("CLUSTER REPLICATE", notEmpty)
		all[1].Then("FLUSHALL", func() { all[1].Reply("CLUSTER REPLICATE", "+OK\r\n") })
		_, err := w.Do(t.Context(), shard, w.planned(model.Follow{Node: refs[1], Primary: refs[0]}))
		if (err == nil) != (slots == "") {
			t.Errorf("with slots %q: %v", slots, err)
		}
		if have := told(all[1]); !slices.Equal(have, want) {
			t.Errorf("with slots %q: told %q, want %q", slots, have, want)
		}
	}
}

func TestAReplicaIsElectedOrTakesOverAndIsSeenToHave(t *testing.T) {
	for means, command := range map[model.Means]string{model.ByElection: "CLUSTER FAILOVER FORCE", model.ByTakeover: "CLUSTER FAILOVER TAKEOVER"} {
		w, all, refs := ring(t, 1)
		all[0].Reply("ROLE", fake.ReplicaRole("10.0.0.9:6379", 5))
		all[0].Then(command, func() { all[0].Reply("ROLE", fake.PrimaryRole(5)) })
		out, err := w.Do(t.Context(), shard, w.planned(model.Promote{Node: refs[0], Means: means}))
		if err != nil || len(out.Holds) != 0 || !slices.Equal(told(all[0]), []string{command}) {
			t.Errorf("%s: %+v, %v, told %q", means, out, err, told(all[0]))
		}
	}
}

func TestAnElectionThatIsLostIsAskedForAgainOnlyAfterAWhile(t *testing.T) {
	t.Parallel()
	w, all, refs := ring(t, 1)
	all[0].Reply("ROLE", fake.ReplicaRole("10.0.0.9:6379", 5))
	out, err := w.Do(t.Context(), shard, w.planned(model.Promote{Node: refs[0], Means: model.ByElection}))
	if err != nil || len(out.Holds) != 1 || out.Holds[0].After < electionAgain || out.Holds[0].Node != refs[0].Name {
		t.Errorf("%+v, %v", out, err)
	}
	if have := told(all[0]); len(have) != 1 {
		t.Errorf("asked %q", have)
	}
}

func TestOnlyAServerThatIsHeldBackIsLetGo(t *testing.T) {
	for enabled, want := range map[string][]string{"0": {"SHUTDOWN NOSAVE NOW"}, "1": nil} {
		w, all, refs := ring(t, 1)
		all[0].Info(map[string]string{"cluster_enabled": enabled})
		all[0].Reply("ROLE", fake.ReplicaRole("127.0.0.1:1", 5))
		all[0].Then("SHUTDOWN", all[0].End)
		_, err := w.Do(t.Context(), shard, w.planned(model.Release{Node: refs[0]}))
		if errors.Is(err, ErrChanged) != (enabled == "1") || (enabled == "0" && err != nil) {
			t.Errorf("cluster_enabled %s: %v", enabled, err)
		}
		if have := told(all[0]); !slices.Equal(have, want) {
			t.Errorf("cluster_enabled %s: told %q, want %q", enabled, have, want)
		}
	}
}

func TestWhoDoesNotKnowAMemberHasNothingToForget(t *testing.T) {
	w, all, refs := ring(t, 2)
	all[0].Reply("CLUSTER FORGET b", "-ERR Unknown node b\r\n")
	all[1].Reply("CLUSTER FORGET a", "-ERR Can't forget my master!\r\n")
	if _, err := w.Do(t.Context(), shard, w.planned(model.Forget{At: refs, IDs: []string{"a", "b"}})); err != nil {
		t.Error(err)
	}
	for _, s := range all {
		if want := []string{"CLUSTER FORGET a", "CLUSTER FORGET b"}; !slices.Equal(told(s), want) {
			t.Errorf("told %q", told(s))
		}
	}
}

func TestInAClusterADrainIsAMarkAndNobodyIsSentAway(t *testing.T) {
	w, all, refs := ring(t, 1)
	if _, err := w.Do(t.Context(), shard, model.Drain{Node: refs[0]}); err != nil || len(all[0].Got()) != 0 || len(w.asked) != 0 {
		t.Errorf("%v; told %q, asked %q", err, all[0].Got(), w.asked)
	}
}

func TestInAClusterPodsAreMarkedAndNoServiceMoves(t *testing.T) {
	w, _, refs := ring(t, 1)
	step := model.Publish{Primary: refs[0], Nodes: []model.Publication{{Node: ref(0), Role: model.RolePrimary, InService: true}}}
	w.refuse["patch cart-0"] = errors.New("so far")
	if _, err := w.Do(t.Context(), shard, step); err == nil || !slices.Equal(w.asked, []string{"patch cart-0"}) {
		t.Errorf("%v; asked %q", err, w.asked)
	}
}

func TestAShardIsScaledByItsOwnStatefulSet(t *testing.T) {
	w, _, _ := ring(t, 0)
	sts := set(w.Valkey, 2)
	sts.Name = "cart-shard-3"
	if err := w.api.Create(t.Context(), sts); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Do(t.Context(), "cart-shard-3", model.Scale{From: 2, To: 3}); err != nil || !slices.Equal(w.asked, []string{"patch cart-shard-3"}) {
		t.Errorf("%v; asked %q", err, w.asked)
	}
}

func TestMigrationsThatNobodyRunsNeedNoCallingOff(t *testing.T) {
	w, all, refs := ring(t, 1)
	all[0].Reply("CLUSTER CANCELSLOTMIGRATIONS", "-ERR No migrations ongoing\r\n")
	if _, err := w.Do(t.Context(), shard, model.CancelMoves{Node: refs[0]}); err != nil {
		t.Error(err)
	}
}

func TestHandoversOfShardsTakeTurnsWithoutALook(t *testing.T) {
	w, _, refs := ring(t, 2)
	w.clusterTurn.Lock()
	out, err := w.Do(t.Context(), shard, w.planned(model.Handover{From: refs[0], To: refs[1]}))
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.HandoverInProgress || out.Holds[0].After <= 0 || w.looks != 0 {
		t.Errorf("%+v, %v, %d looks", out, err, w.looks)
	}
}

func TestAHandoverInAClusterAsksEveryMemberAndMovesNoService(t *testing.T) {
	w, all, refs := ring(t, 4)
	members := []fake.Member{
		{ID: "a", Addr: refs[0].Address, Flags: "master", Slots: "0-8191", Epoch: 1},
		{ID: "b", Addr: refs[1].Address, Flags: "slave", Primary: "a", Epoch: 1},
		{ID: "c", Addr: refs[2].Address, Flags: "master", Slots: "8192-16383", Epoch: 2},
	}
	sees := func(after bool) {
		for i := range members {
			mine := slices.Clone(members)
			if after {
				mine[0].Flags, mine[0].Primary, mine[0].Slots = "slave", "b", ""
				mine[1].Flags, mine[1].Primary, mine[1].Slots = "master", "", "0-8191"
			}
			mine[i].Flags = "myself," + mine[i].Flags
			all[i].Joined(true, mine...)
		}
		old, target := 0, 1
		if after {
			old, target = 1, 0
		}
		primary, replica := fake.Primary("h1", 100, refs[target].Address), fake.Replica(refs[old].Address, "h1", 100)
		primary["cluster_enabled"], replica["cluster_enabled"] = "1", "1"
		all[old].Info(primary)
		all[old].Reply("ROLE", fake.PrimaryRole(100))
		all[target].Info(replica)
		all[target].Reply("ROLE", fake.ReplicaRole(refs[old].Address, 100))
	}
	sees(false)
	for _, s := range all {
		s.Reply("CONFIG GET", "*2\r\n$31\r\ncluster-manual-failover-timeout\r\n$4\r\n5000\r\n")
		s.Reply("PUBLISH", ":0\r\n")
	}
	all[1].Then("CLUSTER FAILOVER", func() { sees(true) })
	step := model.Handover{From: refs[0], To: refs[1]}
	w.planned(step)
	node := func(i int, srv model.Server) model.Node {
		srv.Answered = true
		return model.Node{Ref: refs[i], Phase: model.PodRunning, Server: srv}
	}
	member := model.Server{Cluster: &model.ClusterServer{}}
	w.seen = model.Snapshot{Shards: []model.Shard{{Nodes: []model.Node{node(0, member), node(1, member)}},
		{Nodes: []model.Node{node(2, member), node(3, model.Server{Held: true})}}}}
	out, err := w.Do(t.Context(), shard, step)
	if err != nil || out.Handover == nil || out.Handover.Result.Outcome != handover.Done || len(w.asked) != 0 {
		t.Fatalf("%+v, %v, asked %q", out, err, w.asked)
	}
	if !sent(all[2], "CLUSTER NODES") || len(all[3].Got()) != 0 {
		t.Errorf("the other primary was asked %q, a server that is held back %q", all[2].Got(), all[3].Got())
	}
}
