package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// elect finds a primary for a shard that has none: a new shard, or one whose
// primary is gone. It never promotes while a server that may be primary is merely
// silent to the operator: what else has to speak for its loss is the topology's.
func elect(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	if len(shard.Primaries()) > 0 && !rules.Outdated(shard) {
		return model.Decision{}
	}
	how, d := rules.Missing(shard)
	if d.Made() {
		return d
	}
	if d := rules.Vacancy(shard); d.Made() {
		return d
	}
	if d := halfway(shard); d.Made() {
		return d
	}
	if d := successor(rules, shard, how); d.Made() {
		return d
	}
	if d := unstarted(policy, shard); d.Made() {
		return d
	}
	if d := allCopiesSeen(rules, policy, shard); d.Made() {
		return d
	}
	if old, ok := shard.Primary(); ok {
		return newerCopy(rules, shard, old)
	}
	return bestCopy(rules, shard)
}

// halfway deals with a primary that has demoted itself for a FAILOVER and whose
// target has not taken over yet. It has all that was ever acknowledged, and asks
// again and again: only when the target can certainly not answer any more does
// it become primary again. One that is outdated and has yet to demote itself is left to
// its FAILOVER.
func halfway(shard model.Shard) model.Decision {
	for _, n := range shard.Nodes {
		if !n.Server.Answered || !n.Server.FailingOver {
			continue
		}
		if n.Server.Role == model.RolePrimary {
			return hold(shard, model.HandoverInProgress, n.Name, "a FAILOVER runs on it; whether its copy is out of date is judged when that has ended")
		}
		if mayTakeOver(shard, n) {
			return hold(shard, model.HandoverInProgress, n.Name,
				"it has demoted itself for a FAILOVER; its target is about to take over")
		}
		return model.Do(model.Promote{Node: n.Ref, Why: "its FAILOVER has lost its target, and nobody has more than it has"})
	}
	return model.Decision{}
}

// mayTakeOver says whether the target of a FAILOVER that runs on n still could.
func mayTakeOver(shard model.Shard, n model.Node) bool {
	for _, target := range shard.Nodes {
		if target.Address == n.Server.Follows && target.Phase != model.PodAbsent {
			return !target.Dead && (!target.Server.Answered || target.Server.Follows != model.Nobody)
		}
	}
	return false
}

// successor is the node with the most of the lost primary's history, once a
// replica is in service that followed it until its end. What a server has is in
// memory and as new as replication allows, so nobody's disk is waited for; but
// whoever answers and has more counts, also one that was not put into service
// yet, or has just booted.
func successor(rules topology.Rules, shard model.Shard, how string) model.Decision {
	served := false
	var able []model.Node
	for _, n := range shard.Nodes {
		if n.Phase == model.PodRunning && whole(n) && rankOf(shard, n.Server.ReplID, n.Server.ReplID2) <= newest {
			able = append(able, n)
			served = served || (n.Healthy() && following(n))
		}
	}
	if !served {
		return model.Decision{}
	}
	d := promoteNewest(rules, shard, able, cmp.Or(how, "the primary is gone")+", and this replica has the most of its history")
	if p, ok := d.Step.(model.Promote); ok && p.Node.Name != shard.Memory.Primary {
		p.Lost = shard.Memory.Primary
		d.Step = p
	}
	return d
}

// whole says that a replica's copy is complete as far as it goes.
func whole(n model.Node) bool {
	return n.Server.Answered && n.Server.Role == model.RoleReplica && !n.Server.Loading && !n.Server.Syncing
}

// following says that the node is in service and its server has been told to
// follow a real primary since it booted. In a cluster it is told so by its own
// nodes.conf: there it has to have been linked.
func following(n model.Node) bool {
	return n.InService && n.Server.Follows != model.Nobody && !n.Server.Unlinked
}

