package model

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SlotCount is the number of hash slots of a Valkey cluster.
const SlotCount = 16384

// SlotRange is the hash slots from First to Last, both included.
type SlotRange struct{ First, Last int }

// Slots is a set of hash slots: ranges in order, neither touching nor
// overlapping. The zero value is the empty set.
type Slots []SlotRange

// NewSlots makes a set of any ranges. One that ends before it begins is empty.
func NewSlots(ranges ...SlotRange) Slots {
	sorted := slices.DeleteFunc(slices.Clone(ranges), func(r SlotRange) bool { return r.Last < r.First })
	slices.SortFunc(sorted, func(a, b SlotRange) int { return cmp.Compare(a.First, b.First) })
	var out Slots
	for _, r := range sorted {
		if last := len(out) - 1; last >= 0 && r.First <= out[last].Last+1 {
			out[last].Last = max(out[last].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Count is how many slots there are in the set.
func (s Slots) Count() int {
	count := 0
	for _, r := range s {
		count += r.Last - r.First + 1
	}
	return count
}

// Empty says that there is none.
func (s Slots) Empty() bool { return len(s) == 0 }

// Has says whether a slot is in the set.
func (s Slots) Has(slot int) bool {
	return slices.ContainsFunc(s, func(r SlotRange) bool { return r.First <= slot && slot <= r.Last })
}

// Plus is all that is in either set.
func (s Slots) Plus(other Slots) Slots { return NewSlots(slices.Concat(s, other)...) }

// Minus is what is in s and not in other.
func (s Slots) Minus(other Slots) Slots {
	left := slices.Clone(s)
	for _, cut := range other {
		var next Slots
		for _, r := range left {
			next = append(next, without(r, cut)...)
		}
		left = next
	}
	return NewSlots(left...)
}

// without is a range without what lies in cut.
func without(r, cut SlotRange) []SlotRange {
	if cut.Last < r.First || r.Last < cut.First {
		return []SlotRange{r}
	}
	var out []SlotRange
	if r.First < cut.First {
		out = append(out, SlotRange{r.First, cut.First - 1})
	}
	if cut.Last < r.Last {
		out = append(out, SlotRange{cut.Last + 1, r.Last})
	}
	return out
}

// Both is what is in both sets.
func (s Slots) Both(other Slots) Slots { return s.Minus(s.Minus(other)) }

// Highest are the n highest slots of the set, or all if there are fewer.
func (s Slots) Highest(n int) Slots {
	var out Slots
	for i := len(s) - 1; i >= 0 && n > 0; i-- {
		take := min(n, s[i].Last-s[i].First+1)
		out = append(out, SlotRange{s[i].Last - take + 1, s[i].Last})
		n -= take
	}
	return NewSlots(out...)
}

// String writes the set as Valkey does: "0-5460 7000".
func (s Slots) String() string {
	parts := make([]string, 0, len(s))
	for _, r := range s {
		if r.First == r.Last {
			parts = append(parts, fmt.Sprint(r.First))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d-%d", r.First, r.Last))
	}
	return strings.Join(parts, " ")
}

// ParseSlots reads what String writes. What cannot be read is left out.
func ParseSlots(text string) Slots {
	var ranges []SlotRange
	for word := range strings.FieldsSeq(text) {
		first, last, isRange := strings.Cut(word, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA == nil && errB == nil && 0 <= a && b < SlotCount {
			ranges = append(ranges, SlotRange{a, b})
		}
	}
	return NewSlots(ranges...)
}

// EvenShare is the slots that shard i of n has when they are dealt out evenly:
// 16,384 divided by n, and one more for each of the first shards until none is
// left.
func EvenShare(i, n int) Slots {
	size := EvenCount(i, n)
	first := i*(SlotCount/n) + min(i, SlotCount%n)
	return NewSlots(SlotRange{first, first + size - 1})
}

// EvenCount is how many slots shard i of n has when they are dealt out evenly.
func EvenCount(i, n int) int {
	if i < SlotCount%n {
		return SlotCount/n + 1
	}
	return SlotCount / n
}
