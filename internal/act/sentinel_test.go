package act

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
)

// settings are what Sentinels are to be told.
var settings = model.WatchSettings{Quorum: 2, DownAfter: 5 * time.Second, FailoverTimeout: 10 * time.Second}

// guard is a world whose instance has Sentinels, with a server for each of n of them.
func guard(t *testing.T, n int) (*world, []*fake.Server, []model.Ref) {
	t.Helper()
	w := newWorld(t)
	w.Valkey.Spec.Topology = v1alpha1.TopologySentinel
	w.SentinelUser = servers.Credentials{Username: v1alpha1.SentinelUser, Password: "watchword"}
	var all []*fake.Server
	var refs []model.Ref
	for i := range n {
		s := fake.Listen(t, loopback)
		all = append(all, s)
		refs = append(refs, model.Ref{Name: fmt.Sprintf("cart-sentinel-%d", i), UID: fmt.Sprintf("s-%d", i), Address: s.Addr()})
	}
	return w, all, refs
}

// announcing is a data node that goes by that name.
func announcing(t *testing.T, name string) model.Ref {
	t.Helper()
	const setting = "replica-announce-ip"
	s := fake.Listen(t, loopback)
	s.Reply("CONFIG GET "+setting, "*2\r\n"+fake.Bulk(setting)+fake.Bulk(name))
	return model.Ref{Name: "cart-0", UID: "uid-0", Address: s.Addr()}
}

const (
	monitor = "SENTINEL MONITOR mymaster a-name.of-its-own 6379 3"
	set2    = "SENTINEL SET mymaster auth-user sentinel auth-pass watchword failover-timeout 10000 parallel-syncs 1 down-after-milliseconds 5000 quorum 2"
)

