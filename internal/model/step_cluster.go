package model

import (
	"fmt"
	"slices"
	"strings"
)

// Means is how a node is made the primary.
type Means int

const (
	// ByRole is REPLICAOF NO ONE.
	ByRole Means = iota
	// ByElection is a vote of the cluster's other primaries for it, although the
	// old one does not take part. That one is known to serve nobody any more.
	ByElection
	// ByTakeover is taking the slots without a vote. So many primaries are lost
	// that there is no majority, and each of them is known to serve nobody.
	ByTakeover
	// BySentinel is a failover by the Sentinels, of a primary that is none any more.
	BySentinel
)

// String says it in the words of the person on call.
func (m Means) String() string {
	switch m {
	case ByRole:
		return "by its role"
	case ByElection:
		return "by election"
	case ByTakeover:
		return "by takeover"
	case BySentinel:
		return "by Sentinel"
	}
	return "by unknown means"
}

// Meet makes nodes known to the cluster that Via is a member of.
type Meet struct {
	Nodes []Ref
	Via   Ref
	Why   string
}

// AddSlots lets a primary serve slots that nobody serves.
type AddSlots struct {
	Node  Ref
	Slots Slots
	// Epoch is the configuration epoch of a node that begins a cluster; 0 lets it
	// take one above all others.
	Epoch int64
	Why   string
}

// Release lets a server that was held back join the cluster.
type Release struct {
	Node Ref
	// Over is the primary that has superseded it, if one has. Its epoch is raised
	// above all others first: who was elected and died before anybody heard of it
	// has a later one, and would win.
	Over Ref
	Why  string
}

// Forget makes the shard's nodes forget members that are no more, or that are
// about to leave.
type Forget struct {
	At  []Ref
	IDs []string
}

// MoveSlots moves slots from one shard's primary to another's.
type MoveSlots struct {
	From, To Ref
	// FromID and ToID are their node ids, Toward the name of the other shard.
	FromID, ToID string
	Toward       string
	Slots        Slots
	// Begun: they are half moved already.
	Begun bool
	// Atomic moves all of them at once, by the servers themselves; otherwise they
	// go one by one and key by key.
	Atomic bool
	// Others are the other primaries, which are told of each slot that went key
	// by key.
	Others []Ref
}

// CancelMoves calls off the atomic migrations that a primary is the source of.
type CancelMoves struct {
	Node Ref
	Why  string
}

func (Meet) step()        {}
func (AddSlots) step()    {}
func (Release) step()     {}
func (Forget) step()      {}
func (MoveSlots) step()   {}
func (CancelMoves) step() {}

// Kind is meet.
func (Meet) Kind() string { return "meet" }

// Kind is add-slots.
func (AddSlots) Kind() string { return "add-slots" }

// Kind is release.
func (Release) Kind() string { return "release" }

// Kind is forget.
func (Forget) Kind() string { return "forget" }

// Kind is move-slots.
func (MoveSlots) Kind() string { return "move-slots" }

// Kind is cancel-moves.
func (CancelMoves) Kind() string { return "cancel-moves" }

// Disruptive is true: two clusters that meet become one.
func (Meet) Disruptive() bool { return true }

// Disruptive is true: whoever claims a slot last has it.
func (AddSlots) Disruptive() bool { return true }

// Disruptive is true: it joins with the copy that it has.
func (Release) Disruptive() bool { return true }

// Disruptive is true: nobody hears of a forgotten member any more.
func (Forget) Disruptive() bool { return true }

// Disruptive is true: a failover in between fails it.
func (MoveSlots) Disruptive() bool { return true }

// Disruptive is false: the source keeps its slots.
func (CancelMoves) Disruptive() bool { return false }

func (s Meet) String() string {
	return fmt.Sprintf("let %s meet %s (%s)", names(s.Nodes), s.Via.Name, s.Why)
}

func (s AddSlots) String() string {
	return fmt.Sprintf("give %s %d slots (%s)", s.Node.Name, s.Slots.Count(), s.Why)
}

func (s Release) String() string {
	return fmt.Sprintf("let %s join the cluster (%s)", s.Node.Name, s.Why)
}

func (s Forget) String() string {
	return fmt.Sprintf("forget %s at %s", strings.Join(s.IDs, " "), names(s.At))
}

func (s MoveSlots) String() string {
	way := "key by key"
	if s.Atomic {
		way = "at once"
	}
	return fmt.Sprintf("move %d slots from %s to %s, %s", s.Slots.Count(), s.From.Name, s.To.Name, way)
}

func (s CancelMoves) String() string {
	return fmt.Sprintf("call off the migrations from %s (%s)", s.Node.Name, s.Why)
}

func names(refs []Ref) string {
	out := make([]string, 0, len(refs))
	for _, r := range refs {
		out = append(out, r.Name)
	}
	return strings.Join(out, " ")
}

// Same compares the pods.
func (s Meet) Same(other Step) bool {
	o, ok := other.(Meet)
	return ok && o.Via == s.Via && slices.Equal(o.Nodes, s.Nodes)
}

// Same compares the pod and the slots.
func (s AddSlots) Same(other Step) bool {
	o, ok := other.(AddSlots)
	return ok && o.Node == s.Node && slices.Equal(o.Slots, s.Slots)
}

// Same compares the pod, and who has superseded it.
func (s Release) Same(other Step) bool {
	o, ok := other.(Release)
	return ok && o.Node == s.Node && o.Over == s.Over
}

// Same compares the pods and the ids.
func (s Forget) Same(other Step) bool {
	o, ok := other.(Forget)
	return ok && slices.Equal(o.At, s.At) && slices.Equal(o.IDs, s.IDs)
}

// Same compares both ends and the way. How many slots are left to move is no
// part of it.
func (s MoveSlots) Same(other Step) bool {
	o, ok := other.(MoveSlots)
	return ok && o.From == s.From && o.To == s.To && o.Atomic == s.Atomic && o.FromID == s.FromID && o.ToID == s.ToID
}

// Same compares the pod.
func (s CancelMoves) Same(other Step) bool {
	o, ok := other.(CancelMoves)
	return ok && o.Node == s.Node
}
