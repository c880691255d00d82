package sim

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
)

// The kinds of a step, as State keeps them.
const (
	stepNone uint8 = iota
	stepPromote
	stepFollow
	stepPublish
	stepScale
	stepDrain
	stepHandover
	stepRestart
)

// operator is the step that the operator is in the middle of; between two steps
// it remembers nothing.
type operator struct {
	kind uint8
	part uint8 // what of it is done
	a, b uint8 // node and other node, or the sizes of a scaling
	rev  uint8
	// gone are the nodes whose pods have been replaced since the look.
	gone  uint8
	start bool // the drain begins
	reads uint8
	pub   [maxNodes]uint8
}

// The bits of operator.pub.
const (
	pubRole     = 3
	pubIn       = 4
	pubEndDrain = 8
	pubThis     = 16
)

// planned is a plan as the simulation needs it.
type planned struct {
	op    operator
	step  model.Step
	holds []model.Hold
}

// pack makes the compact form of a step.
func pack(step model.Step) operator {
	switch s := step.(type) {
	case model.Promote:
		return operator{kind: stepPromote, a: index(s.Node)}
	case model.Follow:
		return operator{kind: stepFollow, a: index(s.Node), b: index(s.Primary)}
	case model.Publish:
		op := operator{kind: stepPublish, a: index(s.Primary)}
		for _, r := range s.Replicas {
			op.reads |= 1 << index(r)
		}
		for _, n := range s.Nodes {
			op.pub[index(n.Node)] = packPublication(n)
		}
		return op
	case model.Scale:
		return operator{kind: stepScale, a: uint8(s.From), b: uint8(s.To)}
	case model.Drain:
		return operator{kind: stepDrain, a: index(s.Node), start: s.Start}
	case model.Handover:
		return operator{kind: stepHandover, a: index(s.From), b: index(s.To), rev: revision(s.Revision)}
	case model.Restart:
		return operator{kind: stepRestart, a: index(s.Node), rev: revision(s.Revision)}
	case model.Meet, model.AddSlots, model.Release, model.Forget, model.MoveSlots, model.CancelMoves,
		model.WatchPrimary, model.SetWatch, model.ResetWatch, model.Rank, model.PauseWrites, model.ScaleSentinels:
		panic(fmt.Sprintf("a step of a cluster or of Sentinels in a world that has none: %s", s))
	}
	return operator{}
}

func packPublication(n model.Publication) uint8 {
	bits := pubThis | uint8(n.Role)
	if n.InService {
		bits |= pubIn
	}
	if n.EndDrain {
		bits |= pubEndDrain
	}
	return bits
}

// index finds the node behind a name: v-3 is 3.
func index(r model.Ref) uint8 {
	if len(r.Name) < 3 {
		return nobody
	}
	return r.Name[2] - '0'
}

// revisionName is the reverse of revision.
func revisionName(rev uint8) string {
	if rev == 0xff {
		return ""
	}
	return revisions[rev]
}

func revision(name string) uint8 {
	if name == "" {
		return 0xff
	}
	return name[1] - '0'
}

// unpack is the step as it was planned, for the comparison with a fresh one. A
// pod that has been replaced since has another UID and address now.
func (op operator) unpack() model.Step {
	then := func(i uint8) model.Ref {
		r := ref(i)
		if op.gone&(1<<i) != 0 {
			r.UID, r.Address = "replaced", goneAddress
		}
		return r
	}
	switch op.kind {
	case stepPromote:
		return model.Promote{Node: then(op.a)}
	case stepFollow:
		return model.Follow{Node: then(op.a), Primary: then(op.b)}
	case stepScale:
		return model.Scale{From: int(op.a), To: int(op.b)}
	case stepHandover:
		return model.Handover{From: then(op.a), To: then(op.b), Revision: revisionName(op.rev)}
	case stepRestart:
		return model.Restart{Node: then(op.a), Revision: revisionName(op.rev)}
	}
	return nil
}

// look is the operator's look: it remembers what cannot be seen later, and
// plans. The memory is written before anything is done.
func (r *run) look(s State) {
	p := r.plan(&s)
	next := s
	next.remember()
	next.op = p.op
	r.checkPlan(&s, p)
	if next == s {
		return
	}
	r.emit(Move{Kind: moveLook, Op: p.op}, next)
}

// remember writes the operator's memory, as the controller does with each look.
func (s *State) remember() {
	only := -1
	for _, p := range s.primaries() {
		switch {
		case s.n[p].mute():
		case only >= 0:
			return
		default:
			only = p
		}
	}
	if only < 0 || s.outdated(only) {
		return
	}
	s.last, s.formed = uint8(only), true
	if h := s.n[only].hist; h != 0 && s.hists[0] != h {
		older := s.hists
		s.hists = [len(s.hists)]history{h}
		at := 1
		for _, o := range older {
			if o != h && at < len(s.hists) {
				s.hists[at] = o
				at++
			}
		}
	}
}

// same says whether a fresh look leads to the same step.
func (r *run) same(s *State) bool {
	if r.world.Mutant.NoReplan {
		return true
	}
	now := r.plan(s)
	return now.step != nil && s.op.unpack().Same(now.step)
}

