package valkey

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const (
	idA = "07c37dfeb235213a872192d90877d0cd55635b91"
	idB = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1"
)

func TestClusterNodeLineIsRead(t *testing.T) {
	rows := []struct {
		name, line string
		want       ClusterNode
	}{
		{"a primary with slots, and itself",
			idA + " 10.0.0.1:6379@16379 myself,master - 0 0 3 connected 0-5460 5462 5464-5465",
			ClusterNode{ID: idA, Host: "10.0.0.1", Port: 6379, BusPort: 16379, Myself: true, Primary: true, ConfigEpoch: 3,
				LinkUp: true, Slots: []SlotRange{{0, 5460}, {5462, 5462}, {5464, 5465}}}},
		{"a replica with an announced hostname",
			idA + " 10.0.0.1:6379@16379,node-0.example slave " + idB + " 1426238316232 1426238317239 4 disconnected",
			ClusterNode{ID: idA, Host: "10.0.0.1", Port: 6379, BusPort: 16379, Hostname: "node-0.example", Replica: true,
				PrimaryID: idB, PingSent: 1426238316232, PongReceived: 1426238317239, ConfigEpoch: 4}},
		{"as nodes.conf has it, without a hostname",
			idA + " 10.0.0.1:6379@16379,,tls-port=0,nodename=zero,shard-id=" + idB + " master,nofailover - 0 1 2 connected",
			ClusterNode{ID: idA, Host: "10.0.0.1", Port: 6379, BusPort: 16379, ShardID: idB, Primary: true, NoFailover: true,
				PongReceived: 1, ConfigEpoch: 2, LinkUp: true}},
		{"as nodes.conf has it, with a hostname",
			idA + " 10.0.0.1:6379@16379,n0.example,shard-id=" + idB + " master - 0 1 2 connected",
			ClusterNode{ID: idA, Host: "10.0.0.1", Port: 6379, BusPort: 16379, Hostname: "n0.example", ShardID: idB, Primary: true,
				PongReceived: 1, ConfigEpoch: 2, LinkUp: true}},
		{"an IPv6 address, failing",
			idA + " fd00::1:6379@16379 master,fail? - 1 0 1 connected 16383",
			ClusterNode{ID: idA, Host: "fd00::1", Port: 6379, BusPort: 16379, Primary: true, PFail: true, PingSent: 1,
				ConfigEpoch: 1, LinkUp: true, Slots: []SlotRange{{16383, 16383}}}},
		{"failed, and its address is not known",
			idA + " :0@0 master,fail,noaddr - 1 2 1 disconnected",
			ClusterNode{ID: idA, Primary: true, Fail: true, NoAddr: true, PingSent: 1, PongReceived: 2, ConfigEpoch: 1}},
		{"itself, before anybody has told it its address",
			idA + " :6379@16379 myself,master - 0 0 0 connected",
			ClusterNode{ID: idA, Port: 6379, BusPort: 16379, Myself: true, Primary: true, LinkUp: true}},
		{"being met",
			idA + " 10.0.0.1:6379@16379 handshake - 1 0 0 disconnected",
			ClusterNode{ID: idA, Host: "10.0.0.1", Port: 6379, BusPort: 16379, Handshake: true, PingSent: 1}},
		{"known by name only",
			idA + " 10.0.0.1:6379@16379 noflags - 0 0 0 disconnected",
			ClusterNode{ID: idA, Host: "10.0.0.1", Port: 6379, BusPort: 16379}},
		{"itself, with open slots",
			idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-99 [77->-" + idB + "] [93-<-" + idB + "] [94-<-" + idB + "]",
			ClusterNode{ID: idA, Host: "10.0.0.1", Port: 6379, BusPort: 16379, Myself: true, Primary: true, ConfigEpoch: 1, LinkUp: true,
				Slots: []SlotRange{{0, 99}}, Migrating: map[int]string{77: idB}, Importing: map[int]string{93: idB, 94: idB}}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			nodes, err := ParseClusterNodes(row.line + "\n")
			if err != nil {
				t.Fatal(err)
			}
			if len(nodes) != 1 || !reflect.DeepEqual(nodes[0], row.want) {
				t.Errorf("got  %+v\nwant %+v", nodes, row.want)
			}
		})
	}
	node := ClusterNode{Slots: []SlotRange{{0, 5460}, {7, 7}}}
	if node.CountSlots() != 5462 || node.Slots[0].String() != "0-5460" || node.Slots[1].String() != "7" {
		t.Errorf("%d slots: %v", node.CountSlots(), node.Slots)
	}
}

func TestMalformedClusterNodeIsShown(t *testing.T) {
	good := idA + " 10.0.0.1:6379@16379 master - 0 0 1 connected 0-99"
	rows := []struct{ name, old, new string }{
		{"no id", idA, ""},
		{"a line that is cut off", " connected 0-99", ""},
		{"no bus port", "@16379", ""},
		{"no port", ":6379", ""},
		{"a port out of range", ":6379", ":70000"},
		{"a name in the address's place", "10.0.0.1", "node-0.example"},
		{"a flag that we do not know", "master", "master,observer"},
		{"both roles", "master", "master,slave"},
		{"an epoch that is no number", " 1 connected", " one connected"},
		{"a time that is no number", " - 0 0", " - 0 x"},
		{"a link in a state that we do not know", "connected", "connecting"},
		{"a slot out of range", "0-99", "0-16384"},
		{"slots that run backwards", "0-99", "99-0"},
		{"a slot that is no number", "0-99", "0-x"},
		{"an open slot without an end", "0-99", "[77->-" + idB},
		{"an open slot without a direction", "0-99", "[77-" + idB + "]"},
		{"an open slot without a node", "0-99", "[77->-]"},
		{"an open slot that is no number", "0-99", "[x-<-" + idB + "]"},
		{"the last line of nodes.conf", good, "vars currentEpoch 1 lastVoteEpoch 0"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			line := strings.Replace(good, row.old, row.new, 1)
			if line == good {
				t.Fatalf("%q is not in the line", row.old)
			}
			_, err := ParseClusterNodes(good + "\n" + line + "\n")
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), line) {
				t.Errorf("error %v, want one that shows %q", err, line)
			}
		})
	}
}

