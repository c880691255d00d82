package topology

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// sentinel is one primary with replicas, whose failover is the Sentinels' matter:
// the operator asks them for it and never promotes beside them. It promotes by
// itself only whom they name already, or while they cannot act.
//
// What is believed: a node's role is its own word; who ought to be primary is the
// word of as many Sentinels as have to agree. A node that has just booted follows
// nobody and has replica-priority 0: no Sentinel promotes it before its copy is in
// step with the primary's.
//
// The files: sentinel_watch.go (whom the Sentinels name, and what they forget),
// sentinel_last.go (whether that is whom the operator remembers), sentinel_settle.go (two
// primaries), sentinel_fence.go (the primary from which they fail over), sentinel_rank.go
// (whom they may promote), sentinel_unheard.go (whom they cannot), sentinel_gates.go (what
// stands against touching a node), sentinel_roll.go (the Sentinels' own pods).
type sentinel struct {
	replication
	set    model.SentinelSet
	policy model.Policy
	nodes  []model.Node
}

func newSentinel(snap model.Snapshot) sentinel {
	s := sentinel{set: snap.Sentinels, policy: snap.Policy}
	for _, shard := range snap.Shards {
		s.nodes = append(s.nodes, shard.Nodes...)
	}
	return s
}

// watching are the Sentinels that answer and watch a primary.
func (s sentinel) watching() []model.SentinelNode {
	var out []model.SentinelNode
	for _, n := range s.set.Nodes {
		if n.Answered && n.Watch != nil {
			out = append(out, n)
		}
	}
	return out
}

// silent counts the Sentinels that may act although they do not answer us.
func (s sentinel) silent() int {
	count := 0
	for _, n := range s.set.Nodes {
		if !n.Answered && !n.Dead && n.Phase != model.PodAbsent {
			count++
		}
	}
	return count
}

// failingOver is a Sentinel that fails over.
func (s sentinel) failingOver() (model.SentinelNode, bool) {
	for _, n := range s.watching() {
		if n.Watch.FailingOver {
			return n, true
		}
	}
	return model.SentinelNode{}, false
}

// named is whom as many Sentinels name as have to agree, and of whom they are not about
// to change their minds: one that names another with a later epoch is believed by them.
func (s sentinel) named() (address string, ok bool) {
	for _, n := range s.watching() {
		p := n.Watch.Primary
		if s.set.Agreeing(p) >= s.set.Needed() && !slices.ContainsFunc(s.watching(), func(o model.SentinelNode) bool { return o.Watch.Epoch > s.epochOf(p) }) {
			return p, true
		}
	}
	return "", false
}

// epochOf is the highest epoch with which a node is named.
func (s sentinel) epochOf(address string) int64 {
	var highest int64
	for _, n := range s.watching() {
		if n.Watch.Primary == address {
			highest = max(highest, n.Watch.Epoch)
		}
	}
	return highest
}

// Recognised says that the Sentinels take a primary for one, or have not been told
// yet: whomever they name is none, by its own word or because nothing runs there.
func (s sentinel) Recognised(primary model.Node) bool {
	if s.set.Agreeing(primary.Address) >= s.set.Needed() {
		return true
	}
	return !slices.ContainsFunc(s.watching(), func(n model.SentinelNode) bool {
		return n.Watch.Primary != primary.Address && s.maybePrimary(n.Watch.Primary)
	})
}

// maybePrimary says that the node at an address may be primary.
func (s sentinel) maybePrimary(address string) bool {
	n, ours := nodeAt(s.nodes, address)
	switch {
	case !ours, n.Phase == model.PodAbsent, n.Dead && !n.Server.Answered:
		return false
	}
	return !n.Server.Answered || n.Server.Role != model.RoleReplica
}

// keeps says that a node is to stay, for now: that of a surge may be promoted until it
// is to leave.
func (s sentinel) keeps(shard model.Shard, n model.Node) bool {
	return n.Ordinal < shard.Wished(s.policy)
}

func names(nodes []model.Node) string {
	text := ""
	for i, n := range nodes {
		if i > 0 {
			text += ", "
		}
		text += n.Name
	}
	return text
}

// disagreement says whom the Sentinels name instead.
func (s sentinel) disagreement(shard model.Shard, primary model.Node) model.Hold {
	for _, n := range s.watching() {
		if n.Watch.Primary != primary.Address {
			return hold(shard, model.SentinelsDisagree, primary.Name,
				fmt.Sprintf("it is primary, and %s names %s", n.Name, at(shard, n.Watch.Primary)))
		}
	}
	return hold(shard, model.SentinelsDisagree, primary.Name, fmt.Sprintf("only %d Sentinels name it, %d have to",
		s.set.Agreeing(primary.Address), s.set.Needed()))
}

