package model

import (
	"slices"
	"time"
)

// SentinelSet is the Sentinels that watch an instance's only shard. The zero value
// is none, as in every other topology.
type SentinelSet struct {
	// Name is that of their StatefulSet.
	Name string
	// Exists: there is a StatefulSet of that name.
	Exists bool
	// Revision is what a fresh pod carries; empty until it is known.
	Revision string
	// Size is the number of pods that the StatefulSet is asked for now, Wanted the
	// number wished for.
	Size, Wanted int
	// Settings are how they are to watch the primary.
	Settings WatchSettings
	// Version is the server version of the newest revision, as far as it is known:
	// what a fresh Sentinel says, or else the image's tag. Empty when neither tells.
	Version string
	// Nodes holds one entry for each ordinal below Size, and one for each pod
	// beyond it that still exists, in order of the ordinal.
	Nodes []SentinelNode
}

// WatchSettings are what each Sentinel is told about a primary.
type WatchSettings struct {
	// Quorum is how many of them have to find a primary down.
	Quorum                     int
	DownAfter, FailoverTimeout time.Duration
}

// SentinelNode is one Sentinel and its pod.
type SentinelNode struct {
	Ref
	Ordinal  int
	Host     string
	Phase    PodPhase
	Ready    bool
	Revision string
	// Dead, Trouble and AbsentFor are as with a Node.
	Dead      bool
	Trouble   string
	AbsentFor time.Duration

	// Answered is false when it did not answer; then nothing below means anything.
	Answered bool
	Version  string
	ID       string
	// Tilt: it has seen time jump, and does nothing for half a minute.
	Tilt bool
	// Watch is what it says of the primary; nil while it watches none.
	Watch *Watch
}

// Watch is what one Sentinel says of the primary that it watches, and of what
// belongs to it.
type Watch struct {
	// Primary is the address of the node that it names as primary. What no node of
	// the shard goes by is left as the Sentinel said it.
	Primary string
	// Epoch is the configuration epoch: of two that name different primaries the
	// one with the higher epoch is believed by the other.
	Epoch    int64
	Settings WatchSettings
	// Down: it does not reach the primary. FailingOver: a failover is under way.
	// Coordinated: one that holds back the primary's writes by itself.
	Down, FailingOver, Coordinated bool
	// SilentFor is how long the primary has not answered it; it is asked each second.
	SilentFor time.Duration
	// NoQuorum is why too few Sentinels are there, by its own word; empty if enough.
	NoQuorum string
	Replicas []WatchedReplica
	// Others are all other Sentinels that it knows.
	Others []WatchedSentinel
}

// WatchedSentinel is another Sentinel as one sees it.
type WatchedSentinel struct {
	ID string
	// Down: it is not reached.
	Down bool
	// SilentFor is how long it has not answered; it is asked each second.
	SilentFor time.Duration
}

// WatchedReplica is a replica as a Sentinel sees it.
type WatchedReplica struct {
	// Address is that of a node of the shard, or what the Sentinel said.
	Address string
	Down    bool
	// Chosen: it is promoted in the failover that is under way, or about to be.
	Chosen bool
	// Priority 0 means that it is never promoted.
	Priority int
}

// Chosen is the address of the replica that is promoted in the failover that is under way,
// or about to be.
func (w Watch) Chosen() (address string, ok bool) {
	i := slices.IndexFunc(w.Replicas, func(r WatchedReplica) bool { return r.Chosen })
	if i < 0 {
		return "", false
	}
	return w.Replicas[i].Address, true
}

// UsualPriority is the replica-priority of a node that Sentinels may promote,
// Valkey's default.
const UsualPriority = 100

// LastPriority is that of a node which Sentinels promote only where there is no other:
// they take the lowest priority above 0 first, and the most complete copy after that.
const LastPriority = 200

// Named says that the Sentinel names a node as primary.
func (n SentinelNode) Named(address string) bool {
	return n.Answered && n.Watch != nil && n.Watch.Primary == address
}

// Down says that the Sentinel cannot be counted on.
func (n SentinelNode) Down() bool {
	return n.Phase != PodRunning || !n.Ready || !n.Answered
}

// Stale says that the Sentinel runs another revision than the newest one.
func (s SentinelSet) Stale(n SentinelNode) bool {
	return s.Revision != "" && n.Phase != PodAbsent && n.Revision != s.Revision
}

// Agreeing counts the Sentinels that name a node as primary.
func (s SentinelSet) Agreeing(address string) int {
	count := 0
	for _, n := range s.Nodes {
		if n.Named(address) {
			count++
		}
	}
	return count
}

// Asked is the Sentinel that is asked to fail over to a node: the first that answers and
// could promote it, or else the first that answers. One that has just been told whom to
// watch may not know the node yet, and would refuse again and again.
func (s SentinelSet) Asked(address string) (asked SentinelNode, ok bool) {
	for _, n := range s.Nodes {
		if !n.Answered || n.Watch == nil {
			continue
		}
		if slices.ContainsFunc(n.Watch.Replicas, func(r WatchedReplica) bool { return r.Address == address && !r.Down && r.Priority > 0 }) {
			return n, true
		}
		if !ok {
			asked, ok = n, true
		}
	}
	return asked, ok
}

// Needed is how many Sentinels have to agree: the quorum, which finds a primary
// down, and a majority, which elects who fails over. While they become more or fewer,
// those that leave still count, and so do those that are to come.
func (s SentinelSet) Needed() int { return max(s.Settings.Quorum, max(s.Size, s.Wanted)/2+1) }