func FuzzClusterNodesNeverPanics(f *testing.F) {
	f.Add(idA + " 10.0.0.1:6379@16379,h,shard-id=" + idB + " myself,master - 0 0 1 connected 0-99 [77->-" + idB + "] [93-<-" + idB + "]\n")
	f.Add(idA + " :0@0,,a=b slave,fail,noaddr " + idB + " 1 2 3 disconnected\r\n")
	f.Add(" : @ , [ ] -<- ->- - \n[\n")
	f.Fuzz(func(t *testing.T, text string) {
		nodes, err := ParseClusterNodes(text)
		if err != nil && (nodes != nil || !errors.Is(err, ErrMalformed)) {
			t.Errorf("%v, %v", nodes, err)
		}
		for _, node := range nodes {
			for _, r := range node.Slots {
				if r.First < 0 || r.Last < r.First || r.Last >= Slots {
					t.Errorf("slots %+v", r)
				}
			}
		}
	})
}

func TestClusterInfoIsRead(t *testing.T) {
	const good = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16383\r\ncluster_slots_pfail:1\r\n" +
		"cluster_slots_fail:2\r\ncluster_known_nodes:6\r\ncluster_size:3\r\ncluster_current_epoch:7\r\ncluster_my_epoch:5\r\n" +
		"cluster_stats_messages_sent:1483972\r\n"
	info, err := ParseClusterInfo(good)
	want := ClusterInfo{OK: true, SlotsAssigned: 16384, SlotsOK: 16383, SlotsPFail: 1, SlotsFail: 2, KnownNodes: 6, Size: 3, CurrentEpoch: 7, MyEpoch: 5}
	if err != nil || info != want {
		t.Errorf("got %+v, %v\nwant %+v", info, err, want)
	}
	for _, field := range []string{"cluster_state:ok", "cluster_size:3", "cluster_current_epoch:7"} {
		name, _, _ := strings.Cut(field, ":")
		for _, bad := range []string{"x:1", name + ":maybe"} {
			if _, err := ParseClusterInfo(strings.Replace(good, field, bad, 1)); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), name+":") {
				t.Errorf("%s instead of %s: %v", bad, field, err)
			}
		}
	}
	if info, err := ParseClusterInfo(strings.Replace(good, "state:ok", "state:fail", 1)); err != nil || info.OK {
		t.Errorf("a cluster that has failed: %+v, %v", info, err)
	}
}

func TestRefusalsOfAClusterAreTold(t *testing.T) {
	rows := []struct {
		text string
		want error
	}{
		{"ERR This instance has cluster support disabled", ErrNoCluster},
		{"ERR unknown subcommand 'MIGRATESLOTS'. Try CLUSTER HELP.", ErrUnsupported},
		{"ERR Unknown node " + idA, ErrUnknownNode},
		{"ERR Unknown node name: " + idA, ErrUnknownNode},
		{"ERR I don't know about node " + idA, ErrUnknownNode},
		{"ERR I tried hard but I can't forget myself...", ErrIsMyself},
		{"ERR Can't forget my master!", ErrIsMyPrimary},
		{"ERR Can't replicate myself", ErrIsMyself},
		{"ERR I can only replicate a master, not a replica.", ErrTargetIsReplica},
		{"ERR To set a master the node must be empty and without assigned slots.", ErrNotEmpty},
		{"ERR The user can assign a config epoch only when the node does not know any other node.", ErrEpochIsSet},
		{"ERR Node config epoch is already non-zero", ErrEpochIsSet},
		{"ERR You should send CLUSTER FAILOVER to a replica", ErrIsPrimary},
		{"ERR Master is down or failed, please use CLUSTER FAILOVER FORCE", ErrPrimaryDown},
		{"ERR Please use SETSLOT only with masters.", ErrIsReplica},
		{"ERR Slot 5 is already busy", ErrSlotBusy},
		{"ERR I'm not the owner of hash slot 5", ErrNotOwner},
		{"ERR Slots are not served by this node.", ErrNotOwner},
		{"ERR Can't assign hashslot 5 to a different node while I still hold keys for this hash slot.", ErrSlotHasKeys},
		{"ERR I am already migrating slot 5.", ErrMigrating},
		{"ERR No migrations ongoing", ErrNoMigration},
		{"NOREPLICAS Not enough good replicas to write.", ErrNoReplicas},
		{"ERR Target instance replied with error: BUSYKEY Target key name already exists.", ErrKeyExists},
		{"IOERR error or timeout reading to target instance", ErrMigrateIO},
	}
	for _, row := range rows {
		if err := classifyReply(row.text); !errors.Is(err, row.want) || !errors.Is(err, ErrReply) {
			t.Errorf("%q is told as %v", row.text, err)
		}
	}
}

func TestErrorsNameTheSubcommandAndNoValue(t *testing.T) {
	rows := map[string][]string{
		"CLUSTER SETSLOT": {"CLUSTER", "SETSLOT", "7", "STABLE"},
		"MIGRATE":         {"MIGRATE", "10.0.0.1", "6379", "", "0", "5", "AUTH2", "user", "secret", "KEYS", "a"},
		"SHUTDOWN":        {"SHUTDOWN", "NOSAVE", "NOW"},
	}
	for want, args := range rows {
		if got := commandName(args); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
