package sentinel

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// maxLag is the bound of the simulated policy: a replica that lacks one write still
// counts as synced.
const maxLag = 1

const clientDrain = 10 * time.Second

const goneAddress = "v-gone:6379"

var (
	settings = model.WatchSettings{Quorum: quorum, DownAfter: 5 * time.Second, FailoverTimeout: 10 * time.Second}

	podNames, podUIDs, podAddresses, hostNames            [maxNodes]string
	sentinelNames, sentinelUIDs, sentinelAts, sentinelIDs [maxSentinels]string
	historyNames                                          [32]string
)

func init() {
	for i := range podNames {
		podNames[i], podUIDs[i] = fmt.Sprintf("v-%d", i), fmt.Sprintf("uid-%d", i)
		podAddresses[i], hostNames[i] = fmt.Sprintf("10.0.0.%d:6379", i), fmt.Sprintf("v-%d.v:6379", i)
	}
	for k := range sentinelNames {
		sentinelNames[k], sentinelUIDs[k] = fmt.Sprintf("s-%d", k), fmt.Sprintf("s-uid-%d", k)
		sentinelAts[k], sentinelIDs[k] = fmt.Sprintf("10.0.1.%d:26379", k), fmt.Sprintf("id-%d", k)
	}
	for h := range historyNames {
		historyNames[h] = fmt.Sprintf("history-%d", h)
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

// named is what a Sentinel says, as the operator reads it: the address of the pod that
// goes by the name, or the name.
func (s *State) named(i int) string {
	if s.n[i].phase == absent {
		return hostNames[i]
	}
	return podAddresses[i]
}

func ref(i int) model.Ref {
	return model.Ref{Name: podNames[i], UID: podUIDs[i], Address: podAddresses[i]}
}

func sentinelRef(k int) model.Ref {
	return model.Ref{Name: sentinelNames[k], UID: sentinelUIDs[k], Address: sentinelAts[k]}
}

// View is what the operator sees of a state.
func (w *World) View(s *State) model.Snapshot {
	shard := model.Shard{Name: "v", Exists: true, Revision: "new", Size: int(s.size), Memory: model.Memory{Formed: s.formed},
		Traffic: model.Traffic{Primary: address(s.slice), Quiet: time.Hour}}
	shard.Memory.Primary = podNames[s.last]
	shard.Memory.History = explore.Histories(s.hists[:], historyNames[:])
	shard.Attempt = s.attempt.View()
	for i := range s.n {
		if s.reads&(1<<i) != 0 {
			shard.Traffic.Replicas = append(shard.Traffic.Replicas, podAddresses[i])
		}
		if i < int(s.size) || s.n[i].phase != absent {
			shard.Nodes = append(shard.Nodes, w.viewNode(s, i))
		}
	}
	return model.Snapshot{Instance: "ns/v", Topology: model.Sentinel, Formed: true, Shards: []model.Shard{shard}, Sentinels: w.viewSentinels(s),
		Policy: model.Policy{Strategy: model.StrategyHandover, Nodes: int(w.Wanted), MaxLag: maxLag, ClientDrain: clientDrain, Durable: w.Durable,
			Surge: w.Surge}}
}

func revision(stale bool) string {
	if stale {
		return "old"
	}
	return "new"
}

func (w *World) viewNode(s *State, i int) model.Node {
	n := &s.n[i]
	out := model.Node{Ordinal: i}
	out.Name = podNames[i]
	switch n.phase {
	case absent:
		return out
	case running:
		out.Phase = model.PodRunning
	case terminating:
		out.Phase = model.PodTerminating
	}
	out.Ref = ref(i)
	out.Ready = s.ready(i)
	out.InService, out.Admitted = n.gate == gateIn, n.gate != gateNever
	out.Revision = revision(n.stale)
	out.Dead = !n.up
	out.Draining = n.drain != drainNo
	s.leaver(i).View(&out)
	if n.drain == drainPassed {
		out.DrainingFor = clientDrain
	}
	if n.gate != gateNever {
		out.RoleLabel = model.RoleReplica
		if n.labeled {
			out.RoleLabel = model.RolePrimary
		}
	}
	if s.heard(i) {
		out.Server = w.viewServer(s, i)
	}
	return out
}

func (w *World) viewServer(s *State, i int) model.Server {
	n := &s.n[i]
	srv := model.Server{Answered: true, Uptime: time.Minute, Role: model.RoleReplica, Keys: int64(n.set.count()), Offset: int64(n.set.count()),
		ReplID: replID(i, n.hist), Offset2: int64(n.off2), FailingOver: n.fail != failNone, Priority: model.UsualPriority}
	if n.hist2 != 0 {
		srv.ReplID2 = historyNames[n.hist2]
	}
	switch {
	case n.zero:
		srv.Priority = 0
	case n.late:
		srv.Priority = model.LastPriority
	}
	if n.hist == 0 {
		srv.Offset = 0
	}
	if n.drain != drainNo && n.clients {
		srv.Clients = 1
	}
	if n.paused {
		srv.PausedFor = time.Hour
	}
	if n.primary {
		srv.Role, srv.Acked = model.RolePrimary, map[string]int64{}
		for j := range s.n {
			if r := &s.n[j]; r.up && r.follows == uint8(i) && r.linked {
				srv.Acked[podAddresses[j]] = int64((r.set & n.set).count())
			}
		}
		return srv
	}
	srv.Follows = model.Nobody
	if n.follows != nobody {
		srv.Follows = address(n.follows)
	}
	srv.LinkUp = n.linked
	if !n.linked {
		srv.LinkDown = time.Second
	}
	return srv
}

// replID gives a history that nobody else has a name of its own.
func replID(i int, h uint8) string {
	if h == 0 {
		return "own-" + podNames[i]
	}
	return historyNames[h]
}

// The versions of Sentinels of the two revisions.
const (
	earlierVersion = "8.1.0"
	laterVersion   = "9.1.1"
)

func (w *World) version(stale bool) string {
	if stale && w.Rises {
		return earlierVersion
	}
	return laterVersion
}

func (w *World) viewSentinels(s *State) model.SentinelSet {
	set := model.SentinelSet{Name: "s", Exists: true, Revision: "new", Size: int(s.sentinels), Wanted: int(w.WantedSentinels),
		Settings: settings, Version: laterVersion}
	for k := range s.s {
		t := &s.s[k]
		if k >= int(s.sentinels) && t.phase == absent {
			continue
		}
		n := model.SentinelNode{Ordinal: k}
		n.Name = sentinelNames[k]
		if t.phase != absent {
			n.Ref, n.Phase, n.Revision = sentinelRef(k), model.PodRunning, revision(t.stale)
			if t.phase == terminating {
				n.Phase = model.PodTerminating
			}
			n.Ready, n.Dead = t.up, !t.up
		}
		if s.answers(k) {
			n.Answered, n.Version, n.ID = true, w.version(t.stale), sentinelIDs[k]
			n.Watch = s.viewWatch(k)
		}
		set.Nodes = append(set.Nodes, n)
	}
	return set
}

func (s *State) viewWatch(k int) *model.Watch {
	t := &s.s[k]
	if t.watch == nobody {
		return nil
	}
	out := &model.Watch{Primary: s.named(int(t.watch)), Epoch: int64(t.epoch), Settings: settings, Down: t.down,
		FailingOver: s.fo.kind != foNone && s.fo.by == uint8(k)}
	out.Coordinated = out.FailingOver && s.fo.kind == foCoordinated
	if t.watch < maxNodes && t.lost&(1<<t.watch) != 0 {
		out.SilentFor = time.Hour
	}
	if t.unset {
		out.Settings = model.WatchSettings{Quorum: quorum}
	}
	for i := range s.n {
		if t.knows&(1<<i) == 0 || t.watch == uint8(i) {
			continue
		}
		r := model.WatchedReplica{Address: s.named(i), Down: !s.sees(k, uint8(i)), Chosen: out.FailingOver && s.fo.part > 1 && s.fo.to == uint8(i)}
		switch {
		case t.late&(1<<i) != 0:
			r.Priority = model.LastPriority
		case t.ranked&(1<<i) != 0:
			r.Priority = model.UsualPriority
		}
		out.Replicas = append(out.Replicas, r)
	}
	usable := 1
	for o := range s.s {
		if t.others&(1<<o) != 0 {
			out.Others = append(out.Others, model.WatchedSentinel{ID: sentinelIDs[o], Down: !s.calls(k, o)})
			if s.calls(k, o) {
				usable++
			}
		}
	}
	if usable < max(quorum, (bits.OnesCount8(t.others)+1)/2+1) {
		out.NoQuorum = "NOQUORUM"
	}
	return out
}
