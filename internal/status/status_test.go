package status

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// whole is an instance as it was wished for: cart-0 is primary of three.
func whole() Input {
	shard := model.Shard{Name: "cart", Revision: "new", Size: 3, Traffic: model.Traffic{Primary: "10.0.0.1:6379"}}
	for i, addr := range []string{"10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"} {
		shard.Nodes = append(shard.Nodes, model.Node{
			Ref: model.Ref{Name: "cart-" + string(rune('0'+i)), UID: "uid", Address: addr}, Ordinal: i, Host: "host", Zone: "zone",
			Phase: model.PodRunning, Ready: true, InService: true, Admitted: true, Revision: "new",
			Server: model.Server{Answered: true, Role: model.RoleReplica, Version: "9.1.2", ReplID: "h2", Offset: 5000,
				Follows: "10.0.0.1:6379", LinkUp: true},
		})
	}
	shard.Nodes[0].Server = model.Server{Answered: true, Role: model.RolePrimary, Version: "9.1.2", ReplID: "h2", Offset: 5000,
		Acked: map[string]int64{"10.0.0.2:6379": 5000, "10.0.0.3:6379": 5000}}
	return Input{Generation: 2, Snapshot: model.Snapshot{Instance: "shop/cart", Topology: model.Replication,
		Policy: model.Policy{Nodes: 3, MaxLag: 4096}, Shards: []model.Shard{shard}}}
}

func (in *Input) shard() *model.Shard          { return &in.Snapshot.Shards[0] }
func (in *Input) node(ordinal int) *model.Node { return &in.shard().Nodes[ordinal] }

func (in *Input) holds(h ...model.Hold) { in.Plan.Holds = h }

// inShort gives the four conditions as "Ready=True AllInService".
func inShort(s v1alpha1.ValkeyStatus) []string {
	var out []string
	for _, c := range s.Conditions {
		out = append(out, c.Type+"="+string(c.Status)+" "+c.Reason)
	}
	return out
}

