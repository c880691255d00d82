package observe

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// clusterMode is INFO's field of every member of a cluster.
func clusterMode(fields map[string]string, changed ...string) map[string]string {
	return with(with(fields, changed...), "cluster_enabled", "1")
}

func viewOf(t *testing.T, info map[string]string, members ...fake.Member) valkey.View {
	t.Helper()
	parsed, err := valkey.ParseInfo(fake.InfoText(info))
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := valkey.ParseClusterNodes(fake.NodesText(members...))
	if err != nil {
		t.Fatal(err)
	}
	return valkey.View{Info: parsed, Cluster: valkey.ClusterInfo{OK: true}, Nodes: nodes}
}

func TestAMemberIsWhoServesSlotsOrWhomItFollows(t *testing.T) {
	me := fake.Member{ID: "a", Addr: "10.0.0.1:6379", Flags: "myself,master", Epoch: 1}
	serving := me
	serving.Slots = "0-5460"
	following := fake.Member{ID: "b", Addr: "10.0.0.2:6379", Flags: "slave", Primary: "a", Epoch: 1}
	for name, row := range map[string]struct {
		info        map[string]string
		members     []fake.Member
		role        model.Role
		follows     string
		failingOver bool
		owned       string
	}{
		"a primary": {clusterMode(fake.Primary("h", 5)), []fake.Member{serving, following}, model.RolePrimary, "", false, "0-5460"},
		"a primary that hands over": {clusterMode(fake.Primary("h", 5), "paused_reason", "failover_in_progress"),
			[]fake.Member{serving, following}, model.RolePrimary, "", true, "0-5460"},
		"a primary that a user has paused": {clusterMode(fake.Primary("h", 5), "paused_reason", "client_pause"),
			[]fake.Member{serving, following}, model.RolePrimary, "", false, "0-5460"},
		"a primary that has given all its slots away": {clusterMode(fake.Primary("h", 5)), []fake.Member{me, following}, model.RolePrimary, "", false, ""},
		"a new node that nobody knows":                {clusterMode(fake.Primary("h", 0)), []fake.Member{me}, model.RoleReplica, model.Nobody, false, ""},
		"a new node that has been met": {clusterMode(fake.Primary("h", 0)),
			[]fake.Member{{ID: "b", Addr: "10.0.0.2:6379", Flags: "master", Slots: "0-5460"}, me}, model.RoleReplica, model.Nobody, false, ""},
		"a replica": {clusterMode(fake.Replica("10.0.0.2:6379", "h", 5)),
			[]fake.Member{{ID: "a", Addr: "10.0.0.1:6379", Flags: "myself,slave", Primary: "b"}, {ID: "b", Addr: "10.0.0.2:6379", Flags: "master", Slots: "0-5460"}},
			model.RoleReplica, "10.0.0.2:6379", false, ""},
	} {
		s := fromView(viewOf(t, row.info, row.members...))
		if s.Role != row.role || s.Follows != row.follows || s.FailingOver != row.failingOver || s.Held || s.Owned().String() != row.owned {
			t.Errorf("%s: %+v", name, s)
		}
		if s.Role == model.RoleReplica && s.Acked != nil {
			t.Errorf("%s: replicas of a replica: %v", name, s.Acked)
		}
		if self, ok := s.Cluster.Self(); !ok || self.ID != "a" || !self.Linked {
			t.Errorf("%s: it is %+v", name, self)
		}
	}
}

func TestAReplicaThatHasNotBeenLinkedSinceItBootedHasWhatItsDiskHad(t *testing.T) {
	member := fake.Member{ID: "a", Addr: "10.0.0.1:6379", Flags: "myself,slave", Primary: "b"}
	for name, row := range map[string]struct {
		link, since string
		unlinked    bool
	}{
		"never linked":              {"down", "-1", true},
		"linked a moment ago":       {"down", "1", false},
		"linked for the first time": {"up", "-1", false},
	} {
		s := fromView(viewOf(t, clusterMode(fake.Replica("10.0.0.2:6379", "h", 5),
			"master_link_status", row.link, "master_link_down_since_seconds", row.since), member))
		if s.Unlinked != row.unlinked {
			t.Errorf("%s: unlinked is %t", name, s.Unlinked)
		}
	}
	if s := fromView(viewOf(t, clusterMode(fake.Primary("h", 5)), fake.Member{ID: "a", Flags: "myself,master", Slots: "0-5460"})); s.Unlinked {
		t.Error("a primary has nobody to be linked to")
	}
}

