package sim

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// MoveKind is what can happen.
type MoveKind uint8

// What can happen.
const (
	moveLook MoveKind = iota
	moveAct
	moveCrashOperator
	moveSeen
	moveCreate
	moveStart
	moveLoaded
	moveRemove
	moveGone
	moveRoll
	moveSync
	moveSynced
	moveResume
	moveLogged
	moveReplicate
	moveLong
	moveWrite
	moveDemote
	moveTakeOver
	moveRefused
	moveGiveUp
	moveBackoff
	moveQuiet
	moveDrained
	moveSilent
	moveDeaf
	moveHeal
	moveSpec
	moveDelete
	moveCrash
	moveCrashLoop
	moveSilence
	moveFreeze
	moveApart
	moveCut
	moveUser
	moveTight
	moveLoose
	moveCordon
	moveEvicted
	moveEnd
	moveTooLate
	moveHook
	moveUnset
	moveUnsetBare
)

var moveText = map[MoveKind]string{
	moveCrashOperator: "THE OPERATOR DIES",
	moveSeen:          "the StatefulSet controller sees the newest template",
	moveCreate:        "the pod of %s is created",
	moveStart:         "%s starts",
	moveLoaded:        "%s has loaded its disk",
	moveRemove:        "the StatefulSet controller removes %s",
	moveGone:          "the pod of %s is gone",
	moveRoll:          "the StatefulSet controller restarts %s",
	moveSync:          "%s begins a full synchronisation",
	moveSynced:        "%s has synchronised in full",
	moveResume:        "%s resumes its link",
	moveLogged:        "%s has written its first log",
	moveReplicate:     "%s has caught up",
	moveLong:          "the link of %s has been down for long",
	moveWrite:         "%s acknowledges a write",
	moveDemote:        "%s demotes itself for its FAILOVER",
	moveTakeOver:      "the target of %s takes over",
	moveRefused:       "the target of %s refuses, so it is primary again",
	moveGiveUp:        "the FAILOVER of %s is given up",
	moveBackoff:       "the backoff has passed",
	moveQuiet:         "Services have been quiet for a second",
	moveDrained:       "the clients of %s have had their time",
	moveSilent:        "%s has been silent to the operator for long",
	moveDeaf:          "%s has not heard from its primary for long",
	moveHeal:          "%s is well again",
	moveSpec:          "THE USER changes the spec",
	moveDelete:        "SOMEBODY deletes the pod of %s",
	moveCrash:         "%s CRASHES",
	moveCrashLoop:     "%s CRASHES and cannot start again",
	moveSilence:       "%s FALLS SILENT",
	moveFreeze:        "%s FREEZES",
	moveApart:         "%s and its clients are CUT OFF from all others",
	moveCut:           "the link of %s is CUT",
	moveTight:         "SOMEBODY exhausts the budgets",
	moveLoose:         "the budgets have room again",
	moveCordon:        "SOMEBODY wants the host of %s to be emptied",
	moveEvicted:       "the pod of %s is evicted from its host",
	moveEnd:           "SOMEBODY deletes the pod of %s, with its time to end",
	moveTooLate:       "the operator's time to hand over %s has passed",
	moveHook:          "the preStop step of %s asks for a FAILOVER",
	moveUnset:         "SOMEBODY deletes the StatefulSet",
	moveUnsetBare:     "SOMEBODY deletes the StatefulSet, and it comes back without the extra pod",
	moveUser:          "A USER runs REPLICAOF NO ONE on %s",
}

// Move is one thing that happens.
type Move struct {
	Kind MoveKind
	Node uint8
	Op   operator
	What string
}

func (m Move) String() string {
	if m.Kind == moveLook {
		return "the operator looks, and wants to " + m.Op.String()
	}
	if m.Kind == moveAct {
		return fmt.Sprintf("the operator at %q: %s", m.Op.String(), m.What)
	}
	text := moveText[m.Kind]
	if m.Node != nobody {
		return fmt.Sprintf(text, podNames[m.Node])
	}
	return text
}

// run computes what can happen in a world. It is not safe for concurrent use.
type run struct {
	explore.Onward[State, Move]
	world *World
	plans map[State]planned
}

func newRun(w *World) *run { return &run{world: w, plans: map[State]planned{}} }

// Moves lists everything that can happen next. The slice is reused.
func (r *run) Moves(s *State) []edge {
	r.Afresh()
	if s.op.kind == stepNone {
		r.look(*s)
	} else {
		r.act(*s)
	}
	r.podMoves(s)
	r.serverMoves(s)
	if s.op.kind == stepRestart && s.op.part > 0 {
		// Between its second look and the eviction no gate of the operator can
		// help; only the eviction's own precondition does.
		if s.faults < r.world.MaxFaults && r.world.Faults.Delete && s.n[s.op.a].phase == running {
			r.fault1(s, moveDelete, int(s.op.a), r.deleted)
		}
		return r.Edges()
	}
	r.timeMoves(s)
	r.healMoves(s)
	r.specMoves(s)
	r.faultMoves(s)
	return r.Edges()
}

// emit takes a move, and checks what must hold wherever it leads.
func (r *run) emit(m Move, next State) {
	next.canonical()
	r.checkState(&next)
	r.Lead(m, next)
}

// node is a move of one node.
func (r *run) node(s *State, kind MoveKind, i int, change func(*State, *node)) {
	next := *s
	change(&next, &next.n[i])
	r.emit(Move{Kind: kind, Node: uint8(i)}, next)
}

// shard is a move of none.
func (r *run) shard(s *State, kind MoveKind, change func(*State)) {
	next := *s
	change(&next)
	r.emit(Move{Kind: kind, Node: nobody}, next)
}

// fault1 is a fault of one node.
func (r *run) fault1(s *State, kind MoveKind, i int, change func(*State, *node)) {
	r.AsFaults(func() {
		r.node(s, kind, i, func(s *State, n *node) {
			s.faults++
			change(s, n)
		})
	})
}

// shardFault is a fault, or an interruption, of no single node.
func (r *run) shardFault(s *State, kind MoveKind, change func(*State)) {
	r.AsFaults(func() { r.shard(s, kind, change) })
}

// plan is the plan for what is seen of a state. It is kept: the planner is a
// pure function, and most moves change nothing that it is shown.
func (r *run) plan(s *State) planned {
	key := s.seenPart()
	if p, ok := r.plans[key]; ok {
		return p
	}
	made, err := r.world.decide(r.world.View(s))
	if err != nil {
		r.Violate(0, "the planner failed: %v", err)
	}
	p := planned{step: made.Steps["v"], holds: made.Holds}
	p.op = pack(p.step)
	r.plans[key] = p
	return p
}

// seenPart keeps of a state what View reads.
func (s *State) seenPart() State {
	k := *s
	k.op = operator{}
	k.tight = false
	k.owed, k.written, k.faults, k.crashes = 0, 0, 0, 0
	for i := range k.n {
		n := &k.n[i]
		n.silent, n.frozen, n.apart, n.former = n.mute(), false, n.apart && n.long, false
		left := s.left(i)
		n.diskHist, n.diskSet, n.cut, n.stray, n.foreign, n.target = 0, 0, false, false, false, 0
		n.broken = n.broken && n.proc == procDead && !n.mute()
		if left {
			n.diskSet = firstWrite // that there is something is all that is seen of it
		}
		n.kept = false
		n.clients = n.clients && n.drain != drainNo
		n.term = min(n.term, explore.TermHook)
	}
	return k
}
