package model

import "time"

// One owner per termination. Whoever deletes the pod of a primary, the operator sees it
// and hands over at once; the pod's own preStop step waits for that, and does it itself
// only when the operator does not come. The two go by the same beginning, the moment at
// which the deletion was asked for, so that their times do not overlap:
//
//	0 s                     8 s         12 s
//	| the operator may begin | it is over | the hook may begin
//
// The operator reads the beginning from the pod (by the API server's clock, to the
// second), or from a host that shuts down (by that one's), and compares it with its own clock; the hook counts from its own start, which
// is later, never earlier. So what counts is by how much the operator's clock trails the
// API server's: up to some three seconds are covered by what lies between. Beyond that, or
// when a handover takes longer, both may want to begin: the hook waits while it sees a
// failover under way, the operator's last look before a handover sees the hook's, and a
// server that fails over refuses a second FAILOVER. In a Cluster a second request starts
// the first one anew.
const (
	// StopPatience is how long the preStop step of a primary waits for the operator.
	StopPatience = 12 * time.Second
	// DepartWithin is how long after a pod's end was asked for the operator may still
	// begin to hand its role over.
	DepartWithin = StopPatience - 4*time.Second
)
