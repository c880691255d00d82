package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// The tests of a cluster begin from three shards of two in service: node 0 of
// each is its primary and serves its even share of the slots; all know each
// other. Node i of shard k has the id "k.i" and the address 10.k.0.i.

func clusterAddr(k, i int) string { return fmt.Sprintf("10.%d.0.%d:6379", k, i) }

// world is a cluster whose members' views are made from what the servers say of
// themselves, just before a plan is asked for.
type world struct {
	model.Snapshot
	// blind are views that differ: what one id sees of another.
	blind map[[2]string]func(*model.Member)
}

func sharded(shards int) *world {
	w := &world{blind: map[[2]string]func(*model.Member){}}
	w.Snapshot = model.Snapshot{Instance: "ns/v", Topology: model.Cluster, Formed: true,
		Policy: model.Policy{Strategy: model.StrategyHandover, Nodes: 2, MaxLag: maxLag, ClientDrain: 10 * time.Second,
			Shards: shards, ParallelShards: 1, DownAfter: 5 * time.Second}}
	for k := range shards {
		w.Shards = append(w.Shards, w.newShard(k, model.EvenShare(k, shards)))
	}
	return w
}

// newShard is a shard in service, with its slots.
func (w *world) newShard(k int, slots model.Slots) model.Shard {
	s := model.Shard{Name: fmt.Sprintf("v-shard-%d", k), Index: k, Revision: "old", Size: 2, Exists: true,
		Memory: model.Memory{Formed: true, Primary: fmt.Sprintf("v-shard-%d-0", k), History: []string{fmt.Sprintf("h%d", k)}, Slots: slots}}
	for i := range 2 {
		n := model.Node{Ordinal: i, Phase: model.PodRunning, Ready: true, InService: true, Admitted: true, Revision: "old",
			Host: fmt.Sprintf("host-%d", i), RoleLabel: model.RoleReplica,
			Ref: model.Ref{Name: fmt.Sprintf("%s-%d", s.Name, i), UID: fmt.Sprintf("uid-%d-%d", k, i), Address: clusterAddr(k, i)},
			Server: model.Server{Answered: true, Version: "9.1.2", Role: model.RoleReplica, Follows: clusterAddr(k, 0), LinkUp: true,
				ReplID: fmt.Sprintf("h%d", k), Offset: 1000, Keys: 10, Cluster: &model.ClusterServer{OK: true, ID: fmt.Sprintf("%d.%d", k, i)}}}
		n.Server.Cluster.Members = []model.Member{{ID: n.Server.Cluster.ID, Address: n.Address, Role: model.RoleReplica, Primary: fmt.Sprintf("%d.0", k), Linked: true}}
		s.Nodes = append(s.Nodes, n)
	}
	lead(&s, 0, slots)
	return s
}

// lead makes a node the primary of its shard, with these slots.
func lead(s *model.Shard, i int, slots model.Slots) {
	for j := range s.Nodes {
		n := &s.Nodes[j]
		if n.Server.Cluster == nil {
			continue
		}
		self := &n.Server.Cluster.Members[0]
		if j == i {
			n.RoleLabel, n.Server.Role, n.Server.Follows, n.Server.LinkUp = model.RolePrimary, model.RolePrimary, "", false
			n.Server.Acked = map[string]int64{}
			self.Role, self.Primary, self.Slots = model.RolePrimary, "", slots
			continue
		}
		n.Server.Role, n.Server.Follows, n.Server.LinkUp, n.Server.Acked = model.RoleReplica, s.Nodes[i].Address, true, nil
		n.RoleLabel = model.RoleReplica
		self.Role, self.Primary, self.Slots = model.RoleReplica, s.Nodes[i].Server.Cluster.ID, nil
	}
	for j := range s.Nodes {
		if j != i {
			s.Nodes[i].Server.Acked[s.Nodes[j].Address] = 1000
		}
	}
}

func (w *world) node(k, i int) *model.Node { return &w.Shards[k].Nodes[i] }

func (w *world) self(k, i int) *model.Member { return &w.node(k, i).Server.Cluster.Members[0] }

// sees changes what one member sees of another.
func (w *world) sees(who, whom string, change func(*model.Member)) {
	w.blind[[2]string{who, whom}] = change
}

// forgets takes a member out of another's view.
func (w *world) forgets(who, whom string) {
	w.sees(who, whom, func(m *model.Member) { m.ID = "" })
}