// mostComplete has the highest offset; among equals one that was following, and
// the lowest ordinal.
func mostComplete(nodes []model.Node) model.Node {
	return slices.MinFunc(nodes, func(a, b model.Node) int {
		if c := cmp.Compare(b.Server.Offset, a.Server.Offset); c != 0 {
			return c
		}
		if following(a) != following(b) {
			return followingFirst(a)
		}
		return cmp.Compare(a.Ordinal, b.Ordinal)
	})
}

func followingFirst(a model.Node) int {
	if following(a) {
		return -1
	}
	return 1
}

// allCopiesSeen holds until every node that may hold the newest data has
// answered, so that an empty or older copy never wins over a newer one. One that
// cannot start as it is gets the newest revision: it may be what mends it.
func allCopiesSeen(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	var holds []model.Hold
	answered := false
	for _, n := range shard.Nodes {
		there := n.Phase != model.PodTerminating && n.Server.Answered && !n.Server.Loading
		answered = answered || there
		if there || !mayHoldCopy(policy, shard, n) {
			continue
		}
		if rollout.RestartsUnled(policy, shard, n) {
			return model.Do(model.Restart{Node: n.Ref, Revision: shard.Revision,
				Why: "it does not run, its revision is superseded, and its data outlive the pod"})
		}
		h := model.Hold{Shard: shard.Name, Reason: model.WaitingForCopies, Node: n.Name,
			Detail: "it may hold the newest data and " + whyNotThere(n) + instead(rules, shard)}
		if n.Trouble != "" {
			h.Reason, h.Detail = model.NodeDown, n.Trouble+" (it may hold the newest data"+instead(rules, shard)+")"
		}
		holds = append(holds, h)
	}
	if len(holds) == 0 && !answered {
		return nobodyAnswers(shard)
	}
	return model.Wait(holds...)
}

// nobodyAnswers says what keeps the servers of a shard, in which no copy is waited for.
func nobodyAnswers(shard model.Shard) model.Decision {
	var holds []model.Hold
	for _, n := range shard.Nodes {
		if n.Trouble != "" {
			holds = append(holds, model.Hold{Shard: shard.Name, Reason: model.NodeDown, Node: n.Name, Detail: n.Trouble})
		}
	}
	if len(holds) == 0 {
		return hold(shard, model.PodStarting, "", "no server answers yet")
	}
	return model.Wait(holds...)
}

// instead is what a person can do who knows that a copy is gone for good: choose another.
func instead(rules topology.Rules, shard model.Shard) string {
	for _, n := range promotable(shard) {
		if n.Server.Keys > 0 {
			return fmt.Sprintf("; if it is gone for good, choose one that is there: for %s, run %s on it", n.Name, rules.Chosen(n))
		}
	}
	return ""
}

// whyNotThere says what is missing until a copy can be compared.
func whyNotThere(n model.Node) string {
	switch {
	case !n.Server.Answered:
		return "has not answered yet"
	case n.Server.Loading:
		return "still loads it"
	}
	return "its pod is on its way out: the next one of that name is waited for"
}

// mayHoldCopy says whether a node that does not answer may come back with data:
// it has a volume on which something can be, or its pod has been in service and keeps its emptyDir, or a
// server may run in it: one that has synchronised, or has even been promoted,
// and was not put into service yet.
func mayHoldCopy(policy model.Policy, shard model.Shard, n model.Node) bool {
	started := n.Phase == model.PodRunning || n.Phase == model.PodTerminating
	return (policy.Durable && !n.Blank) || (n.Phase != model.PodAbsent && shard.Served(n)) || (started && !n.Dead)
}

// newerCopy compares all copies with that of an outdated primary. If none is newer,
// that one is the best there is, and goes on.
func newerCopy(rules topology.Rules, shard model.Shard, old model.Node) model.Decision {
	ended := slices.Index(shard.Memory.History, old.Server.ReplID)
	if ended < 0 {
		ended = slices.Index(shard.Memory.History, old.Server.ReplID2)
	}
	newer := slices.DeleteFunc(promotable(shard), func(n model.Node) bool {
		return n.Server.Keys == 0 || historyRank(shard, n) >= ended
	})
	return promoteNewest(rules, shard, newer, fmt.Sprintf("it holds newer data than %s, which has come back as the primary that it was", old.Name))
}

