// Package failpoint lets a test build of the operator die at a named point, to
// show that the next operator continues from there. In any other build Reach
// does nothing and cannot be switched on.
package failpoint

// The points, in the order in which a rollout passes them.
const (
	DrainStarted     = "drain-started"
	RestartBefore    = "restart-before"
	RestartEvicted   = "restart-evicted"
	HandoverBefore   = "handover-before"
	HandoverSent     = "handover-failover-sent"
	HandoverPromoted = "handover-promoted"
	HandoverRouted   = "handover-routed"
	HandoverProved   = "handover-proved"
	HandoverDrained  = "handover-drained"
	PublishSliced    = "publish-sliced"
	PublishLabelled  = "publish-labelled"
	Promoted         = "promoted"
)

// The points that only a cluster passes: as it forms, is healed and moves slots.
const (
	ClusterMet       = "cluster-met"
	SlotsAdded       = "cluster-slots-added"
	ClusterEmptied   = "cluster-emptied"
	ClusterReleased  = "cluster-released"
	ClusterForgotten = "cluster-forgotten"
	MoveStarted      = "cluster-move-started"
	SlotOpened       = "cluster-slot-opened"
	SlotGiven        = "cluster-slot-given"
)

// The points that only an instance with Sentinels passes.
const (
	// SentinelMonitors: a Sentinel watches, and cannot log in yet.
	SentinelMonitors = "sentinel-monitors"
	// SentinelsAgree: they name the new primary.
	SentinelsAgree = "sentinels-agree"
)

// SentinelPoints are those.
var SentinelPoints = []string{SentinelMonitors, SentinelsAgree}

// ClusterPoints are those.
var ClusterPoints = []string{ClusterMet, SlotsAdded, ClusterEmptied, ClusterReleased, ClusterForgotten, MoveStarted, SlotOpened, SlotGiven}

// Points are all that a rollout passes.
var Points = []string{DrainStarted, RestartBefore, RestartEvicted, HandoverBefore, HandoverSent, HandoverPromoted,
	HandoverRouted, HandoverProved, HandoverDrained, PublishSliced, PublishLabelled, Promoted}