// act does the next part of the step under way.
func (r *run) act(s State) {
	switch s.op.kind {
	case stepPromote:
		r.promote(s)
	case stepFollow:
		r.follow(s)
	case stepPublish:
		r.publish(s)
	case stepScale:
		r.scale(s)
	case stepDrain:
		r.drain(s)
	case stepHandover:
		r.handover(s)
	case stepRestart:
		r.restart(s)
	}
}

// done ends the step: the next thing is another look.
func (r *run) done(s State, what string) {
	op := s.op
	s.op = operator{}
	r.emit(Move{Kind: moveAct, Op: op, What: what}, s)
}

// part ends a part of the step.
func (r *run) part(s State, what string) {
	op := s.op
	s.op.part++
	r.emit(Move{Kind: moveAct, Op: op, What: what}, s)
}

// reachable says whether the operator can talk to the server it has seen.
func (s *State) reachable(i uint8) bool {
	n := &s.n[i]
	return s.op.gone&(1<<i) == 0 && n.proc != procDead && !n.mute()
}

// promote is REPLICAOF NO ONE, or FAILOVER ABORT on a server that fails over.
func (r *run) promote(s State) {
	if !r.same(&s) || !s.reachable(s.op.a) {
		r.done(s, "not done")
		return
	}
	r.checkPromote(&s, int(s.op.a))
	s.becomePrimary(int(s.op.a))
	r.done(s, "promoted")
}

func (r *run) follow(s State) {
	n := &s.n[s.op.a]
	if !r.same(&s) || !s.reachable(s.op.a) || n.fail != failNone {
		r.done(s, "not done")
		return
	}
	r.checkFollow(&s, int(s.op.a), int(s.op.b))
	s.point(int(s.op.a), s.op.b)
	if s.op.gone&(1<<s.op.b) != 0 {
		n.follows = gone
	}
	r.done(s, "told to follow")
}

// publish moves the Services, then writes the labels, then the gates.
func (r *run) publish(s State) {
	switch s.op.part {
	case 0:
		s.slice, s.reads = s.op.a, s.op.reads&^s.op.gone
		if s.op.gone&(1<<s.op.a) != 0 {
			s.slice = gone
		}
		s.busy = r.world.Quiet
		r.part(s, "Services")
	case 1:
		r.eachPublication(&s, func(n *node, bits uint8) {
			if role := bits & pubRole; role != roleNone {
				n.label = role
			}
			if bits&pubEndDrain != 0 {
				n.drain = drainNo
			}
		})
		r.part(s, "labels")
	default:
		r.eachPublication(&s, func(n *node, bits uint8) {
			n.gate = gateOut
			if bits&pubIn != 0 {
				n.gate = gateIn
			}
		})
		r.done(s, "gates")
	}
}

// eachPublication visits the pods to be written that are still the same ones.
func (r *run) eachPublication(s *State, write func(*node, uint8)) {
	for i := range s.n {
		bits := s.op.pub[i]
		if bits&pubThis != 0 && s.op.gone&(1<<i) == 0 && s.n[i].phase != absent {
			write(&s.n[i], bits)
		}
	}
}

func (r *run) scale(s State) {
	in := s.op.b < s.op.a
	if s.size != s.op.a || (in && !r.same(&s)) {
		r.done(s, "not done")
		return
	}
	if in {
		r.checkTakeDown(&s, int(s.op.b), true)
	}
	s.size = s.op.b
	r.done(s, "scaled")
}

func (r *run) drain(s State) {
	n := &s.n[s.op.a]
	switch {
	case s.op.gone&(1<<s.op.a) != 0 || n.phase == absent:
		r.done(s, "not done")
	case s.op.start:
		if n.drain == drainNo {
			n.drain = drainBegun
		}
		r.done(s, "marked")
	case !s.reachable(s.op.a):
		r.done(s, "not done")
	default:
		n.clients = false
		r.done(s, "clients sent away")
	}
}

// restart looks again, then evicts: somebody else may be faster in between.
func (r *run) restart(s State) {
	if s.op.part == 0 {
		if !r.same(&s) {
			r.done(s, "not done")
			return
		}
		r.checkTakeDown(&s, int(s.op.a), false)
		r.part(s, "looked again")
		return
	}
	i := int(s.op.a)
	n := &s.n[i]
	replaced := s.op.gone&(1<<i) != 0
	switch {
	case n.phase == absent, n.phase == terminating:
		r.done(s, "it is gone already")
	case replaced && !r.world.Mutant.NoUID:
		r.done(s, "refused: another pod by now")
	case !r.world.budgetAllows(&s, i) && !r.world.Mutant.NoBudget:
		r.done(s, "refused by the budget")
	default:
		r.checkEvict(&s, i, replaced)
		n.phase = terminating
		r.done(s, "evicted")
	}
}

// budgetAllows is what the PodDisruptionBudgets of the two roles say.
func (w *World) budgetAllows(s *State, i int) bool {
	label := s.n[i].label
	if label == roleNone || !s.ready(i) {
		return true
	}
	if w.Topology == model.Standalone { // it has one for its primary, if that could hand over
		return label != rolePrimary || w.surge(s) == model.SurgeNever
	}
	if s.tight {
		return false
	}
	left := 0
	for j := range s.n {
		if j != i && s.n[j].label == label && s.ready(j) {
			left++
		}
	}
	if label == rolePrimary {
		return left >= 1
	}
	return left >= int(w.spec(s).Nodes)-2
}
