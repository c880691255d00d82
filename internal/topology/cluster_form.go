package topology

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Vacancy: a shard whose nodes follow somebody else's has a primary, though not
// among its own; one that has given all its slots away needs none; and where others
// serve all slots there is nothing to vote for, and nothing to lose.
func (c cluster) Vacancy(shard model.Shard) model.Decision {
	if c.emptied(shard) {
		return c.Reshard(shard)
	}
	for _, n := range shard.Nodes {
		self, ok := n.Server.Cluster.Self()
		if !ok || self.Primary == "" {
			continue
		}
		if p, ok := c.byID(self.Primary); ok && p.shard != shard.Name && p.node.Server.Role == model.RolePrimary {
			return model.Wait(hold(shard, model.ForeignPrimary, n.Name, fmt.Sprintf(
				"it follows %s, a node of %s, and the shard has no primary of its own: run CLUSTER FAILOVER on it", p.node.Name, p.shard)))
		}
	}
	if c.whole() {
		return c.idle(shard)
	}
	return model.Decision{}
}

// idle gives a shard without slots a primary again: who was one, or a replica, whom
// the others would not elect. New nodes are begin's.
func (c cluster) idle(shard model.Shard) model.Decision {
	const why = "its shard has no slots, and no primary"
	for _, n := range shard.Nodes {
		if n.Server.Held && n.Phase == model.PodRunning {
			return model.Do(model.Release{Node: n.Ref, Why: why})
		}
	}
	for _, n := range shard.Nodes {
		self, ok := n.Server.Cluster.Self()
		if !ok || self.Primary == "" || n.Phase != model.PodRunning {
			continue
		}
		if p, answers := c.byID(self.Primary); answers {
			return model.Wait(hold(shard, model.Joining, n.Name, fmt.Sprintf("%s has not heard yet that %s follows it", p.node.Name, n.Name)))
		}
		return model.Do(model.Promote{Node: n.Ref, Means: model.ByTakeover, Why: why})
	}
	return model.Decision{}
}

// Promotion: a former primary that was held back joins with what it has; a
// replica is voted for, or takes over where there is nobody left to vote; a node
// that has the data and not the identity is given the slots.
func (c cluster) Promotion(shard model.Shard, n model.Node, why string) model.Decision {
	switch {
	case n.Server.Held:
		return model.Do(model.Release{Node: n.Ref, Why: why})
	case unassigned(n):
		return c.giveBack(shard, n, why)
	case followsNothing(n):
		return model.Do(model.Promote{Node: n.Ref, Means: model.ByTakeover, Why: why + "; what its primary served it has not heard"})
	}
	votes, size := c.votesFor(n)
	if votes > size/2 {
		return model.Do(model.Promote{Node: n.Ref, Means: model.ByElection, Why: why})
	}
	if !c.joined(n) { // those who could vote may be there, and not know it
		if d := c.Meet(shard); d.Made() {
			return d
		}
	}
	if h, ok := c.mayServe(shard); ok {
		return model.Wait(h)
	}
	return model.Do(model.Promote{Node: n.Ref, Means: model.ByTakeover,
		Why: fmt.Sprintf("%s; %d of %d primaries can vote", why, votes, size)})
}

// followsNothing says that in a replica's own eyes its primary serves no slots: then
// it asks nobody for votes, and takes nothing over. It is given the slots afterwards.
func followsNothing(n model.Node) bool {
	self, _ := n.Server.Cluster.Self()
	primary, known := n.Server.Cluster.Member(self.Primary)
	return known && primary.Slots.Empty()
}

// votesFor counts the primaries with slots that answer and reach a replica, and
// all that it knows. Who they are it may not have heard yet.
func (c cluster) votesFor(n model.Node) (votes, size int) {
	if c.joined(n) {
		votes = len(c.owners())
	}
	for _, m := range n.Server.Cluster.Members {
		if m.Role == model.RolePrimary && !m.Slots.Empty() {
			size++
		}
	}
	return votes, size
}

// mayServe finds a node of which it is not known that it serves nobody: beside
// such a one nothing is taken over.
func (c cluster) mayServe(shard model.Shard) (model.Hold, bool) {
	for _, s := range c.snap.Shards {
		for _, n := range s.Nodes {
			if n.Phase != model.PodAbsent && !n.Server.Answered && !n.Dead && !c.Fenced(n) {
				return hold(shard, model.PrimaryNotVisible, n.Name,
					"there is no majority, and this node does not answer and may still serve; nothing is taken over beside it"), true
			}
		}
	}
	for _, m := range c.members {
		if !c.joined(m.node) && !m.node.Server.Owned().Empty() && m.shard != shard.Name {
			return hold(shard, model.ClusterDisagrees, m.node.Name, "it serves slots and does not reach the others"), true
		}
	}
	return model.Hold{}, false
}

// giveBack gives a node the slots that its shard served and nobody serves now. It
// has to be of the cluster first: its epoch rises above those that it has heard of.
func (c cluster) giveBack(shard model.Shard, n model.Node, why string) model.Decision {
	slots := shard.Memory.Slots.Minus(c.owned())
	if slots.Empty() {
		return c.begin(shard, n)
	}
	if d := c.Meet(shard); d.Made() {
		return d
	}
	return model.Do(model.AddSlots{Node: n.Ref, Slots: slots, Why: why})
}

