package topology

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// cluster is shards that know each other, divide the hash slots among them, and
// fail over by a vote of those who own slots.
//
// What is believed: a server is asked for its own id, role and slots; of the
// others it tells only whether it knows them, where, and whether it reaches
// them. Members that reach each other both ways are one part. The part with the
// most slots is the cluster, and who is not of it has to be met again.
//
// The files: cluster_members.go (who knows whom), cluster_form.go (who becomes
// primary), cluster_last.go (who was the last one), cluster_gates.go (what stands against
// touching a node), cluster_slots.go (who serves what).
type cluster struct {
	loner
	snap model.Snapshot
	// members are the servers that answer as members, in order of shard and
	// ordinal.
	members []member
	// part is the number of the part that a member belongs to, by id; the
	// cluster is main.
	part map[string]int
	main int
	// served are all slots that the cluster serves.
	served model.Slots
}

// member is a server that answers as a member of a cluster.
type member struct {
	node  model.Node
	shard string
	self  model.Member
	view  map[string]model.Member
}

func (m member) id() string { return m.self.ID }

func newCluster(snap model.Snapshot) cluster {
	c := cluster{snap: snap}
	for _, shard := range snap.Shards {
		for _, n := range shard.Nodes {
			self, ok := n.Server.Cluster.Self()
			if !ok || !n.Server.Answered {
				continue
			}
			m := member{node: n, shard: shard.Name, self: self, view: map[string]model.Member{}}
			for _, other := range n.Server.Cluster.Members {
				m.view[other.ID] = other
			}
			c.members = append(c.members, m)
		}
	}
	c.part = parts(c.members)
	c.main = c.mainPart()
	for _, m := range c.owners() {
		c.served = c.served.Plus(m.node.Server.Owned())
	}
	return c
}

// Routed is false: clients ask the servers who serves which slots.
func (cluster) Routed() bool { return false }

// SendsAway is false: a member that is drained answers MOVED until its clients
// have understood. Disconnected, they would only come back to it.
func (cluster) SendsAway() bool { return false }

// Fenced says that a primary on a host which Kubernetes has lost serves nobody:
// while others are a majority it stops by itself after the node timeout, which
// is shorter than the time after which Kubernetes gives a host up.
func (cluster) Fenced(n model.Node) bool { return n.HostLost && !n.Server.Answered }

// Missing passes over those who are fenced, as long as nobody hears them.
func (c cluster) Missing(shard model.Shard) (string, model.Decision) {
	if d := missing(shard, c.Fenced); d.Made() {
		return "", d
	}
	return "", c.runsOn(shard)
}

// runsOn holds while a replica hears from a primary that answers nobody else: its pod was
// deleted by force, or its host is lost to Kubernetes, and its process serves on. The others
// would elect the replica without asking it, and what it acknowledges until it has heard of
// that would be lost. The wait has an end of its own: the link breaks with the process, and
// one over which nothing comes any more is not believed.
//
// What the others say of it is not asked. A link on the bus passes for connected as soon as it
// is begun to be made, also to an address that has vanished, and until the node timeout.
func (c cluster) runsOn(shard model.Shard) model.Decision {
	q := inquest{shard: shard, downAfter: c.snap.Policy.DownAfter}
	for _, w := range shard.Nodes {
		self, ok := w.Server.Cluster.Self()
		if !ok || !w.Server.Answered || self.Primary == "" || !q.hears(w) {
			continue
		}
		if _, answers := c.byID(self.Primary); answers {
			continue // it speaks for itself
		}
		return model.Wait(hold(shard, model.PrimaryNotVisible, w.Name, fmt.Sprintf("it heard from its primary %s ago: "+
			"that one's process runs on, whatever Kubernetes says of its pod; nobody is promoted before that ends", seconds(w.Server.LastIO))))
	}
	return model.Decision{}
}

// Follows goes by the id: a primary's address may be news.
func (cluster) Follows(n, primary model.Node) bool {
	self, ok := n.Server.Cluster.Self()
	return ok && primary.Server.Cluster != nil && self.Primary == primary.Server.Cluster.ID
}

// joined says that a member belongs to the cluster.
func (c cluster) joined(n model.Node) bool {
	if n.Server.Cluster == nil {
		return false
	}
	part, ok := c.part[n.Server.Cluster.ID]
	return ok && part == c.main
}

// byID finds the node with a node id.
func (c cluster) byID(id string) (member, bool) {
	i := slices.IndexFunc(c.members, func(m member) bool { return m.id() == id })
	if i < 0 || id == "" {
		return member{}, false
	}
	return c.members[i], true
}

// owners are the members of the cluster that serve slots: they have the votes.
func (c cluster) owners() []member {
	var out []member
	for _, m := range c.members {
		if c.joined(m.node) && !m.node.Server.Owned().Empty() {
			out = append(out, m)
		}
	}
	return out
}

// owned are all slots that the cluster serves.
func (c cluster) owned() model.Slots { return c.served }

// whole says that every slot is served.
func (c cluster) whole() bool { return everything().Minus(c.owned()).Empty() }

// everything is all slots there are.
func everything() model.Slots { return model.EvenShare(0, 1) }

// shard finds a shard by its name.
func (c cluster) shard(name string) (model.Shard, bool) {
	i := slices.IndexFunc(c.snap.Shards, func(s model.Shard) bool { return s.Name == name })
	if i < 0 {
		return model.Shard{}, false
	}
	return c.snap.Shards[i], true
}

// unassigned says that a member owns nothing, follows nobody and is followed by
// nobody.
func unassigned(n model.Node) bool {
	self, ok := n.Server.Cluster.Self()
	return ok && self.Role == model.RolePrimary && n.Server.Role != model.RolePrimary
}

func hold(shard model.Shard, reason model.Reason, node, detail string) model.Hold {
	return model.Hold{Shard: shard.Name, Reason: reason, Node: node, Detail: detail}
}
