package sim

import (
	"math/bits"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// maxNodes bounds the nodes of a shard; the places beyond a world's own are
// absent for ever.
const maxNodes = 5

// The values of node.follows and State.slice that are no node.
const (
	nobody uint8 = 0xff // model.Nobody, or no endpoint
	gone   uint8 = 0xfe // the address of a pod that is no more
)

// The phases of a pod; they are model.PodPhase's.
const (
	absent uint8 = iota
	pending
	running
	terminating
)

// The readiness gate of a pod.
const (
	gateNever uint8 = iota // never written: the pod was never in service
	gateOut
	gateIn
)

// The drain of a pod.
const (
	drainNo uint8 = iota
	drainBegun
	drainPassed // its clients have had their time
)

// The server process of a pod.
const (
	procDead uint8 = iota
	procLoading
	procUp
)

// The roles of a server; they are model.Role's.
const (
	roleNone uint8 = iota
	rolePrimary
	roleReplica
)

// The link of a replica.
const (
	linkDown uint8 = iota
	linkLong       // down for longer than a handover or a resynchronisation takes
	linkSyncing
	linkUp
)

// A FAILOVER that runs on a server.
const (
	failNone     uint8 = iota
	failWaiting        // writes are held back until the target has them all
	failProgress       // demoted, and asking the target to take over
)

// writes is a set of writes.
type writes uint8

func (w writes) has(all writes) bool { return all&^w == 0 }
func (w writes) count() int          { return bits.OnesCount8(uint8(w)) }

// history is a replication id; 0 is one that nobody else has.
type history uint8

// node is a pod, its server and its disk.
type node struct {
	phase, rev, gate, label, drain uint8

	proc, role, follows, link uint8
	fail, target              uint8
	silent                    bool // it answers its clients, but not us
	frozen                    bool // it answers nobody, and does nothing
	apart                     bool // it and its clients are cut off from all others
	long                      bool // we have not been answered for as long as a primary may be silent
	deaf                      bool // nor has the replica heard from its primary for so long
	former                    bool // another was promoted in its place while it was silent
	cut                       bool // no link to a primary can stand
	broken                    bool // its container cannot start again
	clients                   bool // somebody is connected to it
	stray                     bool // a user made it primary
	logging                   bool // it writes its first log since a full synchronisation
	foreign                   bool // somebody else than the operator ended its pod
	kept                      bool // its claim does not go with its pod, though that is beyond the size
	evac                      bool // its host is to be emptied
	term                      uint8
	hist, hist2               history
	off2                      uint8 // hist2 counts up to here, exclusive
	set                       writes

	// disk outlives the process, and the pod as well if it is a volume.
	diskHist history
	diskSet  writes
}

// State is all there is of one shard, small enough to be a key.
type State struct {
	n [maxNodes]node

	spec uint8 // index of World.Specs
	seen bool  // the StatefulSet's controller has seen that spec
	size uint8 // what the StatefulSet is asked for

	slice uint8 // whom the primary Service leads to
	reads uint8 // set of nodes behind the replicas' Service
	busy  bool  // Services changed less than a second ago
	tight bool  // somebody else has exhausted the budgets

	formed  bool
	last    uint8
	hists   [4]history
	attempt explore.Attempt

	op operator

	owed    writes // acknowledged, and still there to be lost
	written uint8  // acknowledged in all
	faults  uint8  // faults spent
	crashes uint8  // operators spent
}

func (s *State) ready(i int) bool {
	n := &s.n[i]
	return n.phase == running && n.gate == gateIn && n.proc == procUp
}

// down is the truth that the design's word means.
func (s *State) down(i int) bool { return !s.ready(i) || s.n[i].mute() }

// mute says that the operator is not answered.
func (n *node) mute() bool { return n.silent || n.frozen || n.apart }

// stuck says that nothing passes between the node and its primary or replicas.
func (n *node) stuck() bool { return n.frozen || n.apart }

// passes says that what a replica's primary writes reaches it.
func (s *State) passes(replica *node) bool {
	return replica.follows >= maxNodes || (!replica.stuck() && !s.n[replica.follows].stuck())
}

// primaries are the servers that say that they are primary, heard or not.
func (s *State) primaries() (all []int) {
	for i := range s.n {
		if s.n[i].proc == procUp && s.n[i].role == rolePrimary {
			all = append(all, i)
		}
	}
	return all
}

// attached is the truth about a replica that has all of the primary's history
// but perhaps its last writes.
func (s *State) attached(i, primary int) bool {
	n := &s.n[i]
	return n.proc == procUp && n.role == roleReplica && n.follows == uint8(primary) &&
		n.link == linkUp && n.hist == s.n[primary].hist
}

// failingOver says whether a FAILOVER runs on any server.
func (s *State) failingOver() bool {
	for i := range s.n {
		if s.n[i].fail != failNone {
			return true
		}
	}
	return false
}

// copies is everything that any server or disk still holds.
func (s *State) copies() (all writes) {
	for i := range s.n {
		all |= s.n[i].diskSet
		if s.n[i].proc != procDead {
			all |= s.n[i].set
		}
	}
	return all
}

// turn makes the copy continue its history under another id.
func (n *node) turn(h history) {
	if n.hist != h {
		n.hist2, n.off2, n.hist = n.hist, uint8(n.set.count()+1), h //nolint:gosec // eight writes at most
	}
}

// newHistory is an id that nothing in the state bears.
func (s *State) newHistory() history {
	var used uint64
	mark := func(h history) { used |= 1 << h }
	mark(0)
	for _, h := range s.hists {
		mark(h)
	}
	for i := range s.n {
		mark(s.n[i].hist)
		mark(s.n[i].hist2)
		mark(s.n[i].diskHist)
	}
	return history(bits.TrailingZeros64(^used))
}

// canonical forgets what cannot matter any more and renames the histories in
// order of their appearance: two states that differ by names alone are one.
func (s *State) canonical() {
	for i := range s.n {
		s.n[i].tidy()
	}
	for i := range s.n {
		n := &s.n[i]
		n.long = n.long && n.mute()
		n.deaf = n.deaf && n.link == linkUp && !s.passes(n)
	}
	if s.op.kind == stepNone {
		s.op = operator{}
	}
	var known explore.Renaming[history]
	for i := range s.hists {
		known.Rename(&s.hists[i])
	}
	for i := range s.n {
		known.Rename(&s.n[i].hist)
		known.Rename(&s.n[i].hist2)
		known.Rename(&s.n[i].diskHist)
	}
}

// tidy zeroes what a pod that is absent, or a process that is dead, cannot have.
func (n *node) tidy() {
	if n.phase == absent {
		*n = node{diskHist: n.diskHist, diskSet: n.diskSet}
		return
	}
	if n.proc == procDead {
		n.role, n.follows, n.link, n.fail, n.target = 0, nobody, 0, 0, 0
		n.hist, n.hist2, n.off2, n.set, n.clients, n.stray, n.frozen, n.logging = 0, 0, 0, 0, false, false, false, false
	}
	if n.role != roleReplica {
		n.follows, n.link = nobody, linkDown
	}
	if n.role != rolePrimary {
		n.stray, n.former = false, false
	}
	if n.fail == failNone {
		n.target = 0
	}
	if n.hist2 == 0 {
		n.off2 = 0
	}
}
