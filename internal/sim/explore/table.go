package explore

import "hash/maphash"

// table numbers states.
type table[S comparable] struct {
	seed   maphash.Seed
	slots  []int32
	states []S
}

func newTable[S comparable]() *table[S] {
	return &table[S]{seed: maphash.MakeSeed(), slots: make([]int32, 1<<12)}
}

// number gives the number of a state, and whether it is new.
func (t *table[S]) number(s *S) (int32, bool) {
	if 2*len(t.states) >= len(t.slots) {
		t.grow()
	}
	mask := uint64(len(t.slots) - 1)
	for h := maphash.Comparable(t.seed, *s) & mask; ; h = (h + 1) & mask {
		id := t.slots[h]
		if id == 0 {
			t.states = append(t.states, *s)
			t.slots[h] = int32(len(t.states))     //nolint:gosec // bounded by MaxStates
			return int32(len(t.states) - 1), true //nolint:gosec // bounded by MaxStates
		}
		if t.states[id-1] == *s {
			return id - 1, false
		}
	}
}

func (t *table[S]) grow() {
	t.slots = make([]int32, 2*len(t.slots))
	mask := uint64(len(t.slots) - 1)
	for i := range t.states {
		h := maphash.Comparable(t.seed, t.states[i]) & mask
		for t.slots[h] != 0 {
			h = (h + 1) & mask
		}
		t.slots[h] = int32(i + 1) //nolint:gosec // bounded by MaxStates
	}
}