// parted cuts a member off from all others, both ways.
func (w *world) parted(id string, how func(*model.Member)) {
	for _, n := range w.answering() {
		if other := n.Server.Cluster.ID; other != id {
			w.sees(id, other, how)
			w.sees(other, id, how)
		}
	}
}

func (w *world) answering() []*model.Node {
	var out []*model.Node
	for k := range w.Shards {
		for i := range w.Shards[k].Nodes {
			if n := &w.Shards[k].Nodes[i]; n.Server.Answered && n.Server.Cluster != nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// breakLinks ends the links of replicas whose primary's process has ended, or is cut off
// with its host.
func (w *world) breakLinks() {
	for _, n := range w.answering() {
		var k, i int
		if _, err := fmt.Sscanf(n.Server.Cluster.Members[0].Primary, "%d.%d", &k, &i); err != nil {
			continue
		}
		p := w.node(k, i)
		if p.Phase == model.PodAbsent || p.Dead || p.HostLost || p.Server.Held {
			n.Server.LinkUp, n.Server.LinkDown = false, time.Second
		}
	}
}

// gossip fills every view with what the others say of themselves, and with what
// is remembered of those that do not answer.
func (w *world) gossip(ghosts ...model.Member) {
	w.breakLinks()
	var all []model.Member
	for _, n := range w.answering() {
		all = append(all, n.Server.Cluster.Members[0])
	}
	all = append(all, ghosts...)
	for _, n := range w.answering() {
		id, own := n.Server.Cluster.ID, n.Server.Cluster.Members[0]
		members := []model.Member{own}
		for _, m := range all {
			if m.ID == id {
				continue
			}
			m.Giving, m.Taking = nil, nil
			if change := w.blind[[2]string{id, m.ID}]; change != nil {
				change(&m)
			}
			if m.ID != "" {
				members = append(members, m)
			}
		}
		n.Server.Cluster.Members = members
	}
}

// fresh makes a node one that has just started and belongs to nobody.
func fresh(n *model.Node, id string) {
	n.Ready, n.InService, n.Admitted, n.RoleLabel = false, false, false, model.RoleUnknown
	n.Server = model.Server{Answered: true, Version: "9.1.2", Role: model.RoleReplica, Follows: model.Nobody, ReplID: "own-" + id,
		Cluster: &model.ClusterServer{ID: id, Members: []model.Member{{ID: id, Address: n.Address, Role: model.RolePrimary, Linked: true}}}}
}

// held makes a node a former primary that is held back.
func held(n *model.Node, offset int64) {
	replID := n.Server.ReplID
	n.Server = model.Server{Answered: true, Version: "9.1.2", Role: model.RoleReplica, Follows: model.Nobody, ReplID: replID, Offset: offset, Keys: 10, Held: true}
}

// dead makes a node one whose process has ended.
func dead(n *model.Node) {
	n.Server, n.Dead, n.Ready = model.Server{}, true, false
}

// absentNode is a pod that is not there.
func absentNode(n *model.Node) {
	*n = model.Node{Ordinal: n.Ordinal, Ref: model.Ref{Name: n.Name}}
}

func ghost(id string, slots model.Slots) model.Member {
	return model.Member{ID: id, Address: "10.9.9.9:6379", Role: model.RolePrimary, Failed: true, Slots: slots}
}

// scene is an incident in a cluster: the step wanted for each shard, by number,
// and holds as "k:Reason:node".
type scene struct {
	name  string
	given func() *world
	steps map[int]string
	holds []string
}

func (s scene) check(t *testing.T) {
	t.Helper()
	w := s.given()
	p, err := plan.Next(w.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	for k, shard := range w.Shards {
		got := ""
		if step := p.Steps[shard.Name]; step != nil {
			got = step.String()
		}
		if got != s.steps[k] {
			t.Errorf("shard %d: the step is %q, wanted %q", k, got, s.steps[k])
		}
	}
	var held []string
	for _, h := range p.Holds {
		if h.Detail == "" {
			t.Errorf("hold %s says nothing", h.Reason)
		}
		held = append(held, fmt.Sprintf("%s:%s:%s", h.Shard[len("v-shard-"):], h.Reason, h.Node))
	}
	if !slices.Equal(held, s.holds) {
		t.Errorf("holds %v, wanted %v\n%v", held, s.holds, p.Holds)
	}
}

func play(t *testing.T, scenes []scene) {
	t.Helper()
	for _, s := range scenes {
		t.Run(s.name, s.check)
	}
}
