package model

import "slices"

// Stale says whether the pod runs another revision than the newest one. With
// the newest one unknown, nothing is stale.
func (s Shard) Stale(n Node) bool {
	return s.Revision != "" && n.Phase != PodAbsent && n.Revision != s.Revision
}

// Fresh is the opposite of Stale for a pod that exists and a revision that is
// known.
func (s Shard) Fresh(n Node) bool {
	return s.Revision != "" && n.Phase != PodAbsent && n.Revision == s.Revision
}

// Down says that the node cannot be counted on: its pod is absent, going or
// not Ready, or its server does not answer us.
func (n Node) Down() bool {
	return n.Phase != PodRunning || !n.Ready || !n.Server.Answered
}

// Healthy is not down, and the role is known.
func (n Node) Healthy() bool {
	return !n.Down() && n.Server.Role != RoleUnknown
}

// Primaries are the nodes whose server says that it is primary, whatever
// Kubernetes thinks of their pods.
func (s Shard) Primaries() []Node {
	var out []Node
	for _, n := range s.Nodes {
		if n.Server.Answered && n.Server.Role == RolePrimary {
			out = append(out, n)
		}
	}
	return out
}

// Primary is the only primary of the shard; ok is false with none or several.
func (s Shard) Primary() (p Node, ok bool) {
	all := s.Primaries()
	if len(all) != 1 {
		return Node{}, false
	}
	return all[0], true
}

// Node finds a node by name.
func (s Shard) Node(name string) (n Node, ok bool) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// Served says that the pod has had clients: it has been in service, or the
// primary Service leads to it. The latter comes first when a shard is formed,
// and an operator may die in between.
func (s Shard) Served(n Node) bool {
	return n.Admitted || (n.Address != "" && n.Address == s.Traffic.Primary)
}

// Stays says that the pod runs and that nobody has asked for its end: it is not
// terminating, and not beyond what the StatefulSet is asked for.
func (s Shard) Stays(n Node) bool {
	return n.Phase == PodRunning && n.Ordinal < s.Size
}

// Lag is by how many bytes the replica's acknowledged offset trails the
// primary. ok is false when the primary does not list it as online.
func Lag(primary, replica Node) (bytes int64, ok bool) {
	acked, ok := primary.Server.Acked[replica.Address]
	if !ok {
		return 0, false
	}
	return max(0, primary.Server.Offset-acked), true
}

// Attached says that the replica follows this primary over a link that is up,
// shares its history and is neither loading nor in a full sync. It says nothing
// of lag.
func Attached(primary, replica Node) bool {
	srv := replica.Server
	return srv.Answered && srv.Role == RoleReplica &&
		srv.Follows == primary.Address && srv.LinkUp &&
		srv.ReplID == primary.Server.ReplID &&
		!srv.Syncing && !srv.Loading
}

// Synced says that the replica could take over from the primary now: healthy,
// attached, and acknowledged within maxLag bytes.
func Synced(primary, replica Node, maxLag int64) bool {
	lag, listed := Lag(primary, replica)
	return replica.Healthy() && Attached(primary, replica) && listed && lag <= maxLag
}

// OwnsSlots says that a node of a cluster's shard serves slots, as far as can be
// seen.
func (s Shard) OwnsSlots() bool {
	return slices.ContainsFunc(s.Nodes, func(n Node) bool { return !n.Server.Owned().Empty() })
}

// Emptied says that a shard of a cluster that is to leave has nothing to serve any
// more, and was seen so.
func (s Shard) Emptied() bool {
	return s.Leaving && s.Memory.Slots.Empty() && !s.OwnsSlots()
}
