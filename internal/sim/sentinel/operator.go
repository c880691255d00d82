package sentinel

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// planned is a plan as the simulation needs it.
type planned struct {
	step  uint16
	holds []model.Hold
	// known is the primary that is remembered, by the operator's rules; nobody for none.
	known uint8
}

// keptPlans bounds the plans that are kept.
const keptPlans = 300_000

// plan is the plan for what is seen of a state.
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
	p := planned{step: r.world.book.Number(made.Steps["v"]), holds: made.Holds, known: nobody}
	rules, _ := topology.For(seen)
	if primary, ok := seen.Shards[0].Primary(); ok && (rules.Recognised(primary) || r.world.Mutant.Credulous) {
		p.known = index(primary.Ref)
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
	v.op, v.owed, v.written, v.faults, v.crashes, v.lead, v.theirs = operator{}, 0, 0, 0, 0, 0, false
	if v.fo.kind != foNone {
		seen := failover{kind: foOwn, by: v.fo.by}
		if v.fo.kind == foCoordinated {
			seen.kind = foCoordinated
		}
		if v.fo.part > 1 {
			seen.part, seen.to = 2, v.fo.to
		}
		v.fo = seen
	}
	v.rankEpochs()
	for i := range v.n {
		n := &v.n[i]
		n.diskHist, n.diskSet, n.target, n.vouched, n.term = 0, 0, 0, false, n.term&explore.TermHook
		n.clients = n.clients && n.drain != drainNo
	}
	return v
}

// operatorMoves: it looks, and then performs the step.
func (r *run) operatorMoves(s *State) {
	if s.op.step == 0 {
		r.look(*s)
		return
	}
	a := act{run: r, s: *s}
	a.perform()
}

func (r *run) look(s State) {
	p := r.plan(&s)
	next := s
	if p.known != nobody {
		next.believe(p.known)
	}
	next.op = operator{step: p.step}
	r.checkPlan(&s, p)
	if next != s {
		r.emit(Move{Kind: moveLook, Whom: r.tell(p)}, next)
	}
}

// believe remembers a primary and its history.
func (s *State) believe(p uint8) {
	s.last, s.formed = p, true
	if h := s.n[p].hist; h != 0 && s.hists[0] != h {
		s.hists = [len(s.hists)]uint8{h, s.hists[0], s.hists[1]}
	}
}

// tell is a plan in one line.
func (r *run) tell(p planned) string {
	if p.step == 0 {
		return "wait"
	}
	return r.world.book.Step(p.step).String()
}

// act is a step as it goes on from a state.
type act struct {
	*run
	s State
}

func (a *act) step() model.Step { return a.world.book.Step(a.s.op.step) }

// done ends the step.
func (a *act) done(what string) {
	text := fmt.Sprintf("%q: %s", a.step(), what)
	a.s.op = operator{}
	a.emit(Move{Kind: moveAct, Whom: text}, a.s)
}

// part ends a part of the step.
func (a *act) part(what string) {
	text := fmt.Sprintf("%q: %s", a.step(), what)
	a.s.op.part++
	a.emit(Move{Kind: moveAct, Whom: text}, a.s)
}

func (a *act) goneNode(i uint8) bool   { return a.s.op.gone&(1<<i) != 0 }
func (a *act) goneSentinel(k int) bool { return a.s.op.gone&sbit(k) != 0 }

// reachable says whether the operator can talk to the server that it has seen.
func (a *act) reachable(i uint8) bool { return !a.goneNode(i) && a.s.heard(int(i)) }

// same says whether a fresh look leads to the same step.
func (a *act) same() bool {
	if a.world.Mutant.NoReplan {
		return true
	}
	step := a.step()
	if a.s.op.gone&mentions(step) != 0 {
		return false
	}
	now := a.world.book.Step(a.plan(&a.s).step)
	if now == nil || !step.Same(now) {
		return false
	}
	a.s.op.step = a.world.book.Number(now) // it is performed as it is planned now
	return true
}

// index finds the node or Sentinel behind a name: v-1, s-2.
func index(r model.Ref) uint8 { return r.Name[2] - '0' }

// mentions is the set of nodes and Sentinels whose pods make the step the one that it is.
func mentions(step model.Step) uint8 {
	node := func(r model.Ref) uint8 { return 1 << index(r) }
	watcher := func(r model.Ref) uint8 { return sbit(int(index(r))) }
	switch s := step.(type) {
	case model.Promote:
		return node(s.Node)
	case model.Follow:
		return node(s.Node) | node(s.Primary)
	case model.Handover:
		return node(s.From) | node(s.To)
	case model.Restart:
		if s.Node.Name[0] == 's' {
			return watcher(s.Node)
		}
		return node(s.Node)
	case model.WatchPrimary:
		return watcher(s.Sentinel) | node(s.Primary)
	case model.SetWatch:
		return watcher(s.Sentinel)
	case model.ResetWatch:
		return watcher(s.Sentinel)
	case model.Rank:
		return node(s.Node)
	case model.Publish, model.Scale, model.Drain, model.PauseWrites, model.ScaleSentinels, model.Meet, model.AddSlots, model.Release, model.Forget,
		model.MoveSlots, model.CancelMoves: // not planned again, or not for one pod, or a cluster's
	}
	return 0
}

func (a *act) perform() {
	step := a.step()
	if step.Disruptive() && a.s.op.part == 0 {
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
	case model.WatchPrimary:
		a.watchPrimary(step)
	case model.SetWatch:
		a.setWatch(step)
	case model.ResetWatch:
		a.resetWatch(step)
	case model.Rank:
		a.rank(step)
	case model.PauseWrites:
		a.pauseWrites(step)
	case model.ScaleSentinels:
		a.scaleSentinels(step)
	case model.Meet, model.AddSlots, model.Release, model.Forget, model.MoveSlots, model.CancelMoves: // a cluster's
		panic(fmt.Sprintf("a step of a cluster: %s", step))
	}
}
