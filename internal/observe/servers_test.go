package observe

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

const loopback = "127.0.0.1:0"

// with is a copy of fields with some of them changed.
func with(fields map[string]string, changed ...string) map[string]string {
	out := maps.Clone(fields)
	for i := 0; i < len(changed); i += 2 {
		out[changed[i]] = changed[i+1]
	}
	return out
}

func TestAServerIsWhatItSaysOfItself(t *testing.T) {
	primary, replica := fake.Primary("h1", 500, "10.0.0.2:6379", "10.0.0.3:6379"), fake.Replica("10.0.0.1:6379", "h1", 500)
	base := model.Server{Answered: true, RunID: "run", Version: "9.1.2", ReplID: "h1", ReplID2: "none", Offset: 500, Offset2: -1}
	asPrimary, asReplica := base, base
	asPrimary.Role, asPrimary.Acked = model.RolePrimary, map[string]int64{"10.0.0.2:6379": 500, "10.0.0.3:6379": 500}
	asReplica.Role, asReplica.Follows, asReplica.LinkUp = model.RoleReplica, "10.0.0.1:6379", true
	for name, row := range map[string]struct {
		info map[string]string
		from model.Server
		but  func(*model.Server)
	}{
		"a primary with two replicas": {primary, asPrimary, func(*model.Server) {}},
		"a primary that hands over": {with(primary, "master_failover_state", "waiting-for-sync"), asPrimary,
			func(s *model.Server) { s.FailingOver = true }},
		"a primary that has demoted itself for its target": {
			with(replica, "master_failover_state", "failover-in-progress", "master_link_status", "down", "master_link_down_since_seconds", "2"), asReplica,
			func(s *model.Server) { s.FailingOver, s.LinkUp, s.LinkDown = true, false, 2*time.Second }},
		"a primary one of whose replicas is being sent the data": {
			with(primary, "slave1", "ip=10.0.0.3,port=6379,state=send_bulk,offset=0,lag=0,type=replica"), asPrimary,
			func(s *model.Server) { s.Acked = map[string]int64{"10.0.0.2:6379": 500} }},
		"a primary that has not noticed that a replica came back": {
			with(primary, "slave2", "ip=10.0.0.2,port=6379,state=online,offset=20,lag=40,type=replica"), asPrimary,
			func(s *model.Server) { s.Acked = map[string]int64{"10.0.0.2:6379": 20, "10.0.0.3:6379": 500} }},
		"a replica in step": {replica, asReplica, func(*model.Server) {}},
		"a replica in its full synchronisation": {with(replica, "master_link_status", "down", "master_sync_in_progress", "1"), asReplica,
			func(s *model.Server) { s.Syncing, s.LinkUp = true, false }},
		"a server that loads its data": {with(replica, "loading", "1"), asReplica, func(s *model.Server) { s.Loading = true }},
		"a replica that serves old data while it loads new": {with(replica, "async_loading", "1"), asReplica,
			func(s *model.Server) { s.Loading = true }},
		"a replica whose link never stood": {with(replica, "master_link_status", "down", "master_link_down_since_seconds", "-1"), asReplica,
			func(s *model.Server) { s.LinkUp, s.LinkDown = false, time.Minute }},
		"a server that has booted with data": {map[string]string{"master_replid": "h1", "master_repl_offset": "500", "db0": "keys=7,expires=0"}, base,
			func(s *model.Server) {
				s.Role, s.Follows, s.Keys, s.LinkDown = model.RoleReplica, model.Nobody, 7, time.Minute
			}},
	} {
		info, err := valkey.ParseInfo(fake.InfoText(row.info))
		if err != nil {
			t.Fatal(name, err)
		}
		want := row.from
		want.Uptime = time.Minute
		row.but(&want)
		if have := fromInfo(info); !reflect.DeepEqual(have, want) {
			t.Errorf("%s:\nhave %+v\nwant %+v", name, have, want)
		}
	}
}

// asked is a node of that phase after its server has been asked.
func asked(t *testing.T, n model.Node) model.Node {
	t.Helper()
	return askedAs(t, round{instance: "default/cart", creds: servers.Credentials{Username: "valkeeper", Password: "secret"}}, n)
}

func askedAs(t *testing.T, r round, n model.Node) model.Node {
	t.Helper()
	n.UID = "uid-0"
	o := Observer{Servers: servers.NewPool()}
	t.Cleanup(func() { o.Servers.Keep(r.instance, nil) })
	o.askAll(t.Context(), r, []*model.Node{&n})
	return n
}

