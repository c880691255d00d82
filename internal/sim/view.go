package sim

import (
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// maxLag is the bound of the simulated policy: a replica that lacks one write
// still counts as synced, one that lacks two does not.
const maxLag = 1

// downAfter is the simulated bound of a silence.
const downAfter = 5 * time.Second

// clientDrain is the simulated bound of a drain.
const clientDrain = 10 * time.Second

var (
	podNames, podUIDs, podAddresses, revisions, historyNames [32]string
)

const goneAddress = "10.9.9.9:6379"

func init() {
	for i := range podNames {
		podNames[i] = fmt.Sprintf("v-%d", i)
		podUIDs[i] = fmt.Sprintf("uid-%d", i)
		podAddresses[i] = fmt.Sprintf("10.0.0.%d:6379", i)
		revisions[i] = fmt.Sprintf("r%d", i)
		historyNames[i] = fmt.Sprintf("history-%d", i)
	}
}

func address(i uint8) string {
	switch i {
	case nobody:
		return ""
	case gone:
		return goneAddress
	}
	return podAddresses[i]
}

func ref(i uint8) model.Ref {
	return model.Ref{Name: podNames[i], UID: podUIDs[i], Address: podAddresses[i]}
}

// View is what the operator sees of a state.
func (w *World) View(s *State) model.Snapshot {
	spec := w.spec(s)
	shard := model.Shard{
		Name: "v", Size: int(s.size),
		Memory:  model.Memory{Formed: s.formed},
		Traffic: w.traffic(s),
	}
	if s.seen {
		shard.Revision = revisions[spec.Rev]
	}
	if s.last != nobody {
		shard.Memory.Primary = podNames[s.last]
	}
	shard.Memory.History = explore.Histories(s.hists[:], historyNames[:])
	shard.Attempt = s.attempt.View()
	for i := range s.n {
		if i < int(s.size) || s.n[i].phase != absent {
			shard.Nodes = append(shard.Nodes, w.viewNode(s, i))
		}
		if s.left(i) {
			shard.Leftovers = append(shard.Leftovers, model.Leftover{Claim: "data-" + podNames[i], Ordinal: i})
		}
	}
	return model.Snapshot{
		Instance: "ns/v", Topology: w.Topology, Shards: []model.Shard{shard},
		Policy: model.Policy{Strategy: w.strategy(), Nodes: int(spec.Nodes), MaxLag: maxLag,
			ClientDrain: clientDrain, DownAfter: downAfter, Durable: w.Durable, Surge: w.surge(s), Paused: spec.Paused},
	}
}

func (w *World) traffic(s *State) model.Traffic {
	t := model.Traffic{Primary: address(s.slice), Quiet: time.Hour}
	if s.busy {
		t.Quiet = 0
	}
	for i := range s.n {
		if s.reads&(1<<i) != 0 {
			t.Replicas = append(t.Replicas, podAddresses[i])
		}
	}
	return t
}

func (w *World) viewNode(s *State, i int) model.Node {
	n := &s.n[i]
	out := model.Node{Ordinal: i, Phase: model.PodPhase(n.phase)}
	out.Name = podNames[i]
	if n.phase == absent {
		return out
	}
	out.Ref = ref(uint8(i))
	out.Ready = s.ready(i)
	out.InService, out.Admitted = n.gate == gateIn, n.gate != gateNever
	out.Revision = revisions[n.rev]
	out.RoleLabel = model.Role(n.label)
	out.Dead = n.proc == procDead && !n.mute()
	out.CannotStart = out.Dead && (n.broken || w.bad(n.rev))
	out.PingEvery = time.Second
	if n.long {
		// The host of a frozen server is well.
		out.SilentFor, out.HostLost = downAfter, n.apart
	}
	out.Draining = n.drain != drainNo
	if n.drain == drainPassed {
		out.DrainingFor = clientDrain
	}
	s.leaver(i).View(&out)
	if n.proc != procDead && !n.mute() {
		out.Server = w.viewServer(s, i)
	}
	return out
}

func (w *World) viewServer(s *State, i int) model.Server {
	n := &s.n[i]
	srv := model.Server{
		Answered: true, Role: model.Role(n.role), Loading: n.proc == procLoading,
		Keys: int64(n.set.count()), Offset: int64(n.set.count()),
		ReplID: replID(i, n.hist), ReplID2: replID(i, n.hist2),
		Offset2: int64(n.off2), FailingOver: n.fail != failNone, Rewriting: n.logging,
	}
	if n.hist2 == 0 {
		srv.ReplID2 = ""
	}
	if n.hist == 0 {
		srv.Offset = 0
	}
	if n.drain != drainNo && n.clients {
		srv.Clients = 1
	}
	if n.role == rolePrimary {
		srv.Acked = s.acked(i)
		return srv
	}
	srv.Follows = model.Nobody
	if n.follows != nobody {
		srv.Follows = address(n.follows)
	}
	if n.deaf {
		srv.LastIO = time.Hour
	}
	srv.LinkUp, srv.Syncing = n.link == linkUp, n.link == linkSyncing
	switch n.link {
	case linkDown, linkSyncing:
		srv.LinkDown = time.Second
	case linkLong:
		srv.LinkDown = time.Minute
	}
	return srv
}

// replID gives a history that nobody else has a name of its own.
func replID(i int, h history) string {
	if h == 0 {
		return "own-" + podNames[i]
	}
	return historyNames[h]
}

// acked are the offsets of the replicas that the primary lists as online.
func (s *State) acked(primary int) map[string]int64 {
	out := map[string]int64{}
	for i := range s.n {
		if n := &s.n[i]; n.proc == procUp && n.role == roleReplica && n.follows == uint8(primary) && n.link == linkUp {
			out[podAddresses[i]] = int64((n.set & s.n[primary].set).count())
		}
	}
	return out
}
