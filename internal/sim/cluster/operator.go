package cluster

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// planned is a plan as the simulation needs it: the number of the step of each
// shard, and the holds.
type planned struct {
	steps [maxShards]uint16
	holds []model.Hold
	// known are the shards whose primary others know as well.
	known [maxShards]bool
}

// keptPlans bounds the plans that are kept: neighbours share them, others seldom do.
const keptPlans = 300_000

// plan is the plan for what is seen of a state. It is kept: the planner is a pure
// function, and many moves change nothing that it is shown.
func (r *run) plan(s *State) planned {
	key := s.seenPart()
	if p, ok := r.plans[key]; ok {
		return p
	}
	seen := r.world.View(s)
	made, err := r.world.decide(seen)
	if err != nil {
		r.Violate(0, "the planner failed: %v", err)
	}
	p := planned{holds: made.Holds}
	rules, _ := topology.For(seen)
	for k, shard := range seen.Shards {
		p.steps[k] = r.world.book.Number(made.Steps[shard.Name])
		primary, ok := shard.Primary()
		p.known[k] = ok && (rules.Recognised(primary) || r.world.Mutant.Credulous)
	}
	if len(r.plans) == keptPlans {
		clear(r.plans)
	}
	r.plans[key] = p
	return p
}

// seenPart keeps of a state what View reads.
func (s *State) seenPart() State {
	v := *s
	v.owed, v.written, v.faults, v.crashes = 0, 0, 0, 0
	for k := range v.k {
		v.k[k].op = operator{}
	}
	for i := range v.n {
		n := &v.n[i]
		n.ours, n.foreign, n.listens, n.term = false, false, false, min(n.term, explore.TermHook)
		if n.proc != held {
			n.diskHist, n.diskSet = 0, 0
		}
	}
	return v
}

// busy: the operator is in the middle of a step.
func (s *State) busy() bool {
	for k := range s.k {
		if s.k[k].op.step != 0 {
			return true
		}
	}
	return false
}

// operatorMoves: it looks, and then performs the steps of all shards at the same
// time. It looks again when all of them are done.
func (r *run) operatorMoves(s *State) {
	if !s.busy() {
		r.look(*s)
		return
	}
	for k := range r.world.shards() {
		if s.k[k].op.step != 0 {
			a := act{run: r, k: k, s: *s}
			a.perform()
		}
	}
}

// look is the operator's look: it writes down what cannot be seen later, and plans.
func (r *run) look(s State) {
	p := r.plan(&s)
	next := s
	r.world.remember(&next, p)
	r.checkPlan(&s, p)
	what := ""
	for k, n := range p.steps {
		next.k[k].op = operator{step: n}
		if n != 0 {
			what += fmt.Sprintf("%s; ", r.world.book.Step(n))
		}
	}
	if next != s {
		r.emit(Move{Kind: moveLook, Whom: what}, next)
	}
}

// remember writes the operator's memory, as the status does with each look.
func (w *World) remember(s *State, seen planned) {
	var covered groups
	for i := range w.nodes() {
		if !s.n[i].unseen() {
			covered |= s.owned(i)
		}
	}
	for k := range w.shards() {
		one, primaries := &s.k[k], s.seenPrimaries(k)
		if len(primaries) == 1 {
			one.formed, one.slots = true, s.owned(primaries[0])
		}
		if seen.known[k] {
			one.believe(primaries[0], s.n[primaries[0]].hist)
		}
		if k >= w.wished(s) && one.size == 0 && (one.slots == 0 || covered == w.all()) && s.empty(k) {
			*one = shard{op: one.op}
		}
	}
	s.formed = s.formed || covered == w.all()
}

// empty: no pod of the shard is there.
func (s *State) empty(k int) bool {
	return !slices.ContainsFunc(nodesOf[k], func(i int) bool { return s.n[i].phase != absent })
}

// believe remembers a primary and its history.
func (one *shard) believe(p int, hist uint8) {
	one.last = uint8(p) + 1
	if hist != 0 && one.hists[0] != hist {
		one.hists = [len(one.hists)]uint8{hist, one.hists[0]}
	}
}

