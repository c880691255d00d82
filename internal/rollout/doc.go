// Package rollout is the rolling-restart engine, shared by every topology.
//
// # Goal
//
// Bring every stale node of a shard to the newest revision without a write
// outage and without losing an acknowledged write.
//
// # Order
//
// Stale replicas first, furthest behind first, each one Ready and synced before
// the next. Then the primary hands its role to a replica that is fresh and
// synced. Then the old primary, a replica by now, is drained and restarted like
// any other. Where there is an extra node (model/surge.go), plan adds it before all
// that, and nothing is restarted while it is not up and synced; plan takes it away
// afterwards. Nothing is remembered between two looks: the order follows from what is
// seen, so an operator that dies anywhere is continued by the next.
//
// # Why it is safe
//
// A Restart is planned only while every other node of the shard is up and
// synced, or for a node that is down already and will not come up by itself. A primary is never planned
// for a Restart unless its topology has nobody to hand over to. A rollout's Handover
// is planned only towards a node that is fresh and synced while no node is down. A
// primary that has to go for another cause hands over on other Terms (plan/evacuate.go,
// plan/depart.go): to one that is synced always, but not always fresh, and whatever is
// the matter with the others.
//
// # Where that does not hold
//
// The Snapshot may be stale when it is acted upon. act therefore observes and
// plans again just before anything disruptive and gives the pod's UID along with
// every eviction; what remains is a fault of somebody else's between that look
// and the eviction, against which the PodDisruptionBudgets stand.
package rollout