func TestAFormerPrimaryThatIsHeldBackIsAReplicaOfNobodyOutsideOfTheCluster(t *testing.T) {
	held := fromView(viewOf(t, map[string]string{"master_replid": "h1", "master_repl_offset": "500"}))
	if !held.Held || held.Cluster != nil || held.Role != model.RoleReplica || held.Follows != model.Nobody || held.Offset != 500 {
		t.Errorf("%+v", held)
	}
	if s := fromView(viewOf(t, fake.Primary("h", 5))); s.Held || s.Cluster != nil {
		t.Errorf("a primary outside of any cluster: %+v", s)
	}
}

func TestEachMemberIsAsTheServerSeesIt(t *testing.T) {
	open := map[int]string{7: "c"}
	view := viewOf(t, clusterMode(fake.Primary("h", 5)),
		fake.Member{ID: "c", Addr: "10.0.0.3:6379", Flags: "master,fail", Epoch: 3, Down: true, Slots: "5461-5470 5472"},
		fake.Member{ID: "b", Addr: "10.0.0.2:6379", Flags: "slave,fail?", Primary: "a", Epoch: 1, Down: true},
		fake.Member{ID: "d", Addr: "10.0.0.4:6379", Flags: "handshake"},
		fake.Member{ID: "e", Addr: ":0", Flags: "master,noaddr", Down: true},
		fake.Member{ID: "a", Addr: ":6379", Flags: "myself,master", Epoch: 1, Slots: "0-5460 [7->-c]"})
	want := []model.Member{
		{ID: "a", Role: model.RolePrimary, Epoch: 1, Linked: true, Slots: model.NewSlots(model.SlotRange{First: 0, Last: 5460}), Giving: open},
		{ID: "b", Address: "10.0.0.2:6379", Role: model.RoleReplica, Primary: "a", Epoch: 1, Suspected: true},
		{ID: "c", Address: "10.0.0.3:6379", Role: model.RolePrimary, Epoch: 3, Failed: true,
			Slots: model.NewSlots(model.SlotRange{First: 5461, Last: 5470}, model.SlotRange{First: 5472, Last: 5472})},
		{ID: "d", Address: "10.0.0.4:6379", Linked: true, Handshake: true},
		{ID: "e", Role: model.RolePrimary},
	}
	if have := fromView(view).Cluster.Members; !reflect.DeepEqual(have, want) {
		t.Errorf("\nhave %+v\nwant %+v", have, want)
	}
}

func TestAMigrationIsTheSourcesAndEndedByItsOwnClock(t *testing.T) {
	at := time.Unix(1000, 0)
	export := func(state string) valkey.SlotMigration {
		return valkey.SlotMigration{Name: "job", Operation: valkey.MigrationExport, TargetID: "b", State: state, UpdatedAt: 990, Message: "why",
			Slots: []valkey.SlotRange{{First: 3, Last: 4}}}
	}
	imported := export("success")
	imported.Operation = valkey.MigrationImport
	have := moves([]valkey.SlotMigration{export("snapshotting"), imported, export("failed"), export("success"), export("cancelled")}, at)
	want := []model.Move{{State: model.MoveRuns}, {State: model.MoveFailed, Ago: 10 * time.Second},
		{State: model.MoveDone, Ago: 10 * time.Second}, {State: model.MoveCancelled, Ago: 10 * time.Second}}
	for i := range want {
		want[i].Name, want[i].To, want[i].Message, want[i].Slots = "job", "b", "why", model.NewSlots(model.SlotRange{First: 3, Last: 4})
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("\nhave %+v\nwant %+v", have, want)
	}
}

// askedInCluster is a node after its server has been asked as a cluster's.
func askedInCluster(t *testing.T, o Observer, n model.Node) model.Node {
	t.Helper()
	n.UID = "uid-0"
	o.Servers = servers.NewPool()
	t.Cleanup(func() { o.Servers.Keep("shop/cart", nil) })
	o.askAll(t.Context(), round{instance: "shop/cart", creds: servers.Credentials{Username: "valkeeper", Password: "secret"}, cluster: true},
		[]*model.Node{&n})
	return n
}

