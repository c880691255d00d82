package sentinel

import (
	"math/bits"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// The bounds of a world: data nodes and Sentinels.
const (
	maxNodes     = 3
	maxSentinels = 4
)

// The values of node.follows, sentinel.watch and others that are no node.
const (
	nobody uint8 = 0xff // model.Nobody, or no endpoint, or no primary watched
	gone   uint8 = 0xfe // the address of a pod that is no more
)

// The phases of a pod.
const (
	absent uint8 = iota
	running
	terminating
)

// The readiness gate of a pod.
const (
	gateNever uint8 = iota
	gateOut
	gateIn
)

// The drain of a pod.
const (
	drainNo uint8 = iota
	drainBegun
	drainPassed
)

// A FAILOVER that runs on a server.
const (
	failNone uint8 = iota
	failWaiting
	failProgress
)

// writes is a set of writes.
type writes uint8

func (w writes) has(all writes) bool { return all&^w == 0 }
func (w writes) count() int          { return bits.OnesCount8(uint8(w)) }

// node is a data node: a pod, its server and its disk.
type node struct {
	phase, gate, drain uint8
	stale              bool
	clients            bool
	evac               bool // its host is to be emptied
	term               uint8

	up      bool // its process runs
	primary bool
	labeled bool // its label says that it is primary
	follows uint8
	linked  bool
	fail    uint8
	target  uint8
	zero    bool // its replica-priority is 0
	late    bool // its replica-priority is the last one, if it is not 0
	paused  bool // the operator has it hold back writes
	vouched bool // the operator has let it be promoted, and it follows nobody

	hist, hist2, off2 uint8
	set               writes
	diskHist          uint8
	diskSet           writes
}

// sentinel is one Sentinel and its pod.
type sentinel struct {
	phase uint8
	stale bool
	up    bool
	mute  bool // it does not answer the operator, and acts
	// watch is whom it names, with the configuration epoch; nobody when it watches none.
	watch, epoch uint8
	unset        bool // it has not been told how to watch
	down         bool // it finds the primary down
	// knows are the nodes that it has as primary or replicas, ranked those of them that
	// it has last seen with a priority above 0, late those of these that come last, others
	// the Sentinels that it knows, and away those of them that it knows by an address
	// which is no more, as lost are those nodes.
	knows, ranked, late, others, away, lost uint8
}

// failover is one that a Sentinel runs.
type failover struct {
	kind uint8
	part uint8 // 1: it is about to choose, 2: it has promoted to, or told the primary, 3: it has seen that to is primary
	by   uint8
	from uint8
	to   uint8
	// epoch is that with which the new primary will be named.
	epoch uint8
}

// The kinds of failover.
const (
	foNone        uint8 = iota
	foOwn               // by their own election, of a primary that they do not reach
	foOverrule          // by their own election, beside a primary that they reach and have not made
	foUser              // somebody's SENTINEL FAILOVER
	foAsked             // the operator's SENTINEL FAILOVER
	foCoordinated       // the operator's SENTINEL FAILOVER COORDINATED
)

// operator is the step that the operator is in the middle of.
type operator struct {
	step uint16 // its number in the book
	part uint8
	// epoch is that with which Sentinels are told of a handover.
	epoch uint8
	// gone are the nodes and Sentinels whose pods have been replaced since the look.
	gone uint8
}

// State is all there is of one instance, small enough to be a key.
type State struct {
	n [maxNodes]node
	s [maxSentinels]sentinel

	size, sentinels uint8 // what the StatefulSets are asked for
	far             uint8 // who is on the far side of a partition: nodes, then Sentinels
	fo              failover

	slice uint8
	reads uint8

	formed  bool
	last    uint8
	hists   [3]uint8
	attempt explore.Attempt
	lead    uint8 // who was made primary last
	theirs  bool  // by the Sentinels alone

	op operator

	owed    writes
	written uint8
	faults  uint8
	crashes uint8
}

// sbit is the bit of a Sentinel in sets of nodes and Sentinels.
func sbit(i int) uint8 { return 1 << (maxNodes + i) }

func (s *State) farNode(i int) bool     { return s.far&(1<<i) != 0 }
func (s *State) farSentinel(i int) bool { return s.far&sbit(i) != 0 }

// reach: two data nodes reach each other.
func (s *State) reach(i, j int) bool { return s.n[j].up && s.farNode(i) == s.farNode(j) }

// sees: a Sentinel reaches a data node.
func (s *State) sees(k int, i uint8) bool {
	return i < maxNodes && s.n[i].up && s.farSentinel(k) == s.farNode(int(i)) && s.s[k].lost&(1<<i) == 0
}

// talk: two Sentinels reach each other.
func (s *State) talk(a, b int) bool {
	return s.s[a].up && s.s[b].up && s.farSentinel(a) == s.farSentinel(b)
}

// calls: a Sentinel knows another one, and reaches it.
func (s *State) calls(a, b int) bool { return (s.s[a].others&^s.s[a].away)&(1<<b) != 0 && s.talk(a, b) }

// active: a Sentinel runs and watches somebody.
func (s *State) active(k int) bool { return s.s[k].up && s.s[k].watch != nobody }

// answers: a Sentinel answers the operator; heard: a data node does.
func (s *State) answers(k int) bool { return s.s[k].up && !s.s[k].mute && !s.farSentinel(k) }
func (s *State) heard(i int) bool   { return s.n[i].up && !s.farNode(i) }

// ready is the pod's condition.
func (s *State) ready(i int) bool {
	n := &s.n[i]
	return n.phase == running && n.gate == gateIn && n.up
}

// down is the truth that the design's word means.
func (s *State) down(i int) bool { return !s.ready(i) || s.farNode(i) }

// primaries are the servers that say that they are primary, heard or not.
func (s *State) primaries() (all []int) {
	for i := range s.n {
		if s.n[i].up && s.n[i].primary {
			all = append(all, i)
		}
	}
	return all
}

// attached is the truth about a replica that has all of the primary's history but
// perhaps its last writes.
func (s *State) attached(i, primary int) bool {
	n := &s.n[i]
	return n.up && !n.primary && n.follows == uint8(primary) && n.linked && n.hist == s.n[primary].hist
}

// visible are the primaries that the operator hears.
func (s *State) visible() (all []int) {
	for _, p := range s.primaries() {
		if s.heard(p) {
			all = append(all, p)
		}
	}
	return all
}

// copies is everything that any server or disk still holds.
func (s *State) copies() (all writes) {
	for i := range s.n {
		all |= s.n[i].diskSet
		if s.n[i].up {
			all |= s.n[i].set
		}
	}
	return all
}

// turn makes the copy continue its history under another id.
func (n *node) turn(h uint8) {
	if n.hist != h {
		n.hist2, n.off2, n.hist = n.hist, uint8(n.set.count()+1), h //nolint:gosec // eight writes at most
	}
}

// newHistory is an id that nothing in the state bears.
func (s *State) newHistory() uint8 {
	used := uint64(1)
	for _, h := range s.hists {
		used |= 1 << h
	}
	for i := range s.n {
		used |= 1<<s.n[i].hist | 1<<s.n[i].hist2 | 1<<s.n[i].diskHist
	}
	return uint8(bits.TrailingZeros64(^used)) //nolint:gosec // below 64
}

// canonical forgets what cannot matter any more, ranks epochs, and renames histories
// in order of their appearance.
func (s *State) canonical() {
	for i := range s.n {
		s.n[i].tidy()
		if n := &s.n[i]; n.linked && (n.follows >= maxNodes || !s.reach(i, int(n.follows))) {
			n.linked = false
		}
	}
	for k := range s.s {
		s.tidySentinel(k)
	}
	if s.fo.kind == foNone || !s.s[s.fo.by].up {
		s.fo = failover{}
	}
	for i := range s.n {
		s.n[i].paused = s.n[i].paused && s.overthrown(i)
	}
	if s.op.step == 0 {
		s.op = operator{}
	}
	s.rankEpochs()
	s.renameHistories()
}

// overthrown: Sentinels fail over from a primary that takes writes meanwhile, unless the
// operator has it hold them back: here, as long as their failover goes on.
func (s *State) overthrown(i int) bool {
	n := &s.n[i]
	return s.fo.kind != foNone && s.fo.kind != foCoordinated && s.fo.from == uint8(i) && n.up && n.primary && n.fail == failNone
}

func (s *State) tidySentinel(k int) {
	t := &s.s[k]
	if t.phase == absent {
		*t = sentinel{watch: nobody}
		return
	}
	if t.watch == nobody {
		t.epoch, t.unset, t.down, t.knows, t.ranked, t.late, t.others, t.away, t.lost = 0, false, false, 0, 0, 0, 0, 0, 0
		return
	}
	t.knows |= 1 << t.watch
	t.away &= t.others
	t.lost &= t.knows
	t.ranked &= t.knows &^ (1 << t.watch)
	t.late &= t.ranked
	if t.down && s.fine(k) {
		t.down = false
	}
}

// superseded: another Sentinel that this one hears has a higher epoch; -1 for none.
func (s *State) superseded(k int) int {
	best := k
	for o := range s.s {
		if s.active(o) && s.s[o].epoch > s.s[best].epoch && s.meets(k, o) {
			best = o
		}
	}
	if best == k {
		return -1
	}
	return best
}

// fine: the primary that a Sentinel names answers it, and says that it is one.
func (s *State) fine(k int) bool {
	w := s.s[k].watch
	return s.sees(k, w) && s.n[w].primary
}

func (s *State) rankEpochs() {
	all := [maxSentinels + 2]*uint8{&s.fo.epoch, &s.op.epoch}
	for k := range s.s {
		all[2+k] = &s.s[k].epoch
	}
	var seen uint32
	for _, e := range all {
		seen |= 1 << *e
	}
	for _, e := range all {
		if *e > 0 {
			*e = uint8(bits.OnesCount32(seen & (1<<(*e+1) - 2))) //nolint:gosec // few
		}
	}
}

func (s *State) renameHistories() {
	var known explore.Renaming[uint8]
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
		*n = node{follows: nobody, diskHist: n.diskHist, diskSet: n.diskSet}
		return
	}
	if !n.up {
		n.primary, n.follows, n.linked, n.fail, n.zero, n.late, n.vouched = false, nobody, false, failNone, false, false, false
		n.hist, n.hist2, n.set, n.clients = 0, 0, 0, false
	}
	if n.primary {
		n.follows, n.linked = nobody, false
	}
	if n.primary || n.follows != nobody {
		n.vouched = false
	}
	if n.fail == failNone {
		n.target = 0
	}
	n.late = n.late && !n.zero
	if n.hist2 == 0 {
		n.off2 = 0
	}
}
