package sentinel

import "github.com/valkeeper/valkeeper/internal/sim/explore"

// The explorer's words, for this world.
type (
	// Result is what an exploration has found.
	Result = explore.Result[State, Move]
	// Step is a move and the state that it leads to.
	Step = explore.Step[State, Move]
	// Violation is a law that was broken.
	Violation = explore.Violation

	edge = explore.Edge[State, Move]
)

// Explore walks every interleaving of a world.
func Explore(w World) Result { return explore.Explore(w.explored()) }

func (w World) explored() explore.World[State, Move] {
	ready := w.prepared()
	return explore.World[State, Move]{Name: w.Name, MaxStates: w.MaxStates,
		Walker: func() explore.Walker[State, Move] { return newRun(ready) }}
}
