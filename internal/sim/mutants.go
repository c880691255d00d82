package sim

import "github.com/valkeeper/valkeeper/internal/model"

// Mutant is an operator with one gate removed. The zero value is the operator
// as it is.
type Mutant struct {
	Name string
	// See changes what the planner is shown.
	See func(model.Snapshot) model.Snapshot
	// Decide changes what it answers.
	Decide func(model.Snapshot, model.Plan) model.Plan

	NoReplan     bool // disruptive steps are performed as planned, however long ago
	NoUID        bool // pods are evicted by name alone
	NoBudget     bool // pods are deleted, not evicted
	PromoteFirst bool // handovers are REPLICAOF NO ONE on the target, then the rest
}
