package observe

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
)

// fields are pairs of a name and a value.
func fields(pairs ...string) map[string]string { return with(map[string]string{}, pairs...) }

// names are those of three nodes, of which the last has no address.
var names = aliases{"cart-0.cart-nodes.shop.svc": "10.0.0.1:6379", "cart-1.cart-nodes.shop.svc": "10.0.0.2:6379"}

func TestANameIsTheAddressThatItsPodHasNow(t *testing.T) {
	v := guarded()
	pods := []corev1.Pod{podOf(t, running), podOf(t, running), podOf(t, running)}
	for i, ip := range []string{"10.0.0.1", "10.0.0.9", ""} { // the second came back with another one
		pods[i].Name, pods[i].Status.PodIP = fmt.Sprintf("cart-%d", i), ip
	}
	h := aliasesOf(v, pods)
	for said, want := range map[string]string{
		"cart-0.cart-nodes.shop.svc:6379":               "10.0.0.1:6379",
		"cart-1.cart-nodes.shop.svc:6379":               "10.0.0.9:6379",
		"cart-1.cart-nodes.shop.svc.cluster.local:6379": "10.0.0.9:6379",
		"10.0.0.2:6379":                                 "10.0.0.2:6379", // the address that it had
		"cart-2.cart-nodes.shop.svc:6379":               "cart-2.cart-nodes.shop.svc:6379",
		"cart-0.cart-nodes.other.svc:6379":              "cart-0.cart-nodes.other.svc:6379",
		model.Nobody:                                    model.Nobody,
		"":                                              "",
		"no address":                                    "no address",
	} {
		if have := h.at(said); have != want {
			t.Errorf("%q is %q, want %q", said, have, want)
		}
	}
	v.Spec.Topology = cart().Spec.Topology
	if h = aliasesOf(v, pods); len(h) != 0 {
		t.Errorf("without Sentinels nobody announces a name: %v", h)
	}
}

// A replica may be listed under its name twice, and under an address that it had.
func TestOfOffsetsUnderNamesTheOldestCounts(t *testing.T) {
	s := model.Server{Follows: "cart-0.cart-nodes.shop.svc:6379", Acked: map[string]int64{
		"cart-1.cart-nodes.shop.svc:6379": 500, "10.0.0.2:6379": 20, "cart-0.cart-nodes.shop.svc:6379": 400}}
	before := maps.Clone(s.Acked)
	said := s.Acked
	names.translate(&s)
	if s.Follows != "10.0.0.1:6379" || !reflect.DeepEqual(s.Acked, map[string]int64{"10.0.0.2:6379": 20, "10.0.0.1:6379": 400}) {
		t.Errorf("%+v", s)
	}
	if !maps.Equal(before, said) {
		t.Error("what was said has changed")
	}
	replica := model.Server{Follows: model.Nobody}
	if names.translate(&replica); replica.Acked != nil || replica.Follows != model.Nobody {
		t.Errorf("%+v", replica)
	}
}

// askedSentinels are these Sentinels after they have been asked.
func askedSentinels(t *testing.T, set model.SentinelSet, all ...*fake.Server) model.SentinelSet {
	t.Helper()
	for i, s := range all {
		if i == len(set.Nodes) {
			set.Nodes = append(set.Nodes, model.SentinelNode{Phase: model.PodRunning})
		}
		set.Nodes[i].Ref = model.Ref{UID: fmt.Sprintf("uid-%d", i), Address: s.Addr()}
	}
	o := Observer{Servers: servers.NewPool()}
	t.Cleanup(func() { o.Servers.Keep("shop/cart", nil) })
	o.askSentinels(t.Context(), round{instance: "shop/cart", creds: servers.Credentials{Username: "valkeeper", Password: "secret"}, aliases: names}, "mymaster", &set)
	return set
}

func sentinelServer(t *testing.T) *fake.Server {
	t.Helper()
	s := fake.Listen(t, loopback)
	s.Sentinel("9.1.2", "me")
	return s
}

func entry(node string, pairs ...string) string {
	return fake.SentinelEntry(node+".cart-nodes.shop.svc:6379", fields(pairs...))
}

