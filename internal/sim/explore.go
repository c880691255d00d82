package sim

import "github.com/valkeeper/valkeeper/internal/sim/explore"

// The explorer's words, for this world.
type (
	// Step is a move and the state that it leads to.
	Step = explore.Step[State, Move]
	// Violation is a law that was broken.
	Violation = explore.Violation

	edge = explore.Edge[State, Move]
)

func (w World) explored() explore.World[State, Move] {
	return explore.World[State, Move]{Name: w.Name, MaxStates: w.MaxStates,
		Faults: w.MaxFaults, Crashes: w.MaxCrashes, Writes: w.MaxWrites,
		Walker: func() explore.Walker[State, Move] { return newRun(&w) }}
}
