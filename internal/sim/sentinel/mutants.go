package sentinel

import "github.com/valkeeper/valkeeper/internal/model"

// Mutant is an operator with one gate removed. The zero value is the operator
// as it is.
type Mutant struct {
	Name string
	// See changes what the planner is shown.
	See func(*model.Snapshot)
	// Decide changes what it answers.
	Decide func(model.Snapshot, *model.Plan)

	NoReplan  bool // disruptive steps are performed as planned, however long ago
	Credulous bool // whoever says that he is primary is remembered
	Untold    bool // the Sentinels are not told after a handover
}

// Trial is a mutant and the world that has to catch it.
type Trial struct {
	Mutant Mutant
	World  World
}

// Trials are all mutants, each with one gate removed.
func Trials() []Trial { return nil }
