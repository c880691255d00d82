package sentinel

import "testing"

// TestNoInterleavingBreaksALaw walks every interleaving of the worlds.
func TestNoInterleavingBreaksALaw(t *testing.T) { summary.Worlds(t, Worlds, LargeWorlds) }

// TestEveryMutantIsCaught tests the laws: each gate that is removed has to break one of
// them, in a world in which the operator as it is breaks none.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, trial := range Trials() {
		mutated := trial.World
		mutated.Mutant = trial.Mutant
		summary.Mutant(t, trial.Mutant.Name, trial.World, mutated)
	}
}