func TestASentinelThatWatchesNobodyIsToldWhomAndThenHow(t *testing.T) {
	for name, reply := range map[string]string{
		"one that knows nothing":                               "+OK\r\n",
		"one that was told by an operator that has died since": "-ERR Duplicate master name.\r\n",
	} {
		w, all, refs := guard(t, 1)
		all[0].Reply("SENTINEL MONITOR", reply)
		step := model.WatchPrimary{Sentinel: refs[0], Primary: announcing(t, "a-name.of-its-own"), Settings: settings}
		if _, err := w.Do(t.Context(), shard, w.planned(step)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if have := told(all[0]); !slices.Equal(have, []string{monitor, set2}) {
			t.Errorf("%s: told %q", name, have)
		}
	}
}

// An operator that dies between the two leaves a Sentinel that cannot log in. Its quorum
// is none that was wished for, whatever the rest is: that is how the next one sees it.
func TestASentinelThatWasToldHalfOfItShowsThat(t *testing.T) {
	w, all, refs := guard(t, 1)
	all[0].Reply("SENTINEL SET", "-ERR it ends here\r\n")
	step := model.WatchPrimary{Sentinel: refs[0], Primary: announcing(t, "a-name.of-its-own"), Settings: settings}
	if _, err := w.Do(t.Context(), shard, w.planned(step)); err == nil {
		t.Fatal("half of it is all of it")
	}
	if have := told(all[0])[0]; !strings.HasSuffix(have, " 3") {
		t.Errorf("told %q, with the quorum that is wished for", have)
	}
	if have := told(all[0])[1]; !strings.HasSuffix(have, " quorum 2") {
		t.Errorf("the quorum is not told last: %q", have)
	}
}

func TestASentinelThatCannotLookTheNameUpIsToldAgainLater(t *testing.T) {
	w, all, refs := guard(t, 1)
	all[0].Reply("SENTINEL MONITOR", "-ERR Invalid IP address or hostname specified\r\n")
	step := model.WatchPrimary{Sentinel: refs[0], Primary: announcing(t, "a-name.of-its-own"), Settings: settings}
	if _, err := w.Do(t.Context(), shard, w.planned(step)); err == nil || !strings.Contains(err.Error(), "resolve") {
		t.Errorf("%v does not say why", err)
	}
	if have := told(all[0]); !slices.Equal(have, []string{monitor}) {
		t.Errorf("told %q", have)
	}
}

func TestSentinelsAreToldWhatTheStepSays(t *testing.T) {
	w, all, refs := guard(t, 1)
	all[0].Reply("SENTINEL RESET", ":1\r\n")
	for _, step := range []model.Step{
		model.SetWatch{Sentinel: refs[0], Settings: settings},
		model.ResetWatch{Sentinel: refs[0]},
		model.Rank{Node: refs[0], Priority: 0}, // the fake is any server
		model.Follow{Node: refs[0], Primary: announcing(t, "a-name.of-its-own")},
		model.PauseWrites{Node: refs[0], For: 2 * time.Second},
	} {
		if _, err := w.Do(t.Context(), shard, w.planned(step)); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	want := []string{set2, "SENTINEL RESET mymaster", "CONFIG SET replica-priority 0", "REPLICAOF a-name.of-its-own 6379", "CLIENT PAUSE 2000 WRITE"}
	if have := told(all[0]); !slices.Equal(have, want) {
		t.Errorf("told %q\nwant %q", have, want)
	}
}

func TestWithoutAPasswordSentinelsLogInWithNone(t *testing.T) {
	w, all, refs := guard(t, 1)
	w.SentinelUser, w.Valkey.Spec.Sentinel.PrimaryName = servers.Credentials{}, "cart"
	if _, err := w.Do(t.Context(), shard, w.planned(model.SetWatch{Sentinel: refs[0], Settings: settings})); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(strings.Replace(set2, "auth-user sentinel auth-pass watchword ", "", 1), "mymaster", "cart", 1)
	if have := told(all[0]); !slices.Equal(have, []string{want}) {
		t.Errorf("told %q", have)
	}
}

func TestAResetOfASentinelThatWatchesNobodyIsAnError(t *testing.T) {
	w, all, refs := guard(t, 1)
	all[0].Reply("SENTINEL RESET", ":0\r\n")
	if _, err := w.Do(t.Context(), shard, w.planned(model.ResetWatch{Sentinel: refs[0]})); err == nil {
		t.Error("it has reset something")
	}
}

func TestANodeWithoutANameIsNotWatched(t *testing.T) {
	w, all, refs := guard(t, 1)
	step := model.WatchPrimary{Sentinel: refs[0], Primary: announcing(t, ""), Settings: settings}
	if _, err := w.Do(t.Context(), shard, w.planned(step)); err == nil || !strings.Contains(err.Error(), "cart-0 announces no name") {
		t.Error(err)
	}
	if have := told(all[0]); len(have) != 0 {
		t.Errorf("told %q", have)
	}
}

// seeing are Sentinels that answer and know these replicas.
func seeing(refs []model.Ref, replicas ...model.WatchedReplica) model.Snapshot {
	set := model.SentinelSet{}
	for _, r := range refs {
		set.Nodes = append(set.Nodes, model.SentinelNode{Ref: r, Answered: true, Watch: &model.Watch{Replicas: replicas}})
	}
	return model.Snapshot{Sentinels: set}
}

func TestOneSentinelIsAskedToPromote(t *testing.T) {
	known := model.WatchedReplica{Address: ref(1).Address, Priority: 100}
	for name, row := range map[string]struct {
		change func(set *model.SentinelSet)
		asked  int // -1: none
	}{
		"the first":                         {func(*model.SentinelSet) {}, 0},
		"the first that answers":            {func(s *model.SentinelSet) { s.Nodes[0].Answered = false }, 1},
		"the first that watches":            {func(s *model.SentinelSet) { s.Nodes[0].Watch = nil }, 1},
		"the first that could promote it":   {func(s *model.SentinelSet) { s.Nodes[0].Watch = &model.Watch{} }, 1},
		"the first, when none of them does": {func(s *model.SentinelSet) { s.Nodes[0].Watch, s.Nodes[1].Watch = &model.Watch{}, &model.Watch{} }, 0},
		"none, when none answers":           {func(s *model.SentinelSet) { s.Nodes[0].Answered, s.Nodes[1].Answered = false, false }, -1},
	} {
		w, all, refs := guard(t, 2)
		w.seen = seeing(refs, known)
		row.change(&w.seen.Sentinels)
		_, err := w.Do(t.Context(), shard, w.planned(model.Promote{Node: ref(1), Means: model.BySentinel}))
		if (err != nil) != (row.asked < 0) || row.asked < 0 && !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		for i, s := range all {
			if sent(s, "SENTINEL FAILOVER mymaster") != (i == row.asked) {
				t.Errorf("%s: Sentinel %d was told %q", name, i, s.Got())
			}
		}
	}
}

func TestASentinelThatPromotesNobodyIsAHold(t *testing.T) {
	for reply, want := range map[string]model.Reason{
		"-INPROG Failover already in progress\r\n":        model.SentinelFailover,
		"-NOGOODSLAVE No suitable replica to promote\r\n": model.NoGoodReplica,
	} {
		w, all, refs := guard(t, 1)
		w.seen = seeing(refs)
		all[0].Reply("SENTINEL FAILOVER", reply)
		out, err := w.Do(t.Context(), shard, w.planned(model.Promote{Node: ref(1), Means: model.BySentinel}))
		if err != nil || len(out.Holds) != 1 {
			t.Fatalf("%q: %+v, %v", reply, out, err)
		}
		if h := out.Holds[0]; h.Reason != want || h.Node != "cart-sentinel-0" || h.After <= 0 || h.Shard != shard || h.Detail == "" {
			t.Errorf("%q: %+v", reply, h)
		}
	}
}

func TestSentinelsAreScaledInTheirOwnStatefulSet(t *testing.T) {
	w, _, _ := guard(t, 0)
	own := set(w.Valkey, 3)
	own.Name = "cart-sentinel"
	for _, sts := range []*appsv1.StatefulSet{own, set(w.Valkey, 3)} {
		if err := w.api.Create(t.Context(), sts); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Do(t.Context(), shard, w.planned(model.ScaleSentinels{Set: "cart-sentinel", From: 3, To: 5})); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.asked, []string{"patch cart-sentinel"}) || !strings.Contains(w.bodies[0], `"replicas":5`) {
		t.Errorf("asked %q with %q", w.asked, w.bodies)
	}
	if w.looks != 0 {
		t.Error("more Sentinels endanger nobody, and were looked at again")
	}
	_, err := w.Do(t.Context(), shard, w.planned(model.ScaleSentinels{Set: "cart-sentinel", From: 3, To: 2}))
	if !errors.Is(err, ErrChanged) || w.looks != 1 {
		t.Errorf("from another size than was seen: %v, %d looks", err, w.looks)
	}
}

func TestAHandoverThatSentinelsAreNotReadyForIsAHoldAndTellsNobodyAnything(t *testing.T) {
	w, all, refs := guard(t, 1)
	all[0].Sentinel("9.1.2", "me")
	old, target := announcing(t, "cart-0.nodes"), announcing(t, "cart-1.nodes")
	target.Name, target.UID = "cart-1", "uid-1"
	w.seen = seeing(refs)
	w.seen.Shards = []model.Shard{{Name: shard}}
	step := model.Handover{From: old, To: target, Revision: "new"}
	out, err := w.Do(t.Context(), shard, w.planned(step))
	if err != nil || out.Handover != nil || len(out.Holds) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if h := out.Holds[0]; h.Reason != model.HandoverGate || h.Node != "cart-1" || h.After <= 0 {
		t.Errorf("%+v", h)
	}
	if sent(all[0], "SENTINEL FAILOVER") || len(w.asked) != 0 {
		t.Errorf("told %q, asked %q", all[0].Got(), w.asked)
	}
	if _, ok := w.Turns.Take(); !ok {
		t.Error("its turn has not ended")
	}
}

func TestAHandoverUnderSentinelsTakesItsTurn(t *testing.T) {
	w, _, _ := guard(t, 0)
	end, _ := w.Turns.Take()
	defer end()
	out, err := w.Do(t.Context(), shard, w.planned(model.Handover{From: ref(0), To: ref(1)}))
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.ServicesBusy || w.looks != 0 {
		t.Errorf("%+v, %v, %d looks", out, err, w.looks)
	}
}

// Sentinel chooses among those that are as good as the target.
func TestHeirsAreThoseThatMayTakeOverAsWell(t *testing.T) {
	w, _, _ := guard(t, 0)
	replica := func(ordinal int, change func(n *model.Node)) model.Node {
		r := announcing(t, fmt.Sprintf("cart-%d.nodes", ordinal))
		r.Name, r.UID = fmt.Sprintf("cart-%d", ordinal), fmt.Sprintf("uid-%d", ordinal)
		n := model.Node{Ref: r, Ordinal: ordinal, Phase: model.PodRunning, Ready: true, InService: true, Revision: "new",
			Server: model.Server{Answered: true, Role: model.RoleReplica, ReplID: "h", Follows: "old", LinkUp: true}}
		change(&n)
		return n
	}
	primary := model.Node{Ref: model.Ref{Name: "cart-0", Address: "old"}, Phase: model.PodRunning, Ready: true, Revision: "old",
		Server: model.Server{Answered: true, Role: model.RolePrimary, ReplID: "h", Offset: 100, Acked: map[string]int64{}}}
	nodes := []model.Node{
		primary,
		replica(1, func(*model.Node) {}), // the target
		replica(2, func(*model.Node) {}),
		replica(3, func(n *model.Node) { n.Revision = "old" }),
		replica(4, func(n *model.Node) { n.Draining = true }),
		replica(5, func(n *model.Node) { n.Server.LinkUp = false }),
		replica(6, func(n *model.Node) { n.Server.RefusesWrites = true }),
		replica(7, func(n *model.Node) { n.Evacuate = "its host is to be emptied" }),
		replica(8, func(*model.Node) {}), // is to leave
	}
	for _, n := range nodes[1:] {
		primary.Server.Acked[n.Address] = 100
	}
	snap := model.Snapshot{Policy: model.Policy{Nodes: 8, MaxLag: 10}, Shards: []model.Shard{{Name: shard, Revision: "new", Size: 9, Nodes: nodes}}}
	got := w.heirs(t.Context(), snap, model.Handover{From: primary.Ref, To: nodes[1].Ref})
	if len(got.candidates) != 1 || got.candidates[0].Host != "cart-2.nodes" || got.at("cart-2.nodes", primary.Ref) != nodes[2].Ref {
		t.Errorf("%+v", got)
	}
	if got.at("cart-3.nodes", nodes[1].Ref) != nodes[1].Ref {
		t.Error("one that may not take over is an heir")
	}
	nodes[0].Phase = model.PodTerminating
	if got := w.heirs(t.Context(), snap, model.Handover{From: primary.Ref, To: nodes[1].Ref}); len(got.candidates) != 6 {
		t.Errorf("a primary on its way out may be followed by %d others", len(got.candidates))
	}
}
