package sentinel

import "github.com/valkeeper/valkeeper/internal/sim/explore"

// MoveKind is what can happen.
type MoveKind uint8

// What can happen.
const (
	moveLook MoveKind = iota
	moveAct
	moveCrashOperator
	moveStart
	moveRemove
	moveGone
	moveSynced
	moveReplicate
	moveWrite
	moveDemote
	moveTakeOver
	moveRefused
	moveGiveUp
	moveBackoff
	moveDrained
	moveHeal
	moveLookAround
	moveFindDown
	moveFindReplica
	moveHear
	moveElected
	moveNoReplica
	moveChosen
	movePromotedSeen
	moveSwitch
	moveFailoverEnds
	moveRepoint
	moveCrash
	moveDelete
	moveReboot
	moveLose
	moveMute
	moveFailover
	moveCut
	moveEnd
	moveCordon
	moveEvicted
	moveTooLate
)

var moveText = map[MoveKind]string{
	moveLook:          "the operator looks, and wants to %s",
	moveAct:           "the operator at %s",
	moveCordon:        "THE HOST IS TO BE EMPTIED of%s",
	moveCrashOperator: "THE OPERATOR DIES",
	moveStart:         "%s starts",
	moveRemove:        "the StatefulSet controller removes %s",
	moveGone:          "the pod of %s is gone",
	moveSynced:        "%s has synchronised",
	moveReplicate:     "%s has caught up",
	moveWrite:         "%s acknowledges a write",
	moveDemote:        "%s demotes itself for its FAILOVER",
	moveTakeOver:      "the target of %s takes over",
	moveRefused:       "the target of %s refuses, so it is primary again",
	moveGiveUp:        "the FAILOVER of %s is given up",
	moveBackoff:       "the backoff has passed",
	moveDrained:       "the clients of %s have had their time",
	moveHeal:          "all is well again",
	moveLookAround:    "the Sentinels look around",
	moveFindDown:      "the Sentinels find their primary down",
	moveFindReplica:   "the Sentinels find that their primary is none",
	moveHear:          "%s hears whom others name",
	moveElected:       "%s is elected to fail over",
	moveNoReplica:     "%s finds nobody to promote",
	moveChosen:        "%s is chosen by the Sentinels",
	movePromotedSeen:  "%s sees that whom it has promoted is primary",
	moveSwitch:        "%s names whom it has promoted",
	moveFailoverEnds:  "%s ends its failover",
	moveRepoint:       "the Sentinels repoint %s",
	moveCrash:         "%s CRASHES",
	moveDelete:        "SOMEBODY deletes the pod of %s",
	moveReboot:        "%s CRASHES",
	moveLose:          "%s LOSES ITS STATE",
	moveMute:          "%s FALLS SILENT",
	moveFailover:      "A USER runs SENTINEL FAILOVER on %s",
	moveCut:           "A PARTITION",
	moveEnd:           "SOMEBODY ends the pod of %s, and gives it its time",
	moveEvicted:       "the drain evicts %s",
	moveTooLate:       "it is too late for the operator to hand over %s",
}

// Text is what is told of it.
func (k MoveKind) Text() string { return moveText[k] }

// Move is one thing that happens: to a node, to a Sentinel, or what the operator is at.
type Move = explore.Move[MoveKind]

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
	r.operatorMoves(s)
	r.podMoves(s)
	r.serverMoves(s)
	r.sentinelMoves(s)
	r.timeMoves(s)
	r.faultMoves(s)
	return r.Edges()
}

// emit takes a move, and checks what must hold wherever it leads.
func (r *run) emit(m Move, next State) {
	next.canonical()
	r.checkState(&next)
	r.Lead(m, next)
}

// node is a move of one node, sentinel one of a Sentinel.
func (r *run) node(s *State, kind MoveKind, i int, change func(*State, *node)) {
	next := *s
	change(&next, &next.n[i])
	r.emit(Move{Kind: kind, Whom: podNames[i]}, next)
}

func (r *run) sentinel(s *State, kind MoveKind, k int, change func(*State, *sentinel)) {
	next := *s
	change(&next, &next.s[k])
	r.emit(Move{Kind: kind, Whom: sentinelNames[k]}, next)
}

// timeMoves let the waits pass that are about time alone, and heal what heals.
func (r *run) timeMoves(s *State) {
	if s.attempt == explore.AttemptFailed {
		next := *s
		next.attempt = explore.AttemptWaited
		r.emit(Move{Kind: moveBackoff}, next)
	}
	for i := range s.n {
		if s.n[i].drain == drainBegun && s.n[i].clients {
			r.node(s, moveDrained, i, func(_ *State, n *node) { n.drain = drainPassed })
		}
	}
	next := *s
	next.far = 0
	for k := range next.s {
		next.s[k].mute = false
	}
	if next != *s {
		r.emit(Move{Kind: moveHeal}, next)
	}
}