func at(s *fake.Server, phase model.PodPhase) model.Node {
	return model.Node{Ref: model.Ref{Address: s.Addr()}, Phase: phase}
}

func TestAServerThatAnswersIsNotDeadWhateverKubernetesSays(t *testing.T) {
	s := fake.Listen(t, loopback)
	s.Info(fake.Primary("h1", 10))
	n := at(s, model.PodTerminating)
	n.Dead = true
	if n = asked(t, n); n.Dead || n.Server.Role != model.RolePrimary {
		t.Errorf("%+v", n)
	}
}

func TestARefusalIsADeathOnlyOnceThePodTerminates(t *testing.T) {
	for phase, dead := range map[model.PodPhase]bool{model.PodTerminating: true, model.PodRunning: false, model.PodPending: false} {
		s := fake.Listen(t, loopback)
		s.End()
		if n := asked(t, at(s, phase)); n.Dead != dead || n.Server.Answered || !n.Refuses {
			t.Errorf("refused in phase %v: dead %t, answered %t", phase, n.Dead, n.Server.Answered)
		}
	}
}

func TestASilentServerIsUnknownAndCostsABoundedTime(t *testing.T) {
	s := fake.Listen(t, loopback)
	s.Silent()
	start := time.Now()
	n := asked(t, at(s, model.PodTerminating))
	if took := time.Since(start); took > askTimeout+time.Second {
		t.Errorf("it took %s", took)
	}
	if n.Dead || n.Server.Answered || n.Server.Role != model.RoleUnknown {
		t.Errorf("%+v", n)
	}
}

func TestASilentServerHidesNoOther(t *testing.T) {
	silent, speaking := fake.Listen(t, loopback), fake.Listen(t, loopback)
	silent.Silent()
	speaking.Info(fake.Primary("h1", 10))
	nodes := []model.Node{at(silent, model.PodRunning), at(speaking, model.PodRunning)}
	nodes[0].UID, nodes[1].UID = "uid-0", "uid-1"
	Observer{Servers: servers.NewPool()}.askAll(t.Context(), round{instance: "default/cart"}, []*model.Node{&nodes[0], &nodes[1]})
	if nodes[0].Server.Answered || !nodes[1].Server.Answered {
		t.Errorf("%+v", nodes)
	}
}

func TestAServerThatAnswersWithAnErrorIsThereAndSaysWhy(t *testing.T) {
	for name, row := range map[string]struct{ command, wire, says string }{
		"it does not know the operator": {"AUTH", "-WRONGPASS invalid username-password pair\r\n", "WRONGPASS"},
		"it does not let us ask":        {"INFO", "-NOPERM this user has no permissions\r\n", "NOPERM"},
		"a script keeps it busy":        {"INFO", "-BUSY Valkey is busy running a script\r\n", "BUSY"},
	} {
		s := fake.Listen(t, loopback)
		s.Reply(row.command, row.wire)
		n := at(s, model.PodTerminating)
		n.Dead = true
		n = asked(t, n)
		if n.Dead || n.Server.Answered || !strings.Contains(n.Trouble, row.says) || strings.Contains(n.Trouble, "secret") {
			t.Errorf("%s: dead %t, answered %t, trouble %q", name, n.Dead, n.Server.Answered, n.Trouble)
		}
	}
}

func TestClientsAreCountedOnlyOfANodeThatIsDrained(t *testing.T) {
	s := fake.Listen(t, loopback)
	s.Info(fake.Primary("h1", 10))
	s.Reply("CLIENT LIST TYPE normal", fake.Bulk(
		"id=1 addr=10.0.0.9:1 name= user=default age=1 idle=0 flags=N cmd=get\n"+
			"id=2 addr=10.0.0.8:1 name=valkeeper user=valkeeper age=1 idle=0 flags=N cmd=info\n"+
			"id=3 addr=10.0.0.7:1 name= user=replication age=1 idle=0 flags=N cmd=psync\n"))
	s.Reply("CLIENT LIST TYPE pubsub", fake.Bulk("id=4 addr=10.0.0.9:2 name= user=default age=1 idle=0 flags=P cmd=subscribe\n"))
	n := at(s, model.PodRunning)
	if asked(t, n); len(s.Got()) != 1 {
		t.Errorf("asked in passing: %v", s.Got())
	}
	n.Draining = true
	if n = asked(t, n); n.Server.Clients != 2 {
		t.Errorf("%d clients: neither the operator's own connections nor replicas' count", n.Server.Clients)
	}
}