func TestAskingAMemberIsOneQuestionAndTwoOfANewPrimary(t *testing.T) {
	primary := fake.Member{ID: "a", Addr: "10.0.0.1:6379", Flags: "myself,master", Slots: "0-5460"}
	for version, want := range map[string][]string{
		"8.1.1": {"INFO", "CLUSTER INFO", "CLUSTER NODES"},
		"9.1.2": {"INFO", "CLUSTER INFO", "CLUSTER NODES", "CLUSTER GETSLOTMIGRATIONS"},
	} {
		s := fake.Listen(t, loopback)
		s.Info(clusterMode(fake.Primary("h", 5), "valkey_version", version))
		s.Joined(true, primary)
		if n := askedInCluster(t, Observer{}, at(s, model.PodRunning)); n.Server.Role != model.RolePrimary || !n.Server.Cluster.OK {
			t.Errorf("%s: %+v", version, n.Server)
		}
		var have []string
		for _, line := range s.Got() {
			if strings.HasPrefix(line, "INFO") {
				line = "INFO"
			}
			have = append(have, line)
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s was asked %q, want %q", version, have, want)
		}
	}
}

func TestAServerOutsideOfTheClusterAnswersAllTheSame(t *testing.T) {
	s := fake.Listen(t, loopback)
	s.Info(nil)
	s.Outside()
	if n := askedInCluster(t, Observer{}, at(s, model.PodRunning)); !n.Server.Held || n.Trouble != "" {
		t.Errorf("%+v", n)
	}
}

func TestAServerThatMayNotBeAskedForMigrationsHasNone(t *testing.T) {
	s := fake.Listen(t, loopback)
	s.Info(clusterMode(fake.Primary("h", 5)))
	s.Joined(true, fake.Member{ID: "a", Addr: "10.0.0.1:6379", Flags: "myself,master", Slots: "0-5460"})
	s.Reply("CLUSTER GETSLOTMIGRATIONS", "-NOPERM this user has no permissions\r\n")
	if n := askedInCluster(t, Observer{}, at(s, model.PodRunning)); !n.Server.Answered || len(n.Server.Cluster.Moves) != 0 {
		t.Errorf("%+v", n)
	}
}

func TestOnlyClientsThatHaveToLearnWhereToGoCount(t *testing.T) {
	s := fake.Listen(t, loopback)
	s.Info(clusterMode(fake.Replica("10.0.0.2:6379", "h", 5)))
	s.Joined(true, fake.Member{ID: "a", Addr: "10.0.0.1:6379", Flags: "myself,slave", Primary: "b"})
	line := func(id, user, idle, command string) string {
		return "id=" + id + " addr=10.0.0.9:1 name= user=" + user + " age=9 idle=" + idle + " flags=N cmd=" + command + "\n"
	}
	s.Reply("CLIENT LIST TYPE normal", fake.Bulk(line("1", "default", "0", "get")+line("2", "default", "5", "set")+line("12", "default", "4", "set")+
		line("3", "default", "0", "cluster|slots")+line("4", "default", "0", "ping")+line("5", "default", "0", "client|setinfo")+
		line("6", "migration", "0", "restore-asking")+line("7", "replication", "0", "psync")+line("8", "valkeeper", "0", "client|list")+
		line("9", "default", "0", "NULL")+strings.Replace(line("11", "default", "0", "get"), "flags=N", "flags=r", 1)))
	s.Reply("CLIENT LIST TYPE pubsub", fake.Bulk(line("10", "default", "0", "subscribe")))
	n := at(s, model.PodRunning)
	n.Draining = true
	if n = askedInCluster(t, Observer{}, n); n.Server.Clients != 3 {
		t.Errorf("%d clients: the one that uses the primary, the one that may be held up elsewhere and the one that has just subscribed", n.Server.Clients)
	}
}

func TestAHostIsLostOnlyForAServerThatIsSilent(t *testing.T) {
	speaking, silent := fake.Listen(t, loopback), fake.Listen(t, loopback)
	speaking.Info(maps.Clone(fake.Primary("h", 1)))
	speaking.Outside()
	silent.End()
	for s, want := range map[*fake.Server]bool{speaking: false, silent: true} {
		n := at(s, model.PodRunning)
		n.Host = "host-b"
		if n = askedInCluster(t, Observer{LostHosts: NewLostHosts(hosts(new(int), func() error { return nil }))}, n); n.HostLost != want {
			t.Errorf("lost %t: %+v", n.HostLost, n)
		}
	}
}