func said(s v1alpha1.ValkeyStatus, kind string) string {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

type incident struct {
	change func(*Input)
	// ready, progressing, rolledOut and degraded are "True Reason".
	ready, progressing, rolledOut, degraded string
	columns                                 string // ready, primary, rollout
	says                                    string // in one of the messages
}

var incidents = map[string]incident{
	"all is well": {func(*Input) {},
		"True AllInService", "False Idle", "True Complete", "False AsWished", "3/3 cart-0 Complete", "cart-0 is primary, and all 3 nodes are in service"},
	"a single node runs the newest revision, and nobody has noticed": {func(in *Input) {
		in.Snapshot.Topology, in.Snapshot.Policy.Nodes = model.Standalone, 1
		in.shard().Nodes = in.shard().Nodes[:1]
	}, "True AllInService", "False Idle", "True Complete", "False AsWished", "1/1 cart-0 Complete", "cart-0 is primary"},
	"its extra pod has no room": {func(in *Input) {
		in.Snapshot.Topology, in.Snapshot.Policy.Nodes = model.Standalone, 1
		in.shard().Nodes = in.shard().Nodes[:2]
		in.node(0).Revision = "old"
		in.node(1).Phase, in.node(1).Ready, in.node(1).Server, in.node(1).Trouble = model.PodPending, false, model.Server{}, "it cannot be scheduled: no room"
		in.holds(model.Hold{Shard: "cart", Reason: model.NodeDown, Node: "cart-1", Detail: in.node(1).Trouble})
	}, "True AllInService", "True NodeDown", "False NodeDown", "True NodeTrouble", "1/1 cart-0 Held: NodeDown cart-1", "1 of 2 nodes run revision new"},
	"its extra pod is refused": {func(in *Input) {
		in.Snapshot.Topology, in.Snapshot.Policy.Nodes = model.Standalone, 1
		in.shard().Nodes = in.shard().Nodes[:2]
		in.node(0).Revision = "old"
		*in.node(1) = model.Node{Ref: model.Ref{Name: "cart-1"}, Ordinal: 1, Trouble: "its pod cannot be made: exceeded quota"}
		in.holds(model.Hold{Shard: "cart", Reason: model.NodeDown, Node: "cart-1", Detail: in.node(1).Trouble})
	}, "True AllInService", "True NodeDown", "False NodeDown", "True NodeTrouble", "1/1 cart-0 Held: NodeDown cart-1", "cart-1: its pod cannot be made: exceeded quota"},
	"a replica is refused": {func(in *Input) {
		*in.node(2) = model.Node{Ref: model.Ref{Name: "cart-2"}, Ordinal: 2, Trouble: "its pod cannot be made: exceeded quota"}
	}, "False NodesMissing", "False Idle", "False InProgress", "True NodeTrouble", "2/3 cart-0 2/3 fresh", "not in service: cart-2 (its pod cannot be made: exceeded quota)"},
	"its extra pod stands in for it": {func(in *Input) {
		in.Snapshot.Topology, in.Snapshot.Policy.Nodes = model.Standalone, 1
		in.shard().Nodes = in.shard().Nodes[:2]
		in.node(1).Phase, in.node(1).Ready, in.node(1).Server = model.PodPending, false, model.Server{}
		in.holds(model.Hold{Shard: "cart", Reason: model.NotSynced, Node: "cart-1", Detail: "it starts"})
	}, "True AllInService", "True NotSynced", "False NotSynced", "False AsWished", "1/1 cart-0 Held: NotSynced cart-1", "1 are in service"},
	"the extra pod is about to leave": {func(in *Input) {
		in.Snapshot.Policy.Nodes = 2
		in.Plan.Steps = map[string]model.Step{"cart": model.Drain{Node: in.node(2).Ref}}
	}, "True AllInService", "True Working", "False InProgress", "False AsWished", "2/2 cart-0 3/3 fresh", "drain cart-2"},
	"a single node that is never given an extra one runs the newest revision": {func(in *Input) {
		in.Snapshot.Topology, in.Snapshot.Policy.Nodes, in.Snapshot.Policy.Surge = model.Standalone, 1, model.SurgeNever
		in.shard().Nodes = in.shard().Nodes[:1]
	}, "True AllInService", "False Idle", "True CompleteByOutage", "False AsWished", "1/1 cart-0 Complete", "each of its restarts is an outage"},
	"the image does not exist, and the roll halts at its first pod": {func(in *Input) {
		n := in.node(2)
		n.Ready, n.InService, n.Admitted, n.Dead, n.Server = false, false, false, true, model.Server{}
		n.Phase, n.Trouble = model.PodPending, "ImagePullBackOff: no such image"
		in.node(0).Revision, in.node(1).Revision = "old", "old"
		in.holds(model.Hold{Shard: "cart", Reason: model.NodeDown, Node: "cart-2", Detail: n.Trouble})
	}, "False NodesMissing", "True NodeDown", "False NodeDown", "True NodeTrouble", "2/3 cart-0 Held: NodeDown cart-2", "cart-2: ImagePullBackOff: no such image"},
	"a replica's link is cut off": {func(in *Input) {
		in.node(1).Server.LinkUp = false
		in.node(0).Revision = "old"
		in.holds(model.Hold{Shard: "cart", Reason: model.NotSynced, Node: "cart-1", Detail: "its link is down"})
	}, "False NodesMissing", "True NotSynced", "False NotSynced", "False AsWished", "2/3 cart-0 Held: NotSynced cart-1", "cart-1 (its link to cart-0"},
	"the role is being handed over": {func(in *Input) {
		in.node(0).Revision = "old"
		in.Plan.Steps = map[string]model.Step{"cart": model.Handover{From: in.node(0).Ref, To: in.node(1).Ref}}
	}, "True AllInService", "True Working", "False InProgress", "False AsWished", "3/3 cart-0 2/3 fresh", "hand over cart-0 to cart-1"},
	"clients are being sent away, one step after the other": {func(in *Input) {
		in.node(2).Revision = "old"
		in.Plan.Steps = map[string]model.Step{"cart": model.Drain{Node: in.node(2).Ref}}
		in.holds(model.Hold{Shard: "cart", Reason: model.ClientsLeaving, Node: "cart-2", Detail: "7 clients are still connected to it"})
	}, "True AllInService", "True Working", "False InProgress", "False AsWished", "3/3 cart-0 2/3 fresh", "7 clients are still connected"},
	"the user has paused the rollout": {func(in *Input) {
		in.node(0).Revision = "old"
		in.holds(model.Hold{Shard: "cart", Reason: model.Paused, Detail: "spec.rollout.paused is true"})
	}, "True AllInService", "False Paused", "False Paused", "False AsWished", "3/3 cart-0 Held: Paused", "spec.rollout.paused is true"},
	"somebody else's budget is exhausted": {func(in *Input) {
		in.node(2).Revision = "old"
		in.holds(model.Hold{Shard: "cart", Reason: model.BudgetExhausted, Node: "cart-2", Detail: "a budget refuses"})
	}, "True AllInService", "True BudgetExhausted", "False BudgetExhausted", "False AsWished", "3/3 cart-0 Held: BudgetExhausted cart-2", "a budget refuses"},
	"two budgets over one pod": {func(in *Input) {
		in.node(2).Revision = "old"
		in.holds(model.Hold{Shard: "cart", Reason: model.EvictionRefused, Node: "cart-2", Detail: "more than one budget"})
	}, "True AllInService", "True EvictionRefused", "False EvictionRefused", "True EvictionRefused", "3/3 cart-0 Held: EvictionRefused cart-2", "more than one budget"},
	"the Service still leads to the old primary": {func(in *Input) { in.shard().Traffic.Primary = "10.0.0.2:6379" },
		"False NoPrimary", "False Idle", "True Complete", "False AsWished", "3/3 cart-0 Complete", "its Service or readiness does not show it yet"},
	"the primary's host is lost": {func(in *Input) {
		in.node(0).Server = model.Server{}
		in.holds(model.Hold{Shard: "cart", Reason: model.PrimaryNotVisible, Node: "cart-0", Detail: "its server does not answer"})
	}, "False NoPrimary", "True PrimaryNotVisible", "False PrimaryNotVisible", "True PrimaryNotVisible", "0/3  Held: PrimaryNotVisible cart-0", "no single server says that it is primary"},
	"a new instance waits for the first pods to start": {func(in *Input) {
		in.node(0).Phase, in.node(0).Ready, in.node(0).Server = model.PodPending, false, model.Server{}
		in.holds(model.Hold{Shard: "cart", Reason: model.WaitingForCopies, Node: "cart-0", Detail: "it may hold the newest data and has not answered yet"})
	}, "False NoPrimary", "True WaitingForCopies", "False WaitingForCopies", "False AsWished", "0/3  Held: WaitingForCopies cart-0", "it may hold the newest data"},
	"a host stays away after a full stop, and nobody is promoted without its copy": {func(in *Input) {
		in.node(0).Phase, in.node(0).Ready, in.node(0).Server = model.PodPending, false, model.Server{}
		in.shard().Memory.Formed = true
		in.holds(model.Hold{Shard: "cart", Reason: model.WaitingForCopies, Node: "cart-0", Detail: "it may hold the newest data and has not answered yet"})
	}, "False NoPrimary", "True WaitingForCopies", "False WaitingForCopies", "True WaitingForCopies", "0/3  Held: WaitingForCopies cart-0", "it may hold the newest data"},
	"a replica's host is lost, and nothing is rolled": {func(in *Input) { in.node(2).Server = model.Server{} },
		"False NodesMissing", "False Idle", "False InProgress", "True NodeTrouble", "2/3 cart-0 3/3 fresh", "cart-2: its server does not answer"},
	"two servers say that they are primary": {func(in *Input) {
		in.node(1).Server.Role = model.RolePrimary
		in.holds(model.Hold{Shard: "cart", Reason: model.TwoPrimaries, Detail: "cart-0, cart-1 all say so"})
	}, "False NoPrimary", "True TwoPrimaries", "False TwoPrimaries", "True TwoPrimaries", "0/3  Held: TwoPrimaries", "cart-0, cart-1 all say so"},
	"the new template has not been seen yet": {func(in *Input) {
		in.shard().Revision = ""
		in.holds(model.Hold{Shard: "cart", Reason: model.RevisionUnknown, Detail: "not seen yet"})
	}, "True AllInService", "True RevisionUnknown", "False RevisionUnknown", "False AsWished", "3/3 cart-0 Held: RevisionUnknown", "has not seen the newest template"},
	"a replica more is wished for": {func(in *Input) {
		in.Snapshot.Policy.Nodes = 4
		in.Plan.Steps = map[string]model.Step{"cart": model.Scale{From: 3, To: 4}}
	}, "False NodesMissing", "True Working", "False InProgress", "False AsWished", "3/4 cart-0 3/4 fresh", "there are 3 nodes, wished for are 4"},
	"the newest wish cannot be carried out, and all servers serve": {func(in *Input) { in.Err = errors.New("no password in Secret x") },
		"True AllInService", "False Idle", "False ReconcileFailed", "True ReconcileFailed", "3/3 cart-0 Failed: see condition Degraded", "no password in Secret x"},
	"a handover failed, and the next one waits": {func(in *Input) {
		in.node(0).Revision = "old"
		in.Previous.HandoverFailure = &v1alpha1.HandoverFailure{Count: 2, Message: "target gone"}
		in.holds(model.Hold{Shard: "cart", Reason: model.HandoverBackoff, Node: "cart-0", Detail: "target gone"})
	}, "True AllInService", "True HandoverBackoff", "False HandoverBackoff", "True HandoverBackoff", "3/3 cart-0 Held: HandoverBackoff cart-0", "target gone"},
	"a handover failed, and the next one is due": {func(in *Input) {
		in.node(0).Revision = "old"
		in.Previous.HandoverFailure = &v1alpha1.HandoverFailure{Count: 2, Message: "target gone"}
		in.Plan.Steps = map[string]model.Step{"cart": model.Handover{From: in.node(0).Ref, To: in.node(1).Ref}}
	}, "True AllInService", "True Working", "False InProgress", "True HandoverFailed", "3/3 cart-0 2/3 fresh", "2 handovers in a row failed"},
	"the primary's disk is full": {func(in *Input) {
		in.node(0).Server.Unsaved, in.node(0).Server.RefusesWrites = model.UnsavedLog, true
		in.holds(model.Hold{Shard: "cart", Reason: model.NotPersisting, Node: "cart-0", Detail: "it refuses writes"})
	}, "True AllInService", "True NotPersisting", "True Complete", "True NotPersisting", "3/3 cart-0 Held: NotPersisting cart-0", "cart-0: it cannot write to its append-only file, so it refuses writes (MISCONF); free room"},
	"a replica's disk is full while the rollout goes on": {func(in *Input) {
		in.node(1).Server.Unsaved, in.node(1).Server.RefusesWrites = model.UnsavedLog, true
		in.node(2).Revision = "old"
		in.Plan.Steps = map[string]model.Step{"cart": model.Drain{Node: in.node(2).Ref}}
	}, "True AllInService", "True Working", "False InProgress", "True NotPersisting", "3/3 cart-0 2/3 fresh", "cart-1: it cannot write to its append-only file, so its copy is only in memory"},
	"a snapshot failed, and writes are taken all the same": {func(in *Input) {
		in.node(0).Server.Unsaved = model.UnsavedSnapshot
	}, "True AllInService", "False Idle", "True Complete", "True NotPersisting", "3/3 cart-0 Complete", "cart-0: its last snapshot failed, so what has changed since is only in memory"},
	"an append-only file cannot be written anew": {func(in *Input) {
		in.node(2).Server.Unsaved = model.UnsavedRewrite
	}, "True AllInService", "False Idle", "True Complete", "True NotPersisting", "3/3 cart-0 Complete", "cart-2: it cannot write its append-only file anew, so the file grows"},
	"a node that is down is the greater trouble than a full disk": {func(in *Input) {
		in.node(0).Server.Unsaved, in.node(0).Server.RefusesWrites = model.UnsavedLog, true
		in.node(2).Server = model.Server{}
	}, "False NodesMissing", "False Idle", "False InProgress", "True NodeTrouble", "2/3 cart-0 3/3 fresh", "cart-2: its server does not answer"},
	"a handover failed, and the change was taken back": {func(in *Input) {
		in.Previous.HandoverFailure = &v1alpha1.HandoverFailure{Count: 2, Message: "target gone"}
	}, "True AllInService", "False Idle", "True Complete", "False AsWished", "3/3 cart-0 Complete", "nothing is wrong"},
}

func TestAnIncidentReadsLikeThis(t *testing.T) {
	for name, row := range incidents {
		in := whole()
		row.change(&in)
		out := Derive(in)
		want := []string{"Ready=" + row.ready, "Progressing=" + row.progressing, "RolledOut=" + row.rolledOut, "Degraded=" + row.degraded}
		if have := inShort(out); !slices.Equal(have, want) {
			t.Errorf("%s:\nhave %q\nwant %q", name, have, want)
		}
		if columns := out.Ready + " " + out.Primary + " " + out.Rollout; columns != row.columns {
			t.Errorf("%s: columns %q, want %q", name, columns, row.columns)
		}
		var messages []string
		for _, c := range out.Conditions {
			messages = append(messages, c.Message)
			if c.ObservedGeneration != 2 {
				t.Errorf("%s: %s speaks of generation %d", name, c.Type, c.ObservedGeneration)
			}
		}
		if !strings.Contains(strings.Join(messages, "\n"), row.says) {
			t.Errorf("%s: nothing says %q in %q", name, row.says, messages)
		}
	}
}

func TestWhatCannotBeSeenWhenNobodyAnswersIsKept(t *testing.T) {
	in := whole()
	in.Previous = v1alpha1.ValkeyStatus{Formed: true, LastPrimary: "cart-1", Primary: "cart-1", History: []string{"h2", "h1"},
		LastHandover: &v1alpha1.HandoverStatus{From: "cart-0", To: "cart-1"}}
	for i := range in.shard().Nodes {
		in.node(i).Server = model.Server{}
	}
	out := Derive(in)
	if !out.Formed || out.LastPrimary != "cart-1" || !slices.Equal(out.History, []string{"h2", "h1"}) || out.LastHandover == nil {
		t.Errorf("forgotten: %+v", out)
	}
	if out.Primary != "" {
		t.Errorf("%s is shown as primary, and nobody says so", out.Primary)
	}
}

func TestTheHistoryBeginsWithTheNewestAndEndsSomewhere(t *testing.T) {
	long := make([]string, v1alpha1.HistoryLimit)
	for i := range long {
		long[i] = string(rune('a' + i))
	}
	for name, row := range map[string]struct{ before, after []string }{
		"the first primary":       {nil, []string{"h2"}},
		"the same one again":      {[]string{"h2", "h1"}, []string{"h2", "h1"}},
		"a new one":               {[]string{"h1"}, []string{"h2", "h1"}},
		"one that was there once": {[]string{"h3", "h2", "h1"}, []string{"h2", "h3", "h1"}},
		"one more than are kept":  {long, append([]string{"h2"}, long[:v1alpha1.HistoryLimit-1]...)},
	} {
		in := whole()
		in.Previous.History = slices.Clone(row.before)
		if have := Derive(in).History; !slices.Equal(have, row.after) {
			t.Errorf("%s: %v, want %v", name, have, row.after)
		}
		if !slices.Equal(in.Previous.History, row.before) {
			t.Errorf("%s: the status before has changed", name)
		}
	}
}

func TestAnErrorBeforeAnythingIsSeenLeavesWhatWasSeen(t *testing.T) {
	before := Derive(whole())
	for i := range before.Conditions {
		before.Conditions[i].LastTransitionTime = metav1.Now()
	}
	out := Derive(Input{Generation: 3, Err: errors.New("the API server is away"), Previous: before})
	want := []string{"Ready=True AllInService", "Progressing=False Idle", "RolledOut=True Complete", "Degraded=True ReconcileFailed"}
	if have := inShort(out); !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
	if out.ObservedGeneration != 2 || out.Conditions[2].ObservedGeneration != 2 {
		t.Error("what was seen of generation 2 is said of generation 3: kubectl wait would not wait")
	}
	if !reflect.DeepEqual(out.Nodes, before.Nodes) {
		t.Error("the nodes are gone")
	}
	first := Derive(Input{Generation: 1, Err: errors.New("the name is taken")})
	want = []string{"Ready=False NodesMissing", "Progressing=False Idle", "RolledOut=False RevisionUnknown", "Degraded=True ReconcileFailed"}
	if have := inShort(first); !slices.Equal(have, want) {
		t.Errorf("a new instance: have %q\nwant %q", have, want)
	}
}

func TestOnePingIsNoLag(t *testing.T) {
	for behind, shown := range map[int64]int64{0: 0, 14: 0, 1023: 0, 1024: 1024, 3000: 2048} {
		in := whole()
		in.node(0).Server.Acked["10.0.0.2:6379"] = 5000 - behind
		out := Derive(in)
		if lag := out.Nodes[1].LagBytes; lag == nil || *lag != shown || !out.Nodes[1].Synced {
			t.Errorf("%d bytes behind: %+v", behind, out.Nodes[1])
		}
		if out.Nodes[0].LagBytes != nil {
			t.Error("a primary lags behind itself")
		}
	}
	in := whole()
	delete(in.node(0).Server.Acked, "10.0.0.2:6379")
	if out := Derive(in); out.Nodes[1].LagBytes != nil || out.Nodes[1].Synced {
		t.Errorf("a replica that its primary does not list: %+v", out.Nodes[1])
	}
}

func TestAConditionThatStaysKeepsItsTime(t *testing.T) {
	in := whole()
	in.Previous = Derive(in)
	then := metav1.Unix(1000, 0)
	for i := range in.Previous.Conditions {
		in.Previous.Conditions[i].LastTransitionTime = then
	}
	in.node(1).Ready = false
	for _, c := range Derive(in).Conditions {
		changed := c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionRolledOut
		if changed != c.LastTransitionTime.IsZero() {
			t.Errorf("%s: %v", c.Type, c.LastTransitionTime)
		}
	}
	if m := said(Derive(in), v1alpha1.ConditionReady); !strings.Contains(m, "cart-1") {
		t.Errorf("the message %q does not name the node", m)
	}
}
