package cluster

import (
	"math/bits"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// The bounds of a world. The places beyond its own are absent for ever.
const (
	maxShards = 3
	maxNodes  = 7
	maxGroups = 10
)

// id is the identity of a member: the number of its node, or, with the bit ghost,
// the identity that this node had before it lost its nodes.conf.
type id = uint8

const (
	ghost  id = 8
	nobody id = 15
)

// The phases of a pod.
const (
	absent uint8 = iota
	running
	terminating
	forgotten // deleted by force: Kubernetes knows of no pod, and its process runs on
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
	drainPassed // its clients have fallen silent, or have had their time
)

// The server of a pod.
const (
	dead uint8 = iota
	held       // a former primary outside of the cluster
	up
)

// Whether a node is cut off, with its host, from everybody but its clients.
const (
	cutNo  uint8 = iota
	cutNow       // it may still serve
	cutFor       // it has stopped by itself; Kubernetes knows that its host is lost
)

// groups is a set of slot groups.
type groups uint16

func (g groups) has(one int) bool { return g&(1<<one) != 0 }

// writes is a set of acknowledged writes, two for each group of slots.
type writes uint32

// in are the writes of some groups.
func (w writes) in(g groups) writes {
	var mask writes
	for one := range maxGroups {
		if g.has(one) {
			mask |= 3 << (2 * one)
		}
	}
	return w & mask
}

func (w writes) count() int { return bits.OnesCount32(uint32(w)) }

// table is who owns which group in the eyes of one node, four bits for each.
type table uint64

const unowned = ^table(0)

func (t table) owner(g int) id { return id(t>>(4*g)) & 15 }

func (t table) with(g int, who id) table { return t&^(15<<(4*g)) | table(who)<<(4*g) }

// of are the groups that one owns.
func (t table) of(who id) (out groups) {
	for g := range maxGroups {
		if t.owner(g) == who {
			out |= 1 << g
		}
	}
	return out
}

// owners is the set of those that own any group, by id.
func (t table) owners() (out uint16) {
	for g := range maxGroups {
		if who := t.owner(g); who != nobody {
			out |= 1 << who
		}
	}
	return out
}

// node is a pod, its server and its disk. What nodes.conf holds (conf and the
// fields below it) outlives the process, and the pod if it is a volume.
type node struct {
	phase, gate, drain uint8
	stale              bool
	proc, cut          uint8
	silent             bool // it answers everybody, but not us
	ours               bool // the operator took it down, and it is not back in service
	foreign            bool // somebody else ended its pod
	evac               bool // its host is to be emptied
	term               uint8

	conf    bool // there is a nodes.conf
	primary bool
	follows id
	table   table
	epoch   uint8
	part    uint8 // members of one part know each other
	forgot  uint8 // nodes that it has forgotten
	ghosts  uint8 // former identities that it knows
	lost    bool  // it has an address that the others have not heard of
	meets   uint8 // whom it is about to meet, plus one

	linked  bool  // a replica's link to its primary
	fit     bool  // it has been linked since it booted: the others would elect it
	fail    uint8 // a primary that holds back writes for a failover: its target, plus one
	listens bool  // it has joined just now, and serves nobody before it has listened

	moves      groups // atomic migrations that it is the source of
	movesTo    uint8
	moveFailed bool

	hist, hist2 uint8
	set         writes
	diskHist    uint8
	diskSet     writes
}

// shard is what Kubernetes and the operator's memory hold of a shard, and the step
// that the operator is in the middle of.
type shard struct {
	size    uint8
	formed  bool
	last    uint8 // its last primary, plus one
	slots   groups
	hists   [2]uint8
	attempt explore.Attempt
	op      operator
}

// State is all there is of a cluster, small enough to be a key.
type State struct {
	n [maxNodes]node
	k [maxShards]shard

	formed     bool
	spec       uint8 // index of World.Wished
	reassign   bool  // a person has set spec.recovery.onShardLoss to ReassignEmpty
	ghostEpoch [maxNodes]uint8

	owed    writes // acknowledged, and still there to be lost
	written uint8
	faults  uint8
	crashes uint8
}

// member: its server is one of the cluster's.
func (s *State) member(i int) bool { return s.n[i].proc == up }

// owned are the groups that a node says it serves.
func (s *State) owned(i int) groups {
	if !s.member(i) || !s.n[i].primary {
		return 0
	}
	return s.n[i].table.of(id(i))
}

// accepts are the groups for which a node takes writes.
func (s *State) accepts(i int) groups {
	n := &s.n[i]
	if n.fail != 0 || n.listens || n.cut == cutFor {
		return 0
	}
	return s.owned(i)
}

// epochOf is the configuration epoch of a member.
func (s *State) epochOf(who id) uint8 {
	switch {
	case who == nobody:
		return 0
	case who&ghost != 0:
		return s.ghostEpoch[who&^ghost]
	}
	return s.n[who].epoch
}

// stays: the pod is wished for.
func (s *State) stays(i int) bool { return ordinalOf(i) < int(s.k[shardOf(i)].size) }

// ready is the pod's condition: something listens, and its gate says so.
func (s *State) ready(i int) bool {
	n := &s.n[i]
	return n.phase == running && n.gate == gateIn && n.proc != dead && n.cut != cutFor
}

// down is the truth that the design's word means.
func (s *State) down(i int) bool {
	return !s.ready(i) || s.n[i].unseen() || s.n[i].proc == held
}

// unseen: no look of the operator's reaches the node, though its process may run.
func (n *node) unseen() bool { return n.silent || n.cut != cutNo || n.phase == forgotten }

// attached is the truth about a replica that has all of its primary's history but
// perhaps its last writes.
func (s *State) attached(i, p int) bool {
	n := &s.n[i]
	return s.member(i) && !n.primary && n.follows == id(p) && n.linked && n.hist == s.n[p].hist
}

// turn makes the copy continue its history under another name.
func (n *node) turn(h uint8) {
	if n.hist != h {
		n.hist2, n.hist = n.hist, h
	}
}

// newHistory is a name that nothing in the state bears.
func (s *State) newHistory() uint8 {
	used := uint64(1)
	for k := range s.k {
		for _, h := range s.k[k].hists {
			used |= 1 << h
		}
	}
	for i := range s.n {
		used |= 1<<s.n[i].hist | 1<<s.n[i].hist2 | 1<<s.n[i].diskHist
	}
	return uint8(bits.TrailingZeros64(^used))
}

// canonical forgets what cannot matter any more, and renames histories, epochs and
// parts: two states that differ by names alone are one.
func (s *State) canonical() {
	for i := range s.n {
		s.n[i].tidy()
	}
	s.renameHistories()
	s.rankEpochs()
	for i := range s.n {
		for j := range i + 1 {
			if s.n[j].part == s.n[i].part && s.n[j].conf && s.n[i].conf {
				s.relabel(s.n[i].part, uint8(j)+maxNodes)
				break
			}
		}
	}
	for i := range s.n {
		s.n[i].part %= maxNodes
	}
}

func (s *State) relabel(from, to uint8) {
	for i := range s.n {
		if s.n[i].part == from && s.n[i].conf {
			s.n[i].part = to
		}
	}
}

func (s *State) renameHistories() {
	var known explore.Renaming[uint8]
	for k := range s.k {
		for i := range s.k[k].hists {
			known.Rename(&s.k[k].hists[i])
		}
	}
	for i := range s.n {
		known.Rename(&s.n[i].hist)
		known.Rename(&s.n[i].hist2)
		known.Rename(&s.n[i].diskHist)
	}
}

// rankEpochs makes epochs as small as their order allows. Whoever owns nothing in
// anybody's eyes, and claims nothing, has none that matters.
func (s *State) rankEpochs() {
	var owners uint16
	for i := range s.n {
		if s.n[i].conf {
			owners |= s.n[i].table.owners()
		}
	}
	var used uint64
	for i := range s.n {
		if owners&(1<<i) == 0 {
			s.n[i].epoch = 0
		}
		if owners&(1<<(id(i)|ghost)) == 0 {
			s.ghostEpoch[i] = 0
		}
		used |= 1<<s.n[i].epoch | 1<<s.ghostEpoch[i]
	}
	used |= 1
	rank := func(e uint8) uint8 { return uint8(bits.OnesCount64(used&(1<<e-1|1<<e))) - 1 }
	for i := range s.n {
		s.n[i].epoch, s.ghostEpoch[i] = rank(s.n[i].epoch), rank(s.ghostEpoch[i])
	}
}

// tidy zeroes what a pod that is absent, or a process that is dead, cannot have.
func (n *node) tidy() {
	if n.phase == absent {
		n.gate, n.drain, n.stale, n.proc, n.cut, n.silent, n.foreign = 0, 0, false, dead, 0, false, false
		n.evac, n.term = false, explore.TermNone
	}
	if !n.conf {
		n.primary, n.follows, n.table, n.epoch, n.part, n.forgot, n.ghosts, n.lost = false, nobody, unowned, 0, 0, 0, 0, false
	}
	if n.proc != up {
		n.linked, n.fit, n.fail, n.listens, n.moves, n.moveFailed, n.meets = false, false, 0, false, 0, false, 0
		n.hist, n.hist2, n.set = 0, 0, 0
	}
	if n.primary {
		n.follows, n.linked, n.fit = nobody, false, false
	} else {
		n.fail, n.moves, n.moveFailed, n.listens = 0, 0, false, false
	}
	if n.moves == 0 && !n.moveFailed {
		n.movesTo = 0
	}
}

// operator is a step under way: its number among all that were ever planned, how
// far it is, and the nodes whose pods have been replaced since.
type operator struct {
	step uint16
	part uint8
	gone uint8
}
