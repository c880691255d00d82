package plan

import (
	"math"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// newestHistory are the nodes whose history is the newest that any of them has,
// among those that are known.
func newestHistory(shard model.Shard, nodes []model.Node) []model.Node {
	best := unknown
	var out []model.Node
	for _, n := range nodes {
		switch rank := historyRank(shard, n); {
		case rank == unknown || rank > best:
		case rank < best:
			best, out = rank, []model.Node{n}
		default:
			out = append(out, n)
		}
	}
	return out
}

// The ranks of histories: the lower, the newer.
const (
	continued = -1 // continues the newest one that is remembered
	newest    = 0
	unknown   = math.MaxInt
)

// historyRank ranks the history that a copy belongs to.
func historyRank(shard model.Shard, n model.Node) int {
	return rankOf(shard, belongs(shard, n), n.Server.ReplID2)
}

// belongs is the history that a copy belongs to. One that has been told of a new
// history and has not received a byte of it yet is still a copy of the one
// before: others may have more of that.
func belongs(shard model.Shard, n model.Node) string {
	srv := n.Server
	if srv.Offset < srv.Offset2 && slices.Contains(shard.Memory.History, srv.ReplID2) {
		return srv.ReplID2
	}
	return srv.ReplID
}

// rankOf is 0 for the newest remembered history, more for older ones. An
// operator that died after a handover has not written down the history that
// began with it: one that continues the newest remembered one is newer still.
func rankOf(shard model.Shard, id, continues string) int {
	if rank := slices.Index(shard.Memory.History, id); rank >= 0 {
		return rank
	}
	if len(shard.Memory.History) > 0 && continues == shard.Memory.History[0] {
		return continued
	}
	return unknown
}

func sameHistory(shard model.Shard, nodes []model.Node) bool {
	for _, n := range nodes {
		if belongs(shard, n) != belongs(shard, nodes[0]) {
			return false
		}
	}
	return true
}

// anyUnknown says that one of the copies has a history that is not remembered.
// It may be an old one, or the very newest, whose beginning no operator lived to
// write down.
func anyUnknown(shard model.Shard, copies []model.Node) bool {
	return slices.ContainsFunc(copies, func(n model.Node) bool { return historyRank(shard, n) == unknown })
}
