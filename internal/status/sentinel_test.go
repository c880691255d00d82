package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// guarded is whole with three Sentinels that watch cart-0.
func guarded() Input {
	in := whole()
	in.Snapshot.Topology = model.Sentinel
	set := &in.Snapshot.Sentinels
	*set = model.SentinelSet{Name: "cart-sentinel", Exists: true, Revision: "s-new", Size: 3, Wanted: 3, Settings: model.WatchSettings{Quorum: 2}}
	for i := range 3 {
		set.Nodes = append(set.Nodes, model.SentinelNode{Ref: model.Ref{Name: fmt.Sprintf("cart-sentinel-%d", i), UID: "uid"}, Ordinal: i, Host: "host",
			Phase: model.PodRunning, Ready: true, Revision: "s-new", Answered: true, Version: "9.1.2", Watch: &model.Watch{Primary: "10.0.0.1:6379", Epoch: 4}})
	}
	return in
}

// last is the Sentinel that things happen to.
func (in *Input) last() *model.SentinelNode { return &in.Snapshot.Sentinels.Nodes[2] }

var watched = map[string]struct {
	change           func(*Input)
	ready, rolledOut string
	columns          string // SENTINELS, ROLLOUT
	says             string
}{
	"all is well": {func(*Input) {}, "True AllInService", "True Complete", "3/3 Complete", "all 3 nodes run revision new"},
	"one does not answer": {func(in *Input) { in.last().Answered, in.last().Watch = false, nil },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "cart-sentinel-2 (it does not answer)"},
	"one is not Ready": {func(in *Input) { in.last().Ready = false },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "Sentinels that do not agree: cart-sentinel-2"},
	"one is not there yet": {func(in *Input) { *in.last() = model.SentinelNode{Ref: model.Ref{Name: "cart-sentinel-2"}} },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "cart-sentinel-2 (its pod does not exist yet)"},
	"one is refused": {func(in *Input) {
		*in.last() = model.SentinelNode{Ref: model.Ref{Name: "cart-sentinel-2"}, Trouble: "its pod cannot be made: exceeded quota"}
	}, "False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "cart-sentinel-2 (its pod cannot be made: exceeded quota)"},
	"one cannot start": {func(in *Input) {
		n := in.last()
		n.Phase, n.Ready, n.Answered, n.Dead, n.Trouble, n.Watch = model.PodPending, false, false, true, "ImagePullBackOff: no such image", nil
	}, "False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "cart-sentinel-2 (ImagePullBackOff: no such image)"},
	"one has lost its state": {func(in *Input) { in.last().Watch = nil },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "it monitors nobody yet"},
	"one fails over": {func(in *Input) { in.last().Watch.FailingOver = true },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "it fails over"},
	"one names another": {func(in *Input) { in.last().Watch.Primary = "10.0.0.2:6379" },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "as primary, and cart-0 is"},
	"one does not reach the primary": {func(in *Input) { in.last().Watch.Down = true },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "it does not reach cart-0"},
	"one finds no quorum": {func(in *Input) { in.last().Watch.NoQuorum = "NOQUORUM 1 usable" },
		"False SentinelsMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "NOQUORUM 1 usable"},
	"more are wished for": {func(in *Input) { in.Snapshot.Sentinels.Wanted = 5 },
		"False SentinelsMissing", "False InProgress", "3/5 3/3 fresh, Sentinels 3/5", "2 that are not there yet"},
	"fewer are wished for": {func(in *Input) { in.Snapshot.Sentinels.Wanted = 1 },
		"True AllInService", "True Complete", "3/1 Complete", "all 3 nodes run revision new"},
	"one runs an older revision": {func(in *Input) { in.last().Revision = "s-old" },
		"True AllInService", "False InProgress", "3/3 3/3 fresh, Sentinels 2/3", "all 3 nodes run revision new; 2 of 3 Sentinels run theirs, 3 agree"},
	"their newest template has not been seen": {func(in *Input) { in.Snapshot.Sentinels.Revision = "" },
		"True AllInService", "False InProgress", "3/3 3/3 fresh, Sentinels 0/3", "3 agree"},
	"the nodes are rolled, and the Sentinels are not": {func(in *Input) { in.node(2).Revision = "old" },
		"True AllInService", "False InProgress", "3/3 2/3 fresh", "2 of 3 nodes run revision new"},
	"their roll is held": {func(in *Input) {
		in.last().Revision = "s-old"
		in.holds(model.Hold{Shard: "cart", Reason: model.SentinelsDisagree, Node: "cart-sentinel-1", Detail: "it does not reach cart-sentinel-0 yet"})
	}, "True AllInService", "False SentinelsDisagree", "3/3 Held: SentinelsDisagree cart-sentinel-1", "it does not reach cart-sentinel-0 yet"},
	"a node is missing, too": {func(in *Input) { in.last().Watch, in.node(2).Ready = nil, false },
		"False NodesMissing", "False InProgress", "2/3 3/3 fresh, Sentinels 2/3", "cart-2"},
}

func TestAnInstanceIsReadyAndRolledOutWithItsSentinels(t *testing.T) {
	for name, row := range watched {
		in := guarded()
		row.change(&in)
		out := Derive(in)
		have := inShort(out)
		for _, want := range []string{"Ready=" + row.ready, "RolledOut=" + row.rolledOut} {
			if !slices.Contains(have, want) {
				t.Errorf("%s: have %q, want %q", name, have, want)
			}
		}
		if columns := out.SentinelsReady + " " + out.Rollout; columns != row.columns {
			t.Errorf("%s: columns %q, want %q", name, columns, row.columns)
		}
		if text := said(out, v1alpha1.ConditionReady) + "\n" + said(out, v1alpha1.ConditionRolledOut); !strings.Contains(text, row.says) {
			t.Errorf("%s: nothing says %q in %q", name, row.says, text)
		}
	}
}

func TestEachSentinelIsShown(t *testing.T) {
	in := guarded()
	in.last().Watch.Primary, in.last().Revision = "10.0.0.9:6379", "s-old"
	all := Derive(in).Sentinels
	want := v1alpha1.SentinelStatus{Name: "cart-sentinel-0", Monitors: "cart-0", Agrees: true, Revision: "s-new", Fresh: true, Ready: true,
		Host: "host", Version: "9.1.2"}
	if len(all) != 3 || all[0] != want {
		t.Fatalf("%+v", all)
	}
	if s := all[2]; s.Agrees || s.Fresh || s.Monitors != "" || !strings.Contains(s.Message, "10.0.0.9:6379") {
		t.Errorf("one that names nobody of ours: %+v", s)
	}
	if out := Derive(whole()); out.Sentinels != nil || out.SentinelsReady != "" {
		t.Errorf("another topology shows %+v", out.Sentinels)
	}
}

func TestALostQuorumIsGrave(t *testing.T) {
	in := guarded()
	in.holds(model.Hold{Shard: "cart", Reason: model.QuorumLost, Detail: "1 Sentinels agree, 2 have to"})
	if have := inShort(Derive(in)); !slices.Contains(have, "Degraded=True QuorumLost") {
		t.Errorf("%q", have)
	}
}

// It may be one that came back with an old copy, and be a replica in a moment.
func TestAPrimaryThatSentinelsDoNotNameIsShownAndNotRemembered(t *testing.T) {
	for name, row := range map[string]struct {
		change     func(*Input)
		remembered string
	}{
		"they name it": {func(*Input) {}, "cart-0"},
		"they name another one, which may be primary": {func(in *Input) {
			for i := range in.Snapshot.Sentinels.Nodes {
				in.Snapshot.Sentinels.Nodes[i].Watch.Primary = "10.0.0.2:6379"
			}
			in.node(1).Server = model.Server{}
		}, "cart-1"},
		"they name another one, which is a replica": {func(in *Input) {
			for i := range in.Snapshot.Sentinels.Nodes {
				in.Snapshot.Sentinels.Nodes[i].Watch.Primary = "10.0.0.2:6379"
			}
		}, "cart-0"},
	} {
		in := guarded()
		in.Previous = v1alpha1.ValkeyStatus{Formed: true, LastPrimary: "cart-1", History: []string{"h1"}}
		row.change(&in)
		out := Derive(in)
		if out.Primary != "cart-0" || out.LastPrimary != row.remembered || slices.Contains(out.History, "h2") != (row.remembered == "cart-0") || !out.Formed {
			t.Errorf("%s: primary %s, last %s, history %v", name, out.Primary, out.LastPrimary, out.History)
		}
	}
}