// Empty: an identity that was kept is as good as data. A shard of which not even
// that is left is new, or it is lost.
func (c cluster) Empty(shard model.Shard, able []model.Node) model.Decision {
	identified := func(n model.Node) bool { return n.Server.Held || !unassigned(n) }
	for _, kind := range []func(model.Node) bool{func(n model.Node) bool { return n.Server.Held }, identified} {
		if i := slices.IndexFunc(able, kind); i >= 0 {
			return c.Promotion(shard, able[i], "no node of the shard holds any data, and this one is known to the cluster")
		}
	}
	if len(able) == 0 {
		return model.Decision{}
	}
	first := c.designated(shard)
	switch slots := shard.Memory.Slots.Minus(c.owned()); {
	case slots.Empty():
		return c.begin(shard, first)
	case c.snap.Formed && !c.snap.Policy.ReassignEmpty:
		return model.Wait(hold(shard, model.ShardLost, "", fmt.Sprintf(
			"no node of it holds any data any more; its %d slots are served by nobody until the data are restored, or spec.recovery.onShardLoss is ReassignEmpty", slots.Count())))
	default:
		return c.giveBack(shard, first, "nothing of the shard is left, and its slots may go to an empty node")
	}
}

// begin makes the first primary of a shard that never had slots: with its even
// share while the cluster is founded, and with none when it comes later: its
// replicas follow it, and slots are moved to it.
func (c cluster) begin(shard model.Shard, first model.Node) model.Decision {
	share := model.EvenShare(shard.Index, max(1, c.snap.Policy.Shards)).Minus(c.owned())
	if !c.snap.Formed && !shard.Leaving && !share.Empty() {
		return model.Do(model.AddSlots{Node: first.Ref, Slots: share, Epoch: int64(shard.Index) + 1, Why: "a new cluster"})
	}
	if d := c.Meet(shard); d.Made() {
		return d
	}
	for _, n := range shard.Nodes {
		if n.Name != first.Name && n.Phase == model.PodRunning && unassigned(n) {
			return c.Join(shard, n, first, "a new shard")
		}
	}
	return model.Wait(hold(shard, model.PodStarting, first.Name, "it is to be primary of a new shard, and no replica of it has started yet"))
}

// designated is the empty node of a shard that becomes its primary: the one on
// the host with the fewest primaries, so that a lost host takes few with it;
// among equals the lowest ordinal.
func (c cluster) designated(shard model.Shard) model.Node {
	primaries := map[string]int{}
	var chosen model.Node
	for _, s := range c.snap.Shards {
		one, ok := s.Primary()
		if !ok {
			one, ok = fewest(s, primaries)
		}
		if ok {
			primaries[one.Host]++
		}
		if s.Name == shard.Name {
			chosen = one
			break
		}
	}
	return chosen
}

func fewest(shard model.Shard, primaries map[string]int) (model.Node, bool) {
	var best []model.Node
	for _, n := range shard.Nodes {
		if n.Phase != model.PodRunning || !unassigned(n) {
			continue
		}
		if len(best) > 0 && primaries[n.Host] >= primaries[best[0].Host] {
			continue
		}
		best = []model.Node{n}
	}
	if len(best) == 0 {
		return model.Node{}, false
	}
	return best[0], true
}

// Chosen: REPLICAOF is refused. Who is held back joins as what it was when it is let
// go, and a member takes the slots.
func (cluster) Chosen(n model.Node) string {
	if n.Server.Held {
		return "SHUTDOWN NOSAVE"
	}
	return "CLUSTER FAILOVER TAKEOVER"
}

// Recognised: it is of the cluster, and a majority of the others who serve slots know
// what it serves. A former primary that has just joined again says that it is primary,
// too, until it hears who has superseded it; and who has once believed a later one
// does not believe it any more.
func (c cluster) Recognised(primary model.Node) bool {
	if !c.joined(primary) {
		return false
	}
	others, agree := 0, 0
	for _, o := range c.owners() {
		if o.node.Name == primary.Name {
			continue
		}
		others++
		if m, known := o.view[primary.Server.Cluster.ID]; known && slices.Equal(m.Slots, primary.Server.Owned()) {
			agree++
		}
	}
	return agree > others/2 || others == 0
}

// Join: a former primary that has been superseded starts, and is told so by the
// others; everybody else becomes a replica once it knows the primary.
func (c cluster) Join(shard model.Shard, n, primary model.Node, why string) model.Decision {
	if !c.Recognised(primary) {
		return model.Wait(hold(shard, model.Joining, n.Name, "a majority does not know yet that its shard's primary is "+primary.Name))
	}
	if n.Server.Held {
		return model.Do(model.Release{Node: n.Ref, Over: primary.Ref, Why: primary.Name + " has superseded it"})
	}
	if _, knows := n.Server.Cluster.Member(primary.Server.Cluster.ID); !knows {
		return model.Wait(hold(shard, model.Joining, n.Name, "it has not heard of "+primary.Name+" yet"))
	}
	return model.Do(model.Follow{Node: n.Ref, Primary: primary.Ref, Why: why})
}
