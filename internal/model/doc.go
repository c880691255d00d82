// Package model is the vocabulary of Valkeeper: what is seen (Snapshot, Shard,
// Node), what may be done (Step) and why something is not done (Hold, Reason).
//
// It is pure: it imports the standard library alone, reads no clock and keeps
// no state. Unknown is a value here. A server that does not answer has
// RoleUnknown: it is never absent, never a replica and never safe.
package model
