package cluster

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// maxLag is the bound of the simulated policy: a replica that lacks one write
// still counts as synced, one that lacks two does not.
const maxLag = 1

const (
	clientDrain = time.Minute
	downAfter   = 5 * time.Second
)

const goneAddress = "10.9.9.9:6379"

// extraPlace is that of a third node in the first shard: the extra one of its rollout.
const extraPlace = 6

// nodesOf are the places of each shard, in order of the ordinal.
var nodesOf = [maxShards][]int{{0, 1, extraPlace}, {2, 3}, {4, 5}}

func shardOf(i int) int {
	if i == extraPlace {
		return 0
	}
	return i / 2
}

func ordinalOf(i int) int {
	if i == extraPlace {
		return 2
	}
	return i % 2
}

func shardName(k int) string { return fmt.Sprintf("v-%d", k) }

var podNames, podAddresses, historyNames = names()

func names() (pods, addresses [maxNodes]string, histories [64]string) {
	for i := range maxNodes {
		pods[i] = fmt.Sprintf("v-%d-%d", shardOf(i), ordinalOf(i))
		addresses[i] = fmt.Sprintf("10.%d.0.%d:6379", shardOf(i), ordinalOf(i))
	}
	for h := range histories {
		histories[h] = fmt.Sprintf("history-%d", h)
	}
	return pods, addresses, histories
}

func idName(who id) string {
	switch {
	case who == nobody:
		return ""
	case who&ghost != 0:
		return podNames[who&^ghost] + "-before"
	}
	return podNames[who]
}

func ref(i int) model.Ref {
	return model.Ref{Name: podNames[i], UID: "uid-" + podNames[i], Address: podAddresses[i]}
}

// View is what the operator sees of a state.
func (w *World) View(s *State) model.Snapshot {
	snap := model.Snapshot{Instance: "ns/v", Topology: model.Cluster, Formed: s.formed,
		Policy: model.Policy{Strategy: model.StrategyHandover, Nodes: w.size(), MaxLag: maxLag, ClientDrain: clientDrain, DownAfter: downAfter,
			Durable: w.Durable, Surge: w.Surge, Shards: w.wished(s), ParallelShards: max(1, w.Parallel), ReassignEmpty: w.ReassignEmpty || s.reassign}}
	for k := range w.shards() {
		snap.Shards = append(snap.Shards, w.viewShard(s, k))
	}
	return snap
}

func (w *World) viewShard(s *State, k int) model.Shard {
	one := &s.k[k]
	shard := model.Shard{Name: shardName(k), Index: k, Leaving: k >= w.wished(s), Exists: true, Revision: "new", Size: int(one.size),
		Memory: model.Memory{Formed: one.formed, Slots: w.slots(one.slots)}}
	if one.last != 0 {
		shard.Memory.Primary = podNames[one.last-1]
	}
	shard.Memory.History = explore.Histories(one.hists[:], historyNames[:])
	shard.Attempt = one.attempt.View()
	for i := range w.nodes() {
		if shardOf(i) == k && (ordinalOf(i) < int(one.size) || s.n[i].phase != absent) {
			shard.Nodes = append(shard.Nodes, w.viewNode(s, i))
		}
	}
	return shard
}

func (w *World) viewNode(s *State, i int) model.Node {
	n := &s.n[i]
	out := model.Node{Ordinal: ordinalOf(i)}
	out.Name = podNames[i]
	if n.phase == absent || n.phase == forgotten {
		return out
	}
	out.Ref, out.Host, out.HostLost = ref(i), "host-of-"+podNames[i], n.cut == cutFor
	out.Phase = model.PodRunning
	if n.phase == terminating {
		out.Phase = model.PodTerminating
	}
	out.Ready, out.InService, out.Admitted = s.ready(i), n.gate == gateIn, n.gate != gateNever
	out.Revision = "new"
	if n.stale {
		out.Revision = "old"
	}
	out.Dead = n.proc == dead && !n.silent && n.cut == cutNo
	out.Draining = n.drain != drainNo
	s.leaver(i).View(&out)
	if n.drain == drainPassed {
		out.DrainingFor = clientDrain
	}
	if n.proc != dead && !n.silent && n.cut == cutNo {
		out.Server = w.viewServer(s, i)
	}
	// Labels follow at once: they are for people.
	out.RoleLabel = out.Server.Role
	return out
}

