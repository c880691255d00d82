package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// The ledger measures from outside, on a machine that it shares. A sentinel in
// the same process wakes up every stallEvery and notes when it came late by
// stallFrom or more: then the ledger itself was held up, and a gap at the same
// time says little about the server. Nothing is ever taken off a gap for it.
const (
	stallEvery = time.Millisecond
	stallFrom  = 5 * time.Millisecond
	maxStalls  = 10_000
)

// stalls are the times in which the ledger's own process was held up.
type stalls struct{ all []history.Gap }

// watch runs until the channel is closed; all may be read after that.
func (s *stalls) watch(now func() int64, until <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	last := now()
	for {
		select {
		case <-until:
			return
		default:
		}
		time.Sleep(stallEvery)
		woke := now()
		if late := woke - last - int64(stallEvery); late >= int64(stallFrom) && len(s.all) < maxStalls {
			s.all = append(s.all, history.Gap{Start: woke - late, End: woke})
		}
		last = woke
	}
}

// longest is the longest stall that overlaps a time, in nanoseconds.
func (s *stalls) longest(from, to int64) int64 {
	longest := int64(0)
	for _, g := range s.all {
		if g.Start <= to && g.End >= from {
			longest = max(longest, g.Length())
		}
	}
	return longest
}

// top are the n longest, longest first.
func (s *stalls) top(n int) []history.Gap {
	out := slices.Clone(s.all)
	slices.SortFunc(out, func(a, b history.Gap) int { return cmp.Compare(b.Length(), a.Length()) })
	return out[:min(n, len(out))]
}
