package topology

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// LastPrimary is whom the members of the cluster know as the last owner of the shard's
// slots: of several the one with the highest epoch. Servers elect by themselves, and a
// majority has heard of it at once; the operator may have been away. But what members say
// who have just started may be old: against the operator's memory only a majority of those
// who serve slots is believed.
func (c cluster) LastPrimary(shard model.Shard) (n model.Node, known bool) {
	owner, known := c.lastOwner(shard)
	if !known {
		return model.Node{}, false
	}
	if owner.ID == shard.Memory.PrimaryID {
		n, _ = shard.Node(shard.Memory.Primary)
		return n, true
	}
	n = c.whois(shard, owner)
	if n.Name != shard.Memory.Primary && !c.majorityKnows(owner) {
		return model.Node{}, true
	}
	return n, true
}

// lastOwner is who owns slots that the shard has served, by the highest epoch that any
// member knows of. Those that other shards own by now have moved.
func (c cluster) lastOwner(shard model.Shard) (owner model.Member, known bool) {
	for _, m := range c.members {
		for id, other := range m.view {
			later := other.Epoch > owner.Epoch || other.Epoch == owner.Epoch && id > owner.ID
			if !overlap(other.Slots, shard.Memory.Slots) || known && !later {
				continue
			}
			if s, answers := c.byID(id); !answers || s.shard == shard.Name {
				owner, known = other, true
			}
		}
	}
	return owner, known
}

func overlap(a, b model.Slots) bool { return a.Minus(b).Count() < a.Count() }

// whois is the shard's node that bears an id, empty if that cannot be told. One that is
// held back does not say its own, and may have another address than the others know: it
// is told by being the only one, or by its address.
func (c cluster) whois(shard model.Shard, owner model.Member) model.Node {
	if m, answers := c.byID(owner.ID); answers {
		return m.node
	}
	var back []model.Node
	for _, n := range shard.Nodes {
		if n.Server.Held {
			back = append(back, n)
		}
	}
	if len(back) == 1 {
		return back[0]
	}
	n, _ := nodeAt(back, owner.Address)
	return n
}

// majorityKnows says that most of those who serve slots, or did, know an owner of slots
// with its epoch.
func (c cluster) majorityKnows(owner model.Member) bool {
	agree, size := 0, 0
	for _, m := range c.owners() {
		if known := m.view[owner.ID]; known.Epoch == owner.Epoch && overlap(known.Slots, owner.Slots) {
			agree++
		}
		serving := slices.DeleteFunc(slices.Clone(m.node.Server.Cluster.Members), func(o model.Member) bool { return o.Slots.Empty() })
		size = max(size, len(serving))
	}
	return agree > size/2
}
