// Package chaos breaks things in an order that a seed decides, and judges what
// became of it. It is pure: no clock, no client, no Kubernetes. test/e2e does to a
// real one what is decided here.
//
//	schedule  from a seed, rounds of episodes: what is there, what goes on, what breaks
//	fault     what can be broken, and what that may cost
//	watch     what no look at the servers may ever show
//	judge     which promises an episode broke
//	page      JSON, and a page for people
//
// Every episode follows from the seed and its own numbers alone, whatever came before
// it: so it can be played again without the others. docs/chaos.md says how.
package chaos
