package model

import (
	"fmt"
	"time"
)

// Reason is a documented cause of waiting (docs/reference/reasons.md). It is
// CamelCase, as in Kubernetes conditions.
type Reason string

// The reasons to hold.
const (
	// RevisionUnknown: the StatefulSet controller has not seen the newest
	// template yet.
	RevisionUnknown Reason = "RevisionUnknown"
	// Paused: spec.rollout.paused is true.
	Paused Reason = "Paused"
	// PrimaryNotVisible: no server says that it is primary, and one that might
	// be does not answer.
	PrimaryNotVisible Reason = "PrimaryNotVisible"
	// TwoPrimaries: more than one server says that it is primary.
	TwoPrimaries Reason = "TwoPrimaries"
	// WaitingForCopies: a node that may hold the newest data is not back yet, or there is
	// only its volume claim.
	WaitingForCopies Reason = "WaitingForCopies"
	// HistoryUnknown: the copies do not share a history, so none can be called
	// the newest.
	HistoryUnknown Reason = "HistoryUnknown"
	// NodeDown: a node is down, and a second one is never taken down with it.
	NodeDown Reason = "NodeDown"
	// NotSynced: a replica has not caught up with its primary.
	NotSynced Reason = "NotSynced"
	// NoFreshReplica: no replica that runs the newest revision can take over.
	NoFreshReplica Reason = "NoFreshReplica"
	// EvacuationWaits: a primary is to leave its host and cannot hand over yet, or a
	// replica is to leave its own and is no target for that, or is not let go while
	// another one is down.
	EvacuationWaits Reason = "EvacuationWaits"
	// EvictionAwaited: a node has given the role away because its host is to be left,
	// and still runs there. An extra one stays as long.
	EvictionAwaited Reason = "EvictionAwaited"
	// ClientsLeaving: clients of a node are still connected to it.
	ClientsLeaving Reason = "ClientsLeaving"
	// HandoverInProgress: a failover runs on the primary.
	HandoverInProgress Reason = "HandoverInProgress"
	// HandoverGate: the servers themselves, asked just before a handover, say what
	// stands against it. Nothing was sent to them.
	HandoverGate Reason = "HandoverGate"
	// HandoverBackoff: the last handover failed; the next one waits.
	HandoverBackoff Reason = "HandoverBackoff"
	// ServicesBusy: Services changed about a second ago, or are about to, or another
	// instance hands over, so clients would learn of a new primary late.
	ServicesBusy Reason = "ServicesBusy"
	// Persisting: a node writes its append-only file and would refuse to shut
	// down; or the only ones that would remain do, and have not all on their disks.
	Persisting Reason = "Persisting"
	// NotPersisting: a node cannot write to its volume. No pod leaves beside such ones
	// alone.
	NotPersisting Reason = "NotPersisting"
	// BudgetExhausted: a PodDisruptionBudget refuses the eviction.
	BudgetExhausted Reason = "BudgetExhausted"
	// EvictionRefused: the API server refuses the eviction for another cause.
	EvictionRefused Reason = "EvictionRefused"
	// PodStarting: a pod is not there yet, has not started, or is on its way out.
	PodStarting Reason = "PodStarting"
	// ClaimLeft: the claim of a pod that has left, or was never made, is still there.
	ClaimLeft Reason = "ClaimLeft"

	// Joining: a node has not yet become a member that all others know.
	Joining Reason = "Joining"
	// ClusterDisagrees: the members do not all see the cluster alike, or a
	// majority of its primaries cannot be seen.
	ClusterDisagrees Reason = "ClusterDisagrees"
	// SlotsUncovered: hash slots are served by nobody.
	SlotsUncovered Reason = "SlotsUncovered"
	// SlotsMoving: hash slots move from or to the shard.
	SlotsMoving Reason = "SlotsMoving"
	// SlotMoveFailed: the last migration of slots failed; the next one waits.
	SlotMoveFailed Reason = "SlotMoveFailed"
	// RolloutFirst: slots move once every pod runs the newest revision.
	RolloutFirst Reason = "RolloutFirst"
	// OtherShards: as many other shards as may be are at work, or one of them is not
	// ready for the slots that are to move to it.
	OtherShards Reason = "OtherShards"
	// ForeignPrimary: the shard's nodes follow a node of another shard.
	ForeignPrimary Reason = "ForeignPrimary"
	// ShardLost: no node of the shard holds any data any more.
	ShardLost Reason = "ShardLost"

	// SentinelsDisagree: the Sentinels do not all name the same primary, or not the
	// one that is.
	SentinelsDisagree Reason = "SentinelsDisagree"
	// QuorumLost: too few Sentinels are there to agree on anything.
	QuorumLost Reason = "QuorumLost"
	// SentinelFailover: the Sentinels fail over.
	SentinelFailover Reason = "SentinelFailover"
	// NoGoodReplica: the Sentinels see no replica that they could promote.
	NoGoodReplica Reason = "NoGoodReplica"
)

// Hold says that the engine declines to go on: where, why, and for how long if
// only time has to pass.
type Hold struct {
	Shard  string
	Reason Reason
	// Node is the name of the node waited for; empty when no single one is.
	Node string
	// Detail is one sentence for the person on call.
	Detail string
	// After is when looking again makes sense by time alone; zero when an event
	// or the usual polling will tell.
	After time.Duration
}

// String gives reason, node and detail.
func (h Hold) String() string {
	if h.Node == "" {
		return fmt.Sprintf("%s: %s", h.Reason, h.Detail)
	}
	return fmt.Sprintf("%s: %s: %s", h.Reason, h.Node, h.Detail)
}

// Plan is what the planner answers: at most one Step for each shard, by the
// shard's name, and the holds.
type Plan struct {
	Steps map[string]Step
	Holds []Hold
}

// HoldsOf are the holds of one shard, in the order they were found.
func (p Plan) HoldsOf(shard string) []Hold {
	var out []Hold
	for _, h := range p.Holds {
		if h.Shard == shard {
			out = append(out, h)
		}
	}
	return out
}

// Decision is what one decider says of one shard. The zero value means that it
// has nothing to do, and the next decider is asked.
type Decision struct {
	Step  Step
	Holds []Hold
}

// Made says whether there is anything in the decision.
func (d Decision) Made() bool { return d.Step != nil || len(d.Holds) > 0 }

// Do is the decision to perform a step.
func Do(s Step) Decision { return Decision{Step: s} }

// Wait is the decision to hold.
func Wait(h ...Hold) Decision { return Decision{Holds: h} }
