package handover

import (
	"strconv"
	"strings"
)

// coordinates says whether a Sentinel of that version is known to hand over well by
// COORDINATED: 9.1.1 and later. Before 9.0 there is no such thing, and up to 9.1.0 a
// Sentinel may crash on it (valkey issue 4066).
func coordinates(version string) bool {
	major, minor, patch, ok := parts(version)
	switch {
	case !ok:
		return false
	case major == 9 && minor == 1:
		return patch >= 1
	}
	return major > 9 || major == 9 && minor > 1
}

// hears says whether a Sentinel of that version is known to believe a hello as we
// write it: the versions on which that is tested. It is no public protocol.
func hears(version string) bool {
	major, minor, _, ok := parts(version)
	return ok && (major == 8 && minor == 1 || major == 9 && minor == 1)
}

// parts of a version; only releases have three numbers.
func parts(version string) (major, minor, patch int, ok bool) {
	var numbers [3]int
	words := strings.Split(version, ".")
	if len(words) != len(numbers) {
		return 0, 0, 0, false
	}
	for i, word := range words {
		number, err := strconv.Atoi(word)
		if err != nil {
			return 0, 0, 0, false
		}
		numbers[i] = number
	}
	return numbers[0], numbers[1], numbers[2], true
}
