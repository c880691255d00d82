// Package sim proves the pure core, or breaks it: a small simulated world, an
// explorer that walks every interleaving in it, mutants that test the laws, and
// random walks in larger worlds. No production code imports it.
//
// # The world
//
// A State is one shard: pods, servers, volumes, Services, the StatefulSet, the
// operator's memory and the step that the operator is in the middle of. It is a
// small comparable value, so that it can be a key. view.go translates it into
// the model.Snapshot that the planner is shown, and nothing else of it reaches
// the planner. moves.go lists what can happen next: the operator's moves
// (operator.go, handover.go), those of Kubernetes and of the servers that happen
// by themselves (pods.go, servers.go), and faults (faults.go), each of which
// costs one of a bounded budget.
//
// # The operator in it
//
// It looks, remembers, plans, and acts later: anything may happen between its
// look and its act, so every plan may be a stale one. Before a disruptive step
// it looks and plans again and goes on only if model.Step's Same agrees, as
// package act does. A step of several effects (a handover, a publication, an
// eviction after its second look) is several moves, and the operator may die
// between any two.
//
// # What is checked
//
// laws.go holds the laws of the design as checks on each effect of the operator,
// each plan and each state; progress.go those that are about reachability. A
// violation comes with the shortest trace that leads to it.
//
// # Writes
//
// A copy of the data is the set of writes that it holds, and the history that it
// belongs to. Owed are the acknowledged writes that nobody but the operator could
// still lose: when a server dies, what it alone had acknowledged is written off
// to the fault (see State.die). From then on no move may take the last copy of a
// write that is owed, no copy that lacks one may be promoted, and a completed
// shard has all of them on its primary.
package sim
