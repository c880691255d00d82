package model_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/valkeeper/valkeeper/internal/model"
)

// aSet draws ranges of a few slots, so that they often touch and overlap, and
// the same set as a table: a deliberately dumb second implementation.
func aSet(t *rapid.T, name string) (model.Slots, [64]bool) {
	var ranges []model.SlotRange
	var table [64]bool
	for range rapid.IntRange(0, 6).Draw(t, name+" ranges") {
		first := rapid.IntRange(0, 63).Draw(t, name+" first")
		last := min(63, first+rapid.IntRange(-1, 9).Draw(t, name+" length"))
		ranges = append(ranges, model.SlotRange{First: first, Last: last})
		for i := first; i <= last; i++ {
			table[i] = true
		}
	}
	return model.NewSlots(ranges...), table
}

func same(t *rapid.T, what string, s model.Slots, want func(i int) bool) {
	count := 0
	for i := range 64 {
		if s.Has(i) != want(i) {
			t.Fatalf("%s: slot %d in %q: %t", what, i, s, s.Has(i))
		}
		if want(i) {
			count++
		}
	}
	if s.Count() != count || s.Empty() != (count == 0) {
		t.Fatalf("%s: %q counts %d, wanted %d", what, s, s.Count(), count)
	}
	for i := 1; i < len(s); i++ {
		if s[i].First <= s[i-1].Last+1 {
			t.Fatalf("%s: %q is not in order, or has ranges that touch", what, s)
		}
	}
}

func TestSlotsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, inA := aSet(t, "a")
		b, inB := aSet(t, "b")
		same(t, "a", a, func(i int) bool { return inA[i] })
		same(t, "plus", a.Plus(b), func(i int) bool { return inA[i] || inB[i] })
		same(t, "minus", a.Minus(b), func(i int) bool { return inA[i] && !inB[i] })
		same(t, "both", a.Both(b), func(i int) bool { return inA[i] && inB[i] })
		n := rapid.IntRange(0, 70).Draw(t, "n")
		same(t, "highest", a.Highest(n), func(i int) bool {
			above := 0
			for j := i + 1; j < 64; j++ {
				if inA[j] {
					above++
				}
			}
			return inA[i] && above < n
		})
	})
}

func TestEvenSharesCoverEverySlotOnceAndDifferByOneAtMost(t *testing.T) {
	for n := 1; n <= 64; n++ {
		var all model.Slots
		sum := 0
		for i := range n {
			share := model.EvenShare(i, n)
			if got := share.Count(); got != model.EvenCount(i, n) || got < model.SlotCount/n || got > model.SlotCount/n+1 {
				t.Fatalf("shard %d of %d has %d slots", i, n, got)
			}
			sum += share.Count()
			all = all.Plus(share)
		}
		if sum != model.SlotCount || all.String() != "0-16383" {
			t.Fatalf("%d shards have %d slots: %s", n, sum, all)
		}
	}
}

func TestSlotsAreReadAsTheyAreWritten(t *testing.T) {
	for _, s := range []model.Slots{nil, model.EvenShare(1, 3), model.NewSlots(model.SlotRange{First: 0, Last: 0}, model.SlotRange{First: 7, Last: 9})} {
		if have := model.ParseSlots(s.String()); !slices.Equal(have, s) {
			t.Errorf("%v became %v", s, have)
		}
	}
	if have := model.ParseSlots("5-9 x 3-y 16384 -1 20-10"); !slices.Equal(have, model.NewSlots(model.SlotRange{First: 5, Last: 9})) {
		t.Errorf("%v", have)
	}
}