func (w *World) viewServer(s *State, i int) model.Server {
	n := &s.n[i]
	srv := model.Server{Answered: true, Version: "9.1.2"}
	if n.drain == drainBegun {
		srv.Clients = 1
	}
	if n.proc == held {
		srv.Held, srv.Role, srv.Follows = true, model.RoleReplica, model.Nobody
		w.copyOf(&srv, i, n.diskHist, 0, n.diskSet)
		return srv
	}
	w.copyOf(&srv, i, n.hist, n.hist2, n.set)
	srv.FailingOver = n.fail != 0
	srv.Cluster = w.viewCluster(s, i)
	switch {
	case !n.primary:
		srv.Role, srv.Follows, srv.LinkUp = model.RoleReplica, goneAddress, n.linked
		srv.Unlinked = !n.linked && !n.fit
		if n.follows < maxNodes {
			srv.Follows = podAddresses[n.follows]
		}
	case s.owned(i) == 0 && !s.followed(i):
		srv.Role, srv.Follows = model.RoleReplica, model.Nobody
	default:
		srv.Role, srv.Acked = model.RolePrimary, s.acked(i)
	}
	if !srv.LinkUp {
		srv.LinkDown = time.Second
	}
	return srv
}

// copyOf shows a copy of the data. A history that nobody else has bears a name of
// its own.
func (w *World) copyOf(srv *model.Server, i int, hist, hist2 uint8, set writes) {
	srv.Keys, srv.Offset = int64(set.count()), int64(set.count())
	srv.ReplID = "own-" + podNames[i]
	if hist != 0 {
		srv.ReplID = historyNames[hist]
	} else {
		srv.Offset = 0
	}
	if hist2 != 0 {
		srv.ReplID2 = historyNames[hist2]
	}
}

// followed: in its own eyes somebody is its replica.
func (s *State) followed(i int) bool {
	for j := range s.n {
		m := &s.n[j]
		if j != i && m.conf && !m.primary && m.follows == id(i) && m.part == s.n[i].part && s.n[i].forgot&(1<<j) == 0 {
			return true
		}
	}
	return false
}

// acked are the offsets of the replicas that the primary lists as online.
func (s *State) acked(p int) map[string]int64 {
	out := map[string]int64{}
	for i := range s.n {
		if n := &s.n[i]; n.proc == up && !n.primary && n.follows == id(p) && n.linked {
			out[podAddresses[i]] = int64((n.set & s.n[p].set).count())
		}
	}
	return out
}

func (w *World) viewCluster(s *State, i int) *model.ClusterServer {
	n := &s.n[i]
	c := &model.ClusterServer{ID: idName(id(i)), OK: s.ok(i, w.all())}
	for j := range w.nodes() {
		if j == i || (s.n[j].conf && s.n[j].part == n.part && n.forgot&(1<<j) == 0) {
			c.Members = append(c.Members, w.viewMember(s, i, j))
		}
		if n.ghosts&(1<<j) != 0 {
			c.Members = append(c.Members, w.viewGhost(s, i, id(j)|ghost))
		}
	}
	if n.meets != 0 && s.n[n.meets-1].part != n.part {
		c.Members = append(c.Members, model.Member{ID: "handshake", Address: podAddresses[n.meets-1], Handshake: true})
	}
	switch {
	case n.moves != 0:
		c.Moves = []model.Move{{Name: "m", To: idName(n.movesTo), Slots: w.slots(n.moves)}}
	case n.moveFailed:
		c.Moves = []model.Move{{Name: "m", To: idName(n.movesTo), State: model.MoveFailed, Message: "it failed"}}
	}
	return c
}

func (w *World) viewGhost(s *State, i int, who id) model.Member {
	return model.Member{ID: idName(who), Address: goneAddress, Role: model.RolePrimary, Failed: s.majority(i), Suspected: true,
		Slots: w.slots(s.n[i].table.of(who))}
}

// viewMember is j as i sees it.
func (w *World) viewMember(s *State, i, j int) model.Member {
	m := &s.n[j]
	out := model.Member{ID: idName(id(j)), Address: podAddresses[j], Linked: s.reach(i, j), Epoch: int64(m.epoch)}
	if !out.Linked {
		out.Suspected, out.Failed = true, s.majority(i)
		if m.phase == absent || m.lost {
			out.Address = goneAddress
		}
	}
	out.Slots = w.slots(s.n[i].table.of(id(j)))
	switch {
	case !out.Slots.Empty():
		out.Role = model.RolePrimary
	case !m.primary:
		out.Role, out.Primary = model.RoleReplica, idName(m.follows)
	default:
		out.Role = model.RolePrimary
		if over := s.overtaken(i, j); over != nobody {
			out.Role, out.Primary = model.RoleReplica, idName(over)
		}
	}
	return out
}

// overtaken is whom i still takes for the owner of what j has won: j passes for its
// replica.
func (s *State) overtaken(i, j int) id {
	claims := s.n[j].table.of(id(j))
	if claims == 0 {
		return nobody
	}
	old := s.n[i].table.owner(bits.TrailingZeros16(uint16(claims)))
	if old == nobody || s.epochOf(old) >= s.n[j].epoch || shardOf(int(old&^ghost)) != shardOf(j) {
		return nobody
	}
	return old
}