// promotable are the servers that could be made the primary.
func promotable(shard model.Shard) []model.Node {
	var able []model.Node
	for _, n := range shard.Nodes {
		if n.Phase == model.PodRunning && n.Server.Answered && n.Server.Role == model.RoleReplica && !n.Server.Loading {
			able = append(able, n)
		}
	}
	return able
}

// bestCopy compares all copies after a start from disk, or from nothing.
func bestCopy(rules topology.Rules, shard model.Shard) model.Decision {
	able := promotable(shard)
	full := slices.DeleteFunc(slices.Clone(able), func(n model.Node) bool { return n.Server.Keys == 0 })
	if len(newestHistory(shard, full)) > 0 && !anyUnknown(shard, full) {
		return promoteNewest(rules, shard, full, "it holds the most of the newest known history")
	}
	switch {
	case len(full) == 0:
		return promoteEmpty(rules, shard, able)
	case len(full) == 1 && (!shard.Memory.Formed || full[0].Name == shard.Memory.Primary):
		return promotion(rules, shard, full[0], "it is the only node with data")
	case sameHistory(shard, full):
		return promotion(rules, shard, mostComplete(full), "all data share one history, and it holds the most of it")
	}
	return promoteRemembered(rules, shard, full)
}

// promoteEmpty starts a shard in which no node holds anything.
func promoteEmpty(rules topology.Rules, shard model.Shard, able []model.Node) model.Decision {
	if d := rules.Empty(shard, able); d.Made() {
		return d
	}
	if len(able) == 0 {
		return hold(shard, model.PodStarting, "", "no server is ready to be promoted yet")
	}
	why := "a new shard"
	if shard.Memory.Formed {
		why = "no node holds any data, so none can be lost"
	}
	first := slices.MinFunc(able, func(a, b model.Node) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return promotion(rules, shard, first, why)
}

// promoteRemembered falls back to the last primary that was seen, by us or by those who
// elect without us, when its server forgot its history and its place in it: an
// append-only file keeps neither, but every write. A snapshot of a history that nobody
// remembers is another matter: it may be an old one. No key count is ever a reason: more
// keys are not newer keys.
func promoteRemembered(rules topology.Rules, shard model.Shard, full []model.Node) model.Decision {
	last := shard.Memory.Primary
	if n, known := rules.LastPrimary(shard); known {
		last = n.Name
	}
	for _, n := range full {
		if n.Name == last && n.Server.Offset == 0 {
			return promotion(rules, shard, n, "the copies have no common history, and it was the last primary")
		}
	}
	return unknownHistory(rules, shard, full)
}

// unknownHistory leaves the choice between copies to a person.
func unknownHistory(rules topology.Rules, shard model.Shard, copies []model.Node) model.Decision {
	holds := make([]model.Hold, 0, len(copies))
	for _, n := range copies {
		holds = append(holds, model.Hold{Shard: shard.Name, Reason: model.HistoryUnknown, Node: n.Name,
			Detail: fmt.Sprintf("it holds %d keys of history %.8s at offset %d; which copy is the newest cannot be told: "+
				"choose one; if it is this one, run %s on it", n.Server.Keys, n.Server.ReplID, n.Server.Offset, rules.Chosen(n))})
	}
	return model.Wait(holds...)
}

// promoteNewest promotes the node with the most of the newest history that any
// of them has, if any has one that is known.
func promoteNewest(rules topology.Rules, shard model.Shard, nodes []model.Node, why string) model.Decision {
	known := newestHistory(shard, nodes)
	switch {
	case len(known) == 0:
		return model.Decision{}
	case !sameHistory(shard, known): // two continued the last known one, each in its own way
		return unknownHistory(rules, shard, known)
	}
	return promotion(rules, shard, mostComplete(known), why)
}