func TestASentinelIsWhatItSays(t *testing.T) {
	base := model.SentinelNode{Phase: model.PodRunning, Answered: true, Version: "9.1.2", ID: "me"}
	watching := func() *model.Watch {
		return &model.Watch{Primary: "10.0.0.1:6379", Epoch: 4,
			Settings: model.WatchSettings{Quorum: 2, DownAfter: 5 * time.Second, FailoverTimeout: 10 * time.Second},
			Replicas: []model.WatchedReplica{{Address: "10.0.0.2:6379", Priority: 100}}, Others: []model.WatchedSentinel{{ID: "other"}}}
	}
	replica, other := entry("cart-1", "flags", "slave", "role-reported", "slave"), entry("cart-sentinel-1", "flags", "sentinel", "runid", "other")
	for name, row := range map[string]struct {
		primary, replica, other string
		but                     func(s *fake.Server, w *model.Watch)
	}{
		"it names the primary":           {entry("cart-0"), replica, other, func(*fake.Server, *model.Watch) {}},
		"it names a pod without address": {entry("cart-2"), replica, other, func(_ *fake.Server, w *model.Watch) { w.Primary = "cart-2.cart-nodes.shop.svc:6379" }},
		"it does not reach the primary":  {entry("cart-0", "flags", "master,s_down"), replica, other, func(_ *fake.Server, w *model.Watch) { w.Down = true }},
		"the primary is silent":          {entry("cart-0", "last-ok-ping-reply", "1500"), replica, other, func(_ *fake.Server, w *model.Watch) { w.SilentFor = 1500 * time.Millisecond }},
		"it fails over":                  {entry("cart-0", "flags", "master,failover_in_progress", "failover-state", "wait_start"), replica, other, func(_ *fake.Server, w *model.Watch) { w.FailingOver = true }},
		"it has begun to fail over":      {entry("cart-0", "failover-state", "select_slave"), replica, other, func(_ *fake.Server, w *model.Watch) { w.FailingOver = true }},
		"it is told to watch otherwise": {entry("cart-0", "quorum", "3", "down-after-milliseconds", "1500"), replica, other, func(_ *fake.Server, w *model.Watch) {
			w.Settings.Quorum, w.Settings.DownAfter = 3, 1500*time.Millisecond
		}},
		"it has lost a replica": {entry("cart-0"), entry("cart-1", "flags", "slave,disconnected", "slave-priority", "0"), other, func(_ *fake.Server, w *model.Watch) {
			w.Replicas[0] = model.WatchedReplica{Address: "10.0.0.2:6379", Down: true}
		}},
		"it has lost another Sentinel":                                {entry("cart-0"), replica, entry("cart-sentinel-1", "flags", "sentinel,s_down", "runid", "other"), func(_ *fake.Server, w *model.Watch) { w.Others[0].Down = true }},
		"another Sentinel is silent, at an address that has vanished": {entry("cart-0"), replica, entry("cart-sentinel-1", "last-ok-ping-reply", "3000", "runid", "other"), func(_ *fake.Server, w *model.Watch) { w.Others[0].SilentFor = 3 * time.Second }},
		"it finds no quorum": {entry("cart-0"), replica, other, func(s *fake.Server, w *model.Watch) {
			s.Reply("SENTINEL CKQUORUM mymaster", "-NOQUORUM 1 usable Sentinels.\r\n")
			w.NoQuorum = "NOQUORUM 1 usable Sentinels."
		}},
	} {
		s, want := sentinelServer(t), base
		want.Watch = watching()
		s.Watches(row.primary, []string{row.replica}, []string{row.other})
		row.but(s, want.Watch)
		have := askedSentinels(t, model.SentinelSet{}, s).Nodes[0]
		want.Ref = have.Ref
		if have.Watch != nil && want.Watch.NoQuorum != "" && strings.Contains(have.Watch.NoQuorum, want.Watch.NoQuorum) {
			want.Watch.NoQuorum = have.Watch.NoQuorum // with the address before it
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s:\nhave %+v %+v\nwant %+v %+v", name, have, have.Watch, want, want.Watch)
		}
	}
}

func TestASentinelThatSaysLessIsNotTakenToSayMore(t *testing.T) {
	whole := func(s *fake.Server) { s.Watches(entry("cart-0"), nil, nil) }
	for name, row := range map[string]struct {
		phase    model.PodPhase
		change   func(s *fake.Server)
		answered bool
		dead     bool
		trouble  string
	}{
		"it watches nobody":            {model.PodRunning, func(*fake.Server) {}, true, false, ""},
		"it refuses, and its pod runs": {model.PodRunning, (*fake.Server).End, false, false, ""},
		"it refuses, and its pod goes": {model.PodTerminating, (*fake.Server).End, false, true, ""},
		"it is silent":                 {model.PodTerminating, (*fake.Server).Silent, false, false, ""},
		"it does not know us":          {model.PodRunning, func(s *fake.Server) { s.Reply("AUTH", "-WRONGPASS no\r\n") }, false, false, "WRONGPASS"},
		"it does not let us ask who it is": {model.PodRunning, func(s *fake.Server) { whole(s); s.Reply("SENTINEL MYID", "-NOPERM no\r\n") },
			false, false, "NOPERM"},
		"it does not let us ask for a quorum": {model.PodRunning, func(s *fake.Server) { whole(s); s.Reply("SENTINEL CKQUORUM mymaster", "-NOPERM no\r\n") },
			false, false, "NOPERM"},
		"a server is in its place": {model.PodRunning, func(s *fake.Server) {
			s.Info(fake.Primary("h", 1))
			s.Reply("INFO server sentinel", fake.Bulk(fake.InfoText(nil)))
		},
			false, false, ""},
	} {
		s := sentinelServer(t)
		row.change(s)
		set := model.SentinelSet{Nodes: []model.SentinelNode{{Phase: row.phase}}}
		n := askedSentinels(t, set, s).Nodes[0]
		if n.Answered != row.answered || n.Dead != row.dead || n.Watch != nil || (n.Trouble != "") != (row.trouble != "") || !strings.Contains(n.Trouble, row.trouble) {
			t.Errorf("%s: %+v", name, n)
		}
		if strings.Contains(n.Trouble, "secret") {
			t.Errorf("%s: the password is in %q", name, n.Trouble)
		}
	}
}

