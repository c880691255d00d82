package ledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/pods"
)

// played is a run whose servers acknowledged one write each, in a slot of their
// own, in the order given: "run id of shard".
func played(t *testing.T, servers ...string) *Run {
	t.Helper()
	r := &Run{config: Config{Cluster: true}, settings: client.Settings{Registry: client.NewRegistry()}}
	w := &history.Writer{}
	r.history = &history.History{Writers: []*history.Writer{w}, End: 1000}
	for i, s := range servers {
		runID, shard, _ := strings.Cut(s, " of ")
		n := r.settings.Registry.Number(client.ServerInfo{RunID: runID, Shard: shard})
		r.settings.Registry.Acknowledged(n)
		w.Append(history.Record{Send: int64(10 * i), Ack: int64(10*i + 5), Seq: uint32(i), Server: n, Slot: uint16(1000 - 10*i)})
		r.history.RunIDs = append(r.history.RunIDs, runID)
	}
	r.met = r.settings.Registry.Servers()
	return r
}

// inPods puts the servers into pods of StatefulSets: "run id in set/ordinal".
func inPods(r *Run, places ...string) *Run {
	r.tracker, r.prober = pods.NewTracker(), &pods.Prober{}
	for _, p := range places {
		runID, place, _ := strings.Cut(p, " in ")
		set, ordinal, _ := strings.Cut(place, "/")
		pod := corev1.Pod{}
		pod.Name, pod.UID = set+"-"+ordinal, types.UID(set+ordinal)
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: set, Controller: ptr.To(true)}}
		r.tracker.See(&pod, time.Now())
		r.prober.Met(runID, pod.Name)
	}
	return r
}

func TestShardsAreNumberedByTheFirstSlotsThatTheyHad(t *testing.T) {
	r := played(t, "a of x", "b of y", "c of x", "d of z") // slots 1000, 990, 980, 970
	c := r.cast()
	if want := []string{"z", "x", "y"}; !slices.Equal(c.ids, want) {
		t.Errorf("shards %v, want %v", c.ids, want)
	}
	if want := []string{"shard 1", "shard 2", "shard 3"}; !slices.Equal(c.names, want) {
		t.Errorf("names %v, want %v", c.names, want)
	}
	if want := []int{1, 2, 1, 0}; !slices.Equal(c.of, want) {
		t.Errorf("servers are of %v, want %v", c.of, want)
	}
}

func TestShardsHaveTheNamesOfTheirPodsStatefulSets(t *testing.T) {
	r := inPods(played(t, "a of x", "b of y", "c of x", "d of z", "e of z", "f of v"),
		"a in orders-shard-2/0", "b in orders-shard-10/0", "c in orders-shard-2/1",
		"d in orders-shard-0/1", "e in orders-shard-1/0", "f in orders-shard-10/1")
	c := r.cast()
	want := []string{"orders-shard-2", "orders-shard-10 (y)", "orders-shard-10 (v)", "orders-shard-0+orders-shard-1"}
	if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(c.names)), want) {
		t.Errorf("names %v, want %v", c.names, want)
	}
	if c.names[0] != "orders-shard-2" || c.names[c.of[2]] != "orders-shard-2" {
		t.Errorf("names %v in the wrong order", c.names)
	}
}

// nodes is a list as one node of the cluster tells it.
func nodes(t *testing.T, lines ...string) []client.Member {
	t.Helper()
	members, err := client.ParseNodes(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return members
}

func TestNodesThatAreNoneAndOtherViewsAreTold(t *testing.T) {
	a, b := "aaaa 10.0.0.1:6379@1 master - 0 0 1 connected 0-99", "bbbb 10.0.0.2:6379@1 master - 0 0 2 connected 100-199"
	all := nodes(t, a, b)
	for _, c := range []struct {
		name    string
		views   [][]client.Member
		differs string
		strays  []string
	}{
		{"of one mind", [][]client.Member{all, all}, "", nil},
		{"another owner", [][]client.Member{all, nodes(t, strings.Replace(a, "0-99", "0-89", 1), strings.Replace(b, "100", "90", 1))},
			"names other owners for 10 slots", nil},
		{"slots on their way", [][]client.Member{all, nodes(t, a, "bbbb 10.0.0.2:6379@1 myself,master - 0 0 2 connected 100-199 [100->-aaaa]")},
			"has slots on their way", nil},
		{"a ghost", [][]client.Member{all, nodes(t, a, b, "cccc :0@0 slave,fail,noaddr aaaa 0 0 1 disconnected")},
			"", []string{"cccc at :0 is fail,noaddr"}},
		{"forgotten by one", [][]client.Member{nodes(t, a, b, "dddd 10.0.0.4:6379@1 slave aaaa 0 0 1 connected"), all},
			"", []string{"dddd at 10.0.0.4:6379 is known to 1 of 2 nodes"}},
		{"not met yet", [][]client.Member{nodes(t, a, b, "eeee 10.0.0.5:6379@1 handshake - 0 0 0 connected"), all},
			"", []string{"eeee at 10.0.0.5:6379 is handshake"}},
	} {
		agree := newAgreement(all)
		var differs []string
		for i, view := range c.views {
			if err := agree.see(all[i], view); err != nil {
				differs = append(differs, err.Error())
			}
		}
		if got := strings.Join(differs, "; "); !strings.Contains(got, c.differs) || (got == "") != (c.differs == "") {
			t.Errorf("%s: %q, want %q", c.name, got, c.differs)
		}
		if got := agree.strays(); !slices.Equal(got, c.strays) {
			t.Errorf("%s: strays %q, want %q", c.name, got, c.strays)
		}
	}
}

func TestAnEvenShareIsBalanced(t *testing.T) {
	of := func(sizes ...int) view {
		var v view
		for _, n := range sizes {
			var s shard
			for i := range n {
				s.primary.Slots[i] = true
			}
			v.shards = append(v.shards, s)
		}
		return v
	}
	for want, v := range map[float64]view{0: {}, 50: of(5000, 10000, 15000), 0.012: of(5461, 5461, 5462)} {
		if got := imbalance(v); got != want {
			t.Errorf("%g %% off, want %g", got, want)
		}
	}
}

func TestRangesAreShort(t *testing.T) {
	var s history.SlotSet
	for _, slot := range []int{0, 1, 2, 5, 16382, 16383} {
		s[slot] = true
	}
	if got := ranges(&s); got != "0-2 5 16382-16383" {
		t.Errorf("ranges %q", got)
	}
}

func TestWhatNobodyEverAcknowledgedIsAProblem(t *testing.T) {
	r := played(t, "a of x")
	r.history.Writers[0].Vain = &history.Vain{Since: 20, Slot: 7}
	r.history.Writers[0].Stopped = int64(5 * time.Second)
	run := r.assemble(nil).Runs[0]
	if len(run.Problems) != 1 || !strings.Contains(run.Problems[0], "slot 7") || run.WorstClientGapMs < 4999 {
		t.Errorf("problems %q, worst writer %.0f ms", run.Problems, run.WorstClientGapMs)
	}
}
