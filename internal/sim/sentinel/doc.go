// Package sentinel is the explorer's worlds of topology Sentinel: one shard of two or
// three data nodes and three Sentinels that fail over by themselves, in which every
// interleaving is walked (package explore). No production code imports it.
//
// # The world
//
// A State is all of the instance as a small comparable value. What a Sentinel names,
// with which epoch, whom it knows, and which replicas it has last seen as promotable
// are its own: it may be wrong about each of them. Elections, promotions, what is
// told from Sentinel to Sentinel, and how they demote whom they do not name are rules
// of the world (watch.go). One failover by Sentinels is under way at a time.
//
// A partition puts some nodes and Sentinels on the far side; the operator is on the
// near one. A Sentinel may also be mute: it does not answer the operator, and acts.
//
// # The operator in it
//
// It looks, remembers, plans, and acts later, as in package sim: anything may happen
// in between, disruptive steps are planned again first, and it may die between any two
// parts of a step (operator.go, acts.go, handover.go).
//
// # Writes
//
// They are accounted for as in package sim. Besides, what the Sentinels' own failover
// of a primary that they do not reach loses is the servers' to answer for: it is
// written off (see State.wins), and a primary that has been superseded so has nothing
// owed to its clients any more. A failover that the operator has asked for, or that
// takes the role from a primary which the Sentinels could reach, writes nothing off.
//
// # What is left out
//
// Pods that cannot start, loading, append-only files, budgets, quiet seconds, and the
// moment between the last look and an eviction: that is of one shard alone, and in
// package sim. See docs/adr/0004.
package sentinel
