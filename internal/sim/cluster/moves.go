package cluster

import "github.com/valkeeper/valkeeper/internal/sim/explore"

// MoveKind is what can happen.
type MoveKind uint8

// What can happen.
const (
	moveLook MoveKind = iota
	moveAct
	moveCrashOperator
	moveGone
	moveStart
	moveRemove
	moveDrained
	moveBackoff
	moveHear
	moveFound
	moveMet
	moveListened
	moveWrite
	moveElected
	moveGiveUp
	moveMoved
	moveMoveFailed
	moveAgain
	moveReplicate
	moveSynced
	moveStops
	moveHeal
	moveChoose
	moveReassign
	moveSpec
	moveCrash
	moveDelete
	moveSilence
	moveCut
	moveFailover
	moveEnd
	moveCordon
	moveEvicted
	moveTooLate
	moveHook
	moveForce
	moveEnded
)

var moveText = map[MoveKind]string{
	moveLook:          "the operator looks, and wants to %s",
	moveAct:           "the operator at %s",
	moveCordon:        "THE HOST IS TO BE EMPTIED of%s",
	moveCrashOperator: "THE OPERATOR DIES",
	moveGone:          "the pod of %s is gone",
	moveStart:         "%s starts",
	moveRemove:        "the StatefulSet controller removes %s",
	moveDrained:       "the clients of %s have fallen silent",
	moveBackoff:       "the backoff of %s has passed",
	moveHear:          "%s hears the news",
	moveFound:         "%s finds the others under its new address",
	moveMet:           "%s has met whom it was told to meet",
	moveListened:      "%s has listened, and serves",
	moveWrite:         "%s acknowledges a write",
	moveElected:       "%s is elected",
	moveGiveUp:        "the failover of %s is given up",
	moveMoved:         "%s has given its slots away",
	moveMoveFailed:    "the migration from %s fails",
	moveAgain:         "the migration from %s may be tried again",
	moveReplicate:     "%s has caught up",
	moveSynced:        "%s has synchronised",
	moveStops:         "%s stops: it has been without a majority for long, and Kubernetes has lost its host",
	moveHeal:          "%s is well again",
	moveChoose:        "A PERSON chooses the copy of %s",
	moveReassign:      "A PERSON gives up the lost data of %s",
	moveSpec:          "THE USER changes the spec",
	moveCrash:         "%s CRASHES",
	moveDelete:        "SOMEBODY deletes the pod of %s",
	moveSilence:       "%s FALLS SILENT",
	moveCut:           "the host of %s is CUT OFF",
	moveFailover:      "A USER runs CLUSTER FAILOVER on %s",
	moveEnd:           "SOMEBODY ends the pod of %s, and gives it its time",
	moveEvicted:       "the drain evicts %s",
	moveTooLate:       "it is the turn of the preStop step of %s",
	moveHook:          "the preStop step of %s asks for a failover",
	moveForce:         "SOMEBODY deletes the pod of %s BY FORCE",
	moveEnded:         "the process of %s ends, long after its pod",
}

// Text is what is told of it.
func (k MoveKind) Text() string { return moveText[k] }

// Move is one thing that happens: to a node, to a shard, or what the operator is at.
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
	r.personMoves(s)
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
	r.emit(Move{Kind: kind, Whom: podNames[i]}, next)
}

// emitShard is a move of a whole shard.
func (r *run) emitShard(s *State, kind MoveKind, k int, change func(*State)) {
	next := *s
	change(&next)
	r.emit(Move{Kind: kind, Whom: shardNames[k]}, next)
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
