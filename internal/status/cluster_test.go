package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// sharded is a cluster of three shards as it was wished for, each a primary and
// a replica.
func sharded() Input {
	in := Input{Generation: 2, Snapshot: model.Snapshot{Instance: "shop/cart", Topology: model.Cluster, Formed: true,
		Policy: model.Policy{Nodes: 2, Shards: 3, MaxLag: 4096}}}
	var members []model.Member
	for k := range 3 {
		primary, replica := fmt.Sprintf("%d.0", k), fmt.Sprintf("%d.1", k)
		members = append(members,
			model.Member{ID: primary, Address: addr(k, 0), Role: model.RolePrimary, Linked: true, Slots: model.EvenShare(k, 3)},
			model.Member{ID: replica, Address: addr(k, 1), Role: model.RoleReplica, Primary: primary, Linked: true})
	}
	for k := range 3 {
		shard := model.Shard{Name: fmt.Sprintf("cart-shard-%d", k), Index: k, Exists: true, Revision: "new", Size: 2}
		for n := range 2 {
			node := model.Node{
				Ref: model.Ref{Name: fmt.Sprintf("%s-%d", shard.Name, n), UID: "uid", Address: addr(k, n)}, Ordinal: n,
				Host: "host", Phase: model.PodRunning, Ready: true, InService: true, Admitted: true, Revision: "new",
				Server: model.Server{Answered: true, Role: model.RoleReplica, Version: "9.1.2", ReplID: "h", Offset: 5000,
					Follows: addr(k, 0), LinkUp: true,
					Cluster: &model.ClusterServer{ID: fmt.Sprintf("%d.%d", k, n), OK: true, Members: members}},
			}
			if n == 0 {
				node.Server.Role, node.Server.Follows, node.Server.LinkUp = model.RolePrimary, "", false
				node.Server.Acked = map[string]int64{addr(k, 1): 5000}
			}
			shard.Nodes = append(shard.Nodes, node)
		}
		in.Snapshot.Shards = append(in.Snapshot.Shards, shard)
	}
	return in
}

func addr(shard, node int) string { return fmt.Sprintf("10.0.%d.%d:6379", shard, node) }

func TestAClusterIsReadyWhenEachPrimaryTakesWrites(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Input)
		ready  string
		says   string
	}{
		{"as wished", func(*Input) {}, "Ready=True AllInService", "3 shards serve all 16384 slots"},
		{"a primary that has just joined finds the cluster down", func(in *Input) {
			in.Snapshot.Shards[1].Nodes[0].Server.Cluster.OK = false
		}, "Ready=False ClusterDisagrees", "cart-shard-1-0 finds the cluster down"},
		{"an extra pod that is not up yet", func(in *Input) {
			shard := &in.Snapshot.Shards[1]
			shard.Nodes = append(shard.Nodes, model.Node{Ref: model.Ref{Name: "cart-shard-1-2"}, Ordinal: 2})
		}, "Ready=True AllInService", "3 shards serve"},
		{"one that is up in another shard stands in for nobody here", func(in *Input) {
			extra := in.Snapshot.Shards[1].Nodes[1]
			extra.Name, extra.Ordinal = "cart-shard-1-2", 2
			in.Snapshot.Shards[1].Nodes = append(in.Snapshot.Shards[1].Nodes, extra)
			in.Snapshot.Shards[0].Nodes[1].Server.LinkUp = false
		}, "Ready=False NodesMissing", "cart-shard-0-1"},
		{"a replica that finds it down takes no writes anyway", func(in *Input) {
			in.Snapshot.Shards[1].Nodes[1].Server.Cluster.OK = false
		}, "Ready=True AllInService", ""},
		{"nobody leads a shard", func(in *Input) {
			in.Snapshot.Shards[2].Nodes[0].Server = model.Server{}
		}, "Ready=False NoPrimary", "cart-shard-2"},
		{"slots without an owner", func(in *Input) {
			c := in.Snapshot.Shards[2].Nodes[0].Server.Cluster
			c.Members = slices.Clone(c.Members)
			c.Members[4].Slots = model.Slots{}
		}, "Ready=False SlotsUncovered", "hash slots are served by nobody"},
	} {
		in := sharded()
		c.change(&in)
		got := Derive(in)
		if short := inShort(got)[0]; short != c.ready || !strings.Contains(said(got, "Ready"), c.says) {
			t.Errorf("%s: %s: %s; wanted %s: %s", c.name, short, said(got, "Ready"), c.ready, c.says)
		}
	}
}

// A former primary that has just joined again says that it is primary until it hears
// who has superseded it. Remembered, its older copy would pass for the newest.
func TestOnlyAPrimaryThatOthersKnowIsRemembered(t *testing.T) {
	for name, row := range map[string]struct {
		heard   []int // the shards whose primaries know what the primary of the first serves
		last    string
		history []string
	}{
		"the others know it": {[]int{1, 2}, "cart-shard-0-0", []string{"h", "h1"}},
		"half of them do":    {[]int{1}, "cart-shard-0-1", []string{"h1"}},
	} {
		in := sharded()
		in.Previous.Shards = []v1alpha1.ShardStatus{{Name: "cart-shard-0", Formed: true, LastPrimary: "cart-shard-0-1", History: []string{"h1"}}}
		for k := 1; k < 3; k++ {
			if c := in.Snapshot.Shards[k].Nodes[0].Server.Cluster; !slices.Contains(row.heard, k) {
				c.Members = slices.Clone(c.Members)
				c.Members[0].Slots = nil
			}
		}
		if s := Derive(in).Shards[0]; s.LastPrimary != row.last || !slices.Equal(s.History, row.history) || s.SlotRanges != model.EvenShare(0, 3).String() {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// What a shard that has left had when it was last seen is kept as long as it may be
// missed.
func TestAShardThatHasLeftIsForgottenOnceNothingOfItIsMissed(t *testing.T) {
	for name, row := range map[string]struct {
		had  string
		held model.Slots // what the first shard serves
		kept int
	}{
		"it had given everything away":               {"", model.EvenShare(0, 3), 3},
		"its last slots went after it was last seen": {"0-99", model.EvenShare(0, 3), 3},
		"slots that it may have had are not served":  {"0-99", model.EvenShare(0, 3).Minus(model.Slots{{First: 0, Last: 99}}), 4},
	} {
		in := sharded()
		in.Snapshot.Shards = append(in.Snapshot.Shards, model.Shard{Name: "cart-shard-3", Index: 3, Leaving: true, Exists: true})
		in.Previous.Shards = []v1alpha1.ShardStatus{{Name: "cart-shard-3", Formed: true, SlotRanges: row.had}}
		c := in.Snapshot.Shards[0].Nodes[0].Server.Cluster
		c.Members = slices.Clone(c.Members)
		c.Members[0].Slots = row.held
		if got := Derive(in).Shards; len(got) != row.kept {
			t.Errorf("%s: %d shards in status, wanted %d", name, len(got), row.kept)
		}
	}
}

func TestAClusterTellsOfAFullDiskInAnyShard(t *testing.T) {
	in := sharded()
	n := &in.Snapshot.Shards[2].Nodes[0]
	n.Server.Unsaved, n.Server.RefusesWrites = model.UnsavedLog, true
	out := Derive(in)
	if have := inShort(out); !slices.Contains(have, "Degraded=True NotPersisting") {
		t.Errorf("%q", have)
	}
	if m := said(out, v1alpha1.ConditionDegraded); !strings.Contains(m, "cart-shard-2-0") {
		t.Errorf("the message %q does not name the node", m)
	}
}