// at is the name of the node at an address, or else the address.
func at(shard model.Shard, address string) string {
	if n, ours := nodeAt(shard.Nodes, address); ours {
		return n.Name
	}
	return address
}

// Missing leaves a silent primary to the Sentinels: they are the witnesses.
func (s sentinel) Missing(shard model.Shard) (string, model.Decision) {
	if d := (inquest{shard: shard, downAfter: s.policy.DownAfter}).runsOn(); d.Made() {
		return "", d
	}
	return s.loner.Missing(shard)
}

// Outdated leaves it to the Sentinels whom to take for the primary.
func (sentinel) Outdated(model.Shard) bool { return false }

// Vacancy waits for Sentinels that fail over, or may, or that reach whom they name.
func (s sentinel) Vacancy(shard model.Shard) model.Decision {
	if n, busy := s.failingOver(); busy {
		return model.Wait(hold(shard, model.SentinelFailover, n.Name, "it fails over"))
	}
	for _, w := range s.watching() {
		if n, ours := nodeAt(s.nodes, w.Watch.Primary); ours && !w.Watch.Down && !n.Server.Answered && !n.Dead {
			return model.Wait(hold(shard, model.PrimaryNotVisible, n.Name, "it does not answer, and "+w.Name+" names it and does not find it down"))
		}
	}
	if count := len(s.watching()); shard.Memory.Formed && s.silent() > 0 && count < s.set.Needed() {
		return model.Wait(hold(shard, model.QuorumLost, "", fmt.Sprintf(
			"%d Sentinels answer, %d do not and may fail over; %d have to agree", count, s.silent(), s.set.Needed())))
	}
	return model.Decision{}
}

// Promotion asks the Sentinels, unless they name the node already or cannot act.
func (s sentinel) Promotion(shard model.Shard, n model.Node, why string) model.Decision {
	if len(s.watching()) < s.set.Needed() && !s.able() {
		return model.Do(model.Promote{Node: n.Ref, Why: why})
	}
	address, ok := s.named()
	switch {
	case !ok:
		return model.Wait(hold(shard, model.SentinelsDisagree, "", "the Sentinels do not name the same primary yet"))
	case address == n.Address:
		if d := s.unreached(shard, n); d.Made() {
			return d
		}
		return model.Do(model.Promote{Node: n.Ref, Why: why + ", and the Sentinels name it"})
	}
	if d := s.steer(shard, n); d.Made() {
		return d
	}
	if s.unheard(shard, n) {
		return s.promoteUnheard(shard, n, why)
	}
	return model.Do(model.Promote{Node: n.Ref, Means: model.BySentinel, Why: why})
}

// able says that enough Sentinels answer to fail over, by the measure of one of them:
// more may be wished for than there are yet.
func (s sentinel) able() bool {
	watching := s.watching()
	return slices.ContainsFunc(watching, func(n model.SentinelNode) bool { return len(watching) >= majority(n.Watch) })
}

// steer ranks the nodes so that the Sentinels choose this one, and waits until they
// have seen it. Those that are in service and hold as much are left to their choice.
// Who holds less is not: asked, they choose at once, by what they heard up to 10 s ago.
func (s sentinel) steer(shard model.Shard, n model.Node) model.Decision {
	if n.Server.Priority == 0 {
		return model.Do(model.Rank{Node: n.Ref, Priority: model.UsualPriority, Why: "it is to be promoted"})
	}
	for _, o := range shard.Nodes {
		if o.Name != n.Name && o.Server.Answered && o.Server.Priority > 0 && (!n.InService || !o.InService || o.Server.Offset < n.Server.Offset) {
			return model.Do(model.Rank{Node: o.Ref, Priority: 0, Why: n.Name + " is to be promoted"})
		}
	}
	for _, w := range s.watching() {
		for _, r := range w.Watch.Replicas {
			o, ours := nodeAt(shard.Nodes, r.Address)
			if ours && (r.Priority == 0) != (o.Server.Priority == 0) && o.Server.Answered {
				return model.Wait(hold(shard, model.NoGoodReplica, o.Name, w.Name+" has not seen its replica-priority yet, which takes up to 10 s"))
			}
		}
	}
	return model.Decision{}
}

func nodeAt(nodes []model.Node, address string) (model.Node, bool) {
	for _, n := range nodes {
		if n.Address == address && address != "" {
			return n, true
		}
	}
	return model.Node{}, false
}
