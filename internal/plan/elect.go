package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// elect finds a primary for a shard that has none: a new shard, or one whose
// primary is gone for certain. It never promotes while a server that may be
// primary is merely silent.
func elect(_ topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	if len(shard.Primaries()) > 0 {
		return model.Decision{}
	}
	if n, silent := maybePrimary(shard); silent {
		return hold(shard, model.PrimaryNotVisible, n.Name,
			"its server does not answer and may still be primary; nothing is promoted before it answers or has ended")
	}
	if best, ok := successor(shard); ok {
		return model.Do(model.Promote{Node: best.Ref, Why: "the primary is gone, and this replica was in service with the most of its history"})
	}
	if d := allCopiesSeen(policy, shard); d.Made() {
		return d
	}
	return bestCopy(shard)
}

// maybePrimary finds a node that has been in service, does not answer, and is
// not known to be dead.
func maybePrimary(shard model.Shard) (model.Node, bool) {
	for _, n := range shard.Nodes {
		if n.Phase != model.PodAbsent && n.Admitted && !n.Server.Answered && !n.Dead {
			return n, true
		}
	}
	return model.Node{}, false
}

// successor is the replica that followed the lost primary until its end and has
// the most of its history. Its copy is in memory and as new as replication
// allows, so nobody's disk is waited for.
func successor(shard model.Shard) (model.Node, bool) {
	var able []model.Node
	for _, n := range shard.Nodes {
		if n.Healthy() && n.InService && following(n) && historyRank(shard, n) == 0 {
			able = append(able, n)
		}
	}
	if len(able) == 0 {
		return model.Node{}, false
	}
	return mostComplete(able), true
}

// following says that the server has been told to follow a real primary since
// it booted, and holds a whole copy.
func following(n model.Node) bool {
	srv := n.Server
	return srv.Role == model.RoleReplica && srv.Follows != model.Nobody && !srv.Loading && !srv.Syncing
}

// mostComplete has the highest offset; the lowest ordinal among equals.
func mostComplete(nodes []model.Node) model.Node {
	return slices.MinFunc(nodes, func(a, b model.Node) int {
		if c := cmp.Compare(b.Server.Offset, a.Server.Offset); c != 0 {
			return c
		}
		return cmp.Compare(a.Ordinal, b.Ordinal)
	})
}

// allCopiesSeen holds until every node that may hold the newest data has
// answered, so that an empty or older copy never wins over a newer one.
func allCopiesSeen(policy model.Policy, shard model.Shard) model.Decision {
	var holds []model.Hold
	answered := false
	for _, n := range shard.Nodes {
		whole := n.Phase != model.PodTerminating && n.Server.Answered && !n.Server.Loading
		answered = answered || whole
		if whole || !mayHoldCopy(policy, n) {
			continue
		}
		detail := "it may hold the newest data and has not answered yet"
		if n.Trouble != "" {
			detail += ": " + n.Trouble
		}
		holds = append(holds, model.Hold{Shard: shard.Name, Reason: model.WaitingForCopies, Node: n.Name, Detail: detail})
	}
	if len(holds) == 0 && !answered {
		return hold(shard, model.PodStarting, "", "no server answers yet")
	}
	return model.Wait(holds...)
}

// mayHoldCopy says whether a node that does not answer may come back with data:
// it has a volume, or its pod has been in service and keeps its emptyDir.
func mayHoldCopy(policy model.Policy, n model.Node) bool {
	return policy.Durable || (n.Phase != model.PodAbsent && n.Admitted)
}

// bestCopy compares all copies after a start from disk, or from nothing.
func bestCopy(shard model.Shard) model.Decision {
	var able []model.Node
	for _, n := range shard.Nodes {
		if n.Phase == model.PodRunning && n.Server.Answered && n.Server.Role == model.RoleReplica && !n.Server.Loading {
			able = append(able, n)
		}
	}
	if known := newestHistory(shard, able); len(known) > 0 {
		return model.Do(model.Promote{Node: mostComplete(known).Ref, Why: "it holds the most of the newest known history"})
	}
	full := slices.DeleteFunc(slices.Clone(able), func(n model.Node) bool { return n.Server.Keys == 0 })
	switch {
	case len(full) == 0:
		return promoteEmpty(shard, able)
	case len(full) == 1 && (!shard.Memory.Formed || full[0].Name == shard.Memory.Primary):
		return model.Do(model.Promote{Node: full[0].Ref, Why: "it is the only node with data"})
	case sameHistory(full):
		return model.Do(model.Promote{Node: mostComplete(full).Ref, Why: "all data share one history, and it holds the most of it"})
	}
	return promoteRemembered(shard, full)
}

// promoteEmpty starts a shard in which no node holds anything.
func promoteEmpty(shard model.Shard, able []model.Node) model.Decision {
	if len(able) == 0 {
		return hold(shard, model.PodStarting, "", "no server is ready to be promoted yet")
	}
	why := "a new shard"
	if shard.Memory.Formed {
		why = "no node holds any data, so none can be lost"
	}
	first := slices.MinFunc(able, func(a, b model.Node) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return model.Do(model.Promote{Node: first.Ref, Why: why})
}

// promoteRemembered falls back to the last primary that was seen when the
// servers forgot their histories (an append-only file does not keep them). No
// key count is ever a reason: more keys are not newer keys.
func promoteRemembered(shard model.Shard, full []model.Node) model.Decision {
	for _, n := range full {
		if n.Name == shard.Memory.Primary {
			return model.Do(model.Promote{Node: n.Ref, Why: "the copies have no common history, and it was the last primary"})
		}
	}
	var holds []model.Hold
	for _, n := range full {
		holds = append(holds, model.Hold{Shard: shard.Name, Reason: model.HistoryUnknown, Node: n.Name,
			Detail: fmt.Sprintf("it holds %d keys of history %.8s at offset %d; which copy is the newest cannot be told: "+
				"choose one and run REPLICAOF NO ONE on it", n.Server.Keys, n.Server.ReplID, n.Server.Offset)})
	}
	return model.Wait(holds...)
}

// newestHistory are the nodes whose history is the newest that any of them has,
// among those that are remembered.
func newestHistory(shard model.Shard, nodes []model.Node) []model.Node {
	best := -1
	var out []model.Node
	for _, n := range nodes {
		rank := historyRank(shard, n)
		switch {
		case rank < 0 || (best >= 0 && rank > best):
		case best < 0 || rank < best:
			best, out = rank, []model.Node{n}
		default:
			out = append(out, n)
		}
	}
	return out
}

// historyRank is 0 for the newest remembered history, more for older ones, -1
// for one that is not remembered.
func historyRank(shard model.Shard, n model.Node) int {
	return slices.Index(shard.Memory.History, n.Server.ReplID)
}

func sameHistory(nodes []model.Node) bool {
	for _, n := range nodes {
		if n.Server.ReplID != nodes[0].Server.ReplID {
			return false
		}
	}
	return true
}
