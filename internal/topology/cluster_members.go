package topology

import (
	"fmt"
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// parts numbers the groups of members that reach each other.
func parts(members []member) map[string]int {
	out := map[string]int{}
	next := 0
	for i := range members {
		if _, ok := out[members[i].id()]; ok {
			continue
		}
		out[members[i].id()] = next
		for todo := []member{members[i]}; len(todo) > 0; todo = todo[1:] {
			for _, other := range members {
				if _, ok := out[other.id()]; !ok && reach(todo[0], other) {
					out[other.id()] = next
					todo = append(todo, other)
				}
			}
		}
		next++
	}
	return out
}

// reach says that two members know each other under their addresses, and that
// their links stand.
func reach(a, b member) bool {
	return knows(a, b) && knows(b, a)
}

func knows(a, b member) bool {
	m, ok := a.view[b.id()]
	return ok && m.Linked && m.Address == b.node.Address
}

// mainPart is the part that serves the most slots; among equals the larger one,
// then the one with the first node.
func (c cluster) mainPart() int {
	slotsOf, sizeOf := map[int]int{}, map[int]int{}
	for _, m := range c.members {
		slotsOf[c.part[m.id()]] += m.node.Server.Owned().Count()
		sizeOf[c.part[m.id()]]++
	}
	best := 0
	for part := 1; part < len(sizeOf); part++ {
		if slotsOf[part] > slotsOf[best] || (slotsOf[part] == slotsOf[best] && sizeOf[part] > sizeOf[best]) {
			best = part
		}
	}
	return best
}

// anchor is the member of the cluster whom all others are to know.
func (c cluster) anchor() (member, bool) {
	if owners := c.owners(); len(owners) > 0 {
		return owners[0], true
	}
	i := slices.IndexFunc(c.members, func(m member) bool { return c.joined(m.node) })
	if i < 0 {
		return member{}, false
	}
	return c.members[i], true
}

// Meet introduces the shard's nodes that are not of the cluster. Who knows the
// other end of a link under its right address makes itself known; only where
// neither does, or one has forgotten the other, somebody has to introduce them.
func (c cluster) Meet(shard model.Shard) model.Decision {
	via, ok := c.anchor()
	if !ok || c.departing(shard) {
		return model.Decision{}
	}
	step := model.Meet{Via: via.node.Ref, Why: "it is not known to the cluster under its address"}
	var holds []model.Hold
	for _, m := range c.members {
		if m.shard != shard.Name || c.joined(m.node) || m.node.Phase != model.PodRunning {
			continue
		}
		if strangers(m, via) {
			step.Nodes = append(step.Nodes, m.node.Ref)
			continue
		}
		holds = append(holds, hold(shard, model.Joining, m.node.Name, fmt.Sprintf("it and %s are about to reach each other", via.node.Name)))
	}
	if len(step.Nodes) == 0 {
		step = c.acquaint(shard)
	}
	if len(step.Nodes) > 0 {
		return model.Decision{Step: step, Holds: holds}
	}
	return model.Wait(holds...)
}

// acquaint introduces a member of the cluster and nodes of the shard that know each
// other under earlier addresses only: they restarted at the same moment. Left alone,
// they would hear of it from others, seconds later.
func (c cluster) acquaint(shard model.Shard) model.Meet {
	for i, via := range c.members {
		step := model.Meet{Via: via.node.Ref, Why: "both have moved, and know each other under earlier addresses"}
		for _, m := range c.members[i+1:] {
			if m.shard == shard.Name && c.present(m) && c.present(via) && moved(m, via) {
				step.Nodes = append(step.Nodes, m.node.Ref)
			}
		}
		if len(step.Nodes) > 0 {
			return step
		}
	}
	return model.Meet{}
}

// moved says that two members know each other, and neither under its address. Who is
// not known at all has been forgotten, or will be heard of.
func moved(a, b member) bool {
	_, known := a.view[b.id()]
	_, knows := b.view[a.id()]
	return known && knows && strangers(a, b)
}

// present says that a member of the cluster can be introduced to others.
func (c cluster) present(m member) bool {
	return c.joined(m.node) && m.node.Phase == model.PodRunning
}

// strangers says that two members will not find each other by themselves.
func strangers(n, via member) bool {
	if shakesHands(n, via) || shakesHands(via, n) {
		return false
	}
	theirs, known := via.view[n.id()]
	ours, knows := n.view[via.id()]
	if !known || !knows {
		return true
	}
	return theirs.Address != n.node.Address && ours.Address != via.node.Address
}

// shakesHands says that a has met somebody at b's address a moment ago.
func shakesHands(a, b member) bool {
	for _, m := range a.view {
		if m.Handshake && m.Address == b.node.Address {
			return true
		}
	}
	return false
}

// Forget makes the shard's nodes forget members that no server answers to, and
// those of shards that are about to leave. Nobody is forgotten before every node
// of the instance has been seen: a silent or held one may come back under its
// id. Who owns slots is never forgotten: they would be forgotten with it.
func (c cluster) Forget(shard model.Shard) model.Decision {
	gone := c.departed()
	ghosts := c.allSeen()
	var step model.Forget
	for _, m := range c.members {
		if m.shard != shard.Name || c.departing(shard) || !c.joined(m.node) {
			continue
		}
		before := len(step.IDs)
		for _, other := range m.node.Server.Cluster.Members {
			if other.ID == m.self.Primary || c.owns(other.ID, gone) || other.Handshake {
				continue
			}
			if slices.Contains(gone, other.ID) || (ghosts && c.ghost(other)) {
				step.IDs = append(step.IDs, other.ID)
			}
		}
		if len(step.IDs) > before {
			step.At = append(step.At, m.node.Ref)
		}
	}
	if len(step.IDs) == 0 {
		return model.Decision{}
	}
	slices.Sort(step.IDs)
	step.IDs = slices.Compact(step.IDs)
	return model.Do(step)
}

// owns says that somebody knows a member as an owner of slots. What those believe who
// are about to go is no matter: they may not hear any more that they are wrong.
func (c cluster) owns(id string, gone []string) bool {
	return slices.ContainsFunc(c.members, func(m member) bool {
		return !m.view[id].Slots.Empty() && !slices.Contains(gone, m.id())
	})
}

// ghost is a member that no server answers to, and that is not reached.
func (c cluster) ghost(m model.Member) bool {
	_, answers := c.byID(m.ID)
	return !answers && (m.Failed || !m.Linked)
}

// allSeen says that every node of the instance answers as a member.
func (c cluster) allSeen() bool {
	for _, shard := range c.snap.Shards {
		for _, n := range shard.Nodes {
			if !n.Server.Answered || n.Server.Cluster == nil {
				return false
			}
		}
	}
	return true
}

// emptied says that a shard that is to leave has given everything away. What it
// had when it was last seen is no proof: slots may have come since. So all have to
// be served, by others.
func (c cluster) emptied(shard model.Shard) bool {
	return shard.Leaving && c.whole() && !shard.OwnsSlots()
}

// departing says that a shard has given everything away, and told all who still
// came for it where it is: it only has to go.
func (c cluster) departing(shard model.Shard) bool {
	return c.emptied(shard) && !slices.ContainsFunc(shard.Nodes, func(n model.Node) bool { return c.lingers(n) > 0 })
}

// lingers is how long a node that serves nothing any more is still to answer where
// everything is. Those who forget it stop talking to it, and it would find the
// cluster down; so nobody does before.
func (c cluster) lingers(n model.Node) time.Duration {
	switch {
	case !n.Server.Answered || n.Phase != model.PodRunning:
		return 0
	case !n.Draining:
		return max(mapsKept, c.snap.Policy.ClientDrain)
	}
	return max(mapsKept, c.snap.Policy.ClientDrain) - n.DrainingFor
}

// departed are the ids of the nodes of departing shards.
func (c cluster) departed() []string {
	var out []string
	for _, m := range c.members {
		if shard, ok := c.shard(m.shard); ok && c.departing(shard) {
			out = append(out, m.id())
		}
	}
	return out
}
