package model

import (
	"slices"
	"strconv"
	"strings"
)

// Version is what a server says of itself, such as 9.1.2: its numbers, the major one
// first. Of one that cannot be read, or from where it cannot, there are none.
type Version []int

// ParseVersion reads the numbers of a version.
func ParseVersion(text string) Version {
	var out Version
	for word := range strings.SplitSeq(text, ".") {
		number, err := strconv.Atoi(word)
		if err != nil || number < 0 {
			break
		}
		out = append(out, number)
	}
	return out
}

// Line is the version without what changes from release to release: 9.1 of 9.1.2.
func (v Version) Line() Version { return v[:min(2, len(v))] }

// Earlier compares as many numbers as both have: 8.1 is not earlier than 8.1.1, and what
// cannot be read is neither earlier nor later.
func (v Version) Earlier(than Version) bool {
	both := min(len(v), len(than))
	return slices.Compare(v[:both], than[:both]) < 0
}

// MovesAtomically says that the server can move slots as a whole: Valkey 9.0 and later.
func (v Version) MovesAtomically() bool { return len(v) > 0 && v[0] >= 9 }