// seenPrimaries are the nodes of a shard that tell the operator that they are its
// primary.
func (s *State) seenPrimaries(k int) (out []int) {
	for _, i := range nodesOf[k] {
		n := &s.n[i]
		if s.member(i) && n.primary && !n.unseen() && (s.owned(i) != 0 || s.followed(i)) {
			out = append(out, i)
		}
	}
	return out
}

// act is one shard's step as it goes on from a state.
type act struct {
	*run
	k int
	s State
}

func (a *act) op() *operator { return &a.s.k[a.k].op }

func (a *act) step() model.Step { return a.world.book.Step(a.op().step) }

// done ends the step.
func (a *act) done(what string) {
	text := fmt.Sprintf("%q: %s", a.step(), what)
	*a.op() = operator{}
	a.emit(Move{Kind: moveAct, Whom: text}, a.s)
}

// part ends a part of the step.
func (a *act) part(what string) {
	text := fmt.Sprintf("%q: %s", a.step(), what)
	a.op().part++
	a.emit(Move{Kind: moveAct, Whom: text}, a.s)
}

// gone: the pod that was looked at has been replaced since.
func (a *act) gone(i int) bool { return a.op().gone&(1<<i) != 0 }

// reachable says whether the operator can talk to the server that it has seen.
func (a *act) reachable(i int) bool {
	n := &a.s.n[i]
	return !a.gone(i) && n.proc != dead && !n.unseen()
}

// same says whether a fresh look leads to the same step.
func (a *act) same() bool {
	if a.world.Mutant.NoReplan {
		return true
	}
	step := a.step()
	if a.op().gone&mentions(step) != 0 {
		return false
	}
	now := a.world.book.Step(a.plan(&a.s).steps[a.k])
	if now == nil || !step.Same(now) {
		return false
	}
	a.op().step = a.world.book.Number(now) // it is performed as it is planned now
	return true
}

// index finds the node behind a name: v-1-0 is the first of shard 1.
func index(r model.Ref) int { return nodesOf[r.Name[2]-'0'][r.Name[4]-'0'] }

func setOf(refs ...model.Ref) (out uint8) {
	for _, r := range refs {
		if r.Name != "" {
			out |= 1 << index(r)
		}
	}
	return out
}

// mentions is the set of nodes whose pods make the step the one that it is.
func mentions(step model.Step) uint8 {
	switch s := step.(type) {
	case model.Promote:
		return setOf(s.Node)
	case model.Follow:
		return setOf(s.Node, s.Primary)
	case model.Handover:
		return setOf(s.From, s.To)
	case model.Restart:
		return setOf(s.Node)
	case model.Meet:
		return setOf(append(s.Nodes, s.Via)...)
	case model.AddSlots:
		return setOf(s.Node)
	case model.Release:
		return setOf(s.Node, s.Over)
	case model.Forget:
		return setOf(s.At...)
	case model.MoveSlots:
		return setOf(s.From, s.To)
	case model.Publish, model.Scale, model.Drain, model.CancelMoves, model.WatchPrimary, model.SetWatch, model.ResetWatch,
		model.Rank, model.PauseWrites, model.ScaleSentinels: // not planned again, or not for one pod
	}
	return 0
}

func (a *act) perform() {
	step := a.step()
	_, takesTurns := step.(model.Handover)
	if step.Disruptive() && a.op().part == 0 && !takesTurns {
		if !a.same() {
			a.done("out of date")
			return
		}
		step = a.step()
	}
	switch step := step.(type) {
	case model.Promote:
		a.promote(step)
	case model.Follow:
		a.follow(step)
	case model.Publish:
		a.publish(step)
	case model.Scale:
		a.scale(step)
	case model.Drain:
		a.drain(step)
	case model.Restart:
		a.restart(step)
	case model.Handover:
		a.handover(step)
	case model.Meet:
		a.meet(step)
	case model.AddSlots:
		a.addSlots(step)
	case model.Release:
		a.release(step)
	case model.Forget:
		a.forget(step)
	case model.MoveSlots:
		a.moveSlots(step)
	case model.CancelMoves:
		a.cancelMoves(step)
	case model.WatchPrimary, model.SetWatch, model.ResetWatch, model.Rank, model.PauseWrites, model.ScaleSentinels: // a cluster has no Sentinels
	}
}
