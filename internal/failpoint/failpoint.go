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

// Points are all of them.
var Points = []string{DrainStarted, RestartBefore, RestartEvicted, HandoverBefore, HandoverSent, HandoverPromoted,
	HandoverRouted, HandoverProved, HandoverDrained, PublishSliced, PublishLabelled, Promoted}