func TestASentinelThatAnswersIsNotDeadWhateverKubernetesSays(t *testing.T) {
	set := model.SentinelSet{Nodes: []model.SentinelNode{{Phase: model.PodTerminating, Dead: true}}}
	if n := askedSentinels(t, set, sentinelServer(t)).Nodes[0]; n.Dead || !n.Answered {
		t.Errorf("%+v", n)
	}
}

func TestASilentSentinelHidesNoOther(t *testing.T) {
	silent := sentinelServer(t)
	silent.Silent()
	start := time.Now()
	set := askedSentinels(t, model.SentinelSet{}, silent, sentinelServer(t))
	if set.Nodes[0].Answered || !set.Nodes[1].Answered || time.Since(start) > askTimeout+time.Second {
		t.Errorf("%+v after %s", set.Nodes, time.Since(start))
	}
}

func TestWhatAFreshSentinelSaysOfItsVersionIsTruerThanTheTag(t *testing.T) {
	for name, row := range map[string]struct {
		revision, of string
		want         string
	}{
		"a fresh one":                         {"new", "new", "9.1.2"},
		"a stale one":                         {"new", "old", "9.1"},
		"one whose freshness nobody knows of": {"", "", "9.1"},
	} {
		set := model.SentinelSet{Version: "9.1", Revision: row.revision, Nodes: []model.SentinelNode{{Phase: model.PodRunning, Revision: row.of}}}
		if have := askedSentinels(t, set, sentinelServer(t)).Version; have != row.want {
			t.Errorf("%s: %q, want %q", name, have, row.want)
		}
	}
	set := model.SentinelSet{Version: "9.1", Revision: "new", Nodes: []model.SentinelNode{{Phase: model.PodRunning, Revision: "new"}}}
	gone := sentinelServer(t)
	gone.End()
	if have := askedSentinels(t, set, gone).Version; have != "9.1" {
		t.Errorf("a fresh one that does not answer says %q", have)
	}
}

func TestATagBeginsWithTheVersionOrTellsNone(t *testing.T) {
	for image, want := range map[string]string{
		"valkey:9.1.2":                              "9.1.2",
		"valkey/valkey:9.1-alpine":                  "9.1",
		"registry.example:5000/valkey/valkey:8.1.1": "8.1.1",
		"registry.example:5000/valkey/valkey":       "",
		"valkey:9.1.2@sha256:00112233445566778899":  "9.1.2",
		"valkey@sha256:00112233445566778899":        "",
		"valkey:9":                                  "9",
		"valkey:9.1.-rc1":                           "9.1",
		"valkey:latest":                             "",
		"valkey:v9.1":                               "",
		"":                                          "",
	} {
		v := guarded()
		if have := tagVersion(sentinelSet(v, 3, image)); have != want {
			t.Errorf("%q: %q, want %q", image, have, want)
		}
	}
	if tagVersion(nil) != "" {
		t.Error("no StatefulSet has a version")
	}
}

func TestSentinelsOfSomebodyElseAreNotLookedAt(t *testing.T) {
	v, other := guarded(), guarded()
	other.UID = "another"
	if s := lookAtSentinels(t, v, sentinelSet(other, 5, "valkey:9.1")); s.Exists || s.Size != 0 || s.Revision != "" || s.Version != "" || s.Wanted != 3 {
		t.Errorf("%+v", s)
	}
	v.Spec.Topology = cart().Spec.Topology
	if s := lookAtSentinels(t, v, sentinelSet(v, 3, "valkey:9.1")); !reflect.DeepEqual(s, model.SentinelSet{}) {
		t.Errorf("another topology has %+v", s)
	}
}
