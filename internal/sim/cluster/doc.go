// Package cluster is the explorer's worlds of topology Cluster: two or three shards
// of two nodes each, in which every interleaving is walked (package explore). No
// production code imports it.
//
// # The world
//
// A State is the whole cluster as a small comparable value. A node is its pod, its
// server and its disk. The hash slots are cut into a few groups that are never
// divided in a world. Each node has its own table of who owns which group, as real
// servers do, and believes whoever claims one with a higher epoch (gossip.go). From
// the tables follows all that members say of each other: view.go translates a state
// into the model.Snapshot that the planner is shown.
//
// Who knows whom is a part: members of one part reach each other while they run,
// unless one has an address that the others have not heard of, is cut off with its
// host, or has been forgotten. A node that lost its nodes.conf is a stranger, and
// what the others keep of it is a ghost.
//
// Votes, elections and manual failovers, atomic migrations, and what start.sh does
// with a former primary are rules of the world (gossip.go, servers.go). Writes are
// those of a group; what counts as owed is as in package sim.
//
// # The operator in it
//
// It looks, and performs the steps of all shards at the same time, each in its own
// time, as the controller does; it looks again when all are done. Disruptive steps are
// planned again first. Steps are kept as they were planned and numbered (explore.Book).
//
// # What is left out
//
// Clients, Services and labels; pods that cannot start, loading, interrupted full
// synchronisations, the moment between the last look and an eviction: all that is of
// one shard alone is in package sim. Migrations key by key. Gossip reaches a shard as
// a whole, and a server's death is known to the others at once. See docs/adr/0004.
package cluster
