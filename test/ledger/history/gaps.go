package history

import (
	"cmp"
	"slices"
)

// Gap is a time in which no write at all was acknowledged, in nanoseconds from
// the last acknowledgement before it to the first one after it. In one shard's
// part of a history it begins only when somebody wants to write there.
type Gap struct{ Start, End int64 }

// Length is the gap's length in nanoseconds.
func (g Gap) Length() int64 { return g.End - g.Start }

// Gaps returns the n longest gaps over all writers, longest first. The time
// before the first acknowledgement is not a gap (the run had not begun); the
// time from the last one to the end of the run is, in a part only if somebody
// wanted to write there and could not. A run without any acknowledged write is
// one gap.
func (h *History) Gaps(n int) []Gap {
	var longest []Gap
	keep := func(g Gap) {
		if len(longest) == n && g.Length() <= longest[n-1].Length() {
			return
		}
		at, _ := slices.BinarySearchFunc(longest, g, func(a, b Gap) int {
			return cmp.Or(cmp.Compare(b.Length(), a.Length()), cmp.Compare(a.Start, b.Start))
		})
		longest = slices.Insert(longest, at, g)
		if len(longest) > n {
			longest = longest[:n]
		}
	}
	last := int64(0)
	for silence, a := range h.silences() {
		if silence.Length() > 0 {
			keep(silence)
		}
		last = a.Ack
	}
	if end := h.untilEnd(last); end.Length() > 0 {
		keep(end)
	}
	return longest
}

// WorstClient returns the longest time that any single writer went without an
// acknowledged write, and which writer that was (-1 if there are none). The
// time from a writer's last acknowledgement until it stopped counts; so does
// the whole run of a writer that never got one. In a part it is the longest time
// that any single writer wanted to write there and could not.
func (h *History) WorstClient() (Gap, int) {
	if h.Part {
		return h.worstWait()
	}
	var worst Gap
	writer := -1
	see := func(g Gap, w int) {
		if writer < 0 || g.Length() > worst.Length() {
			worst, writer = g, w
		}
	}
	start := h.firstAck()
	for _, w := range h.Writers {
		last := start
		for i := range w.Len() {
			ack := w.At(i).Ack
			see(Gap{last, ack}, w.ID)
			last = ack
		}
		if w.Stopped > last {
			see(Gap{last, w.Stopped}, w.ID)
		}
	}
	return worst, writer
}

// firstAck is when the run's first write was acknowledged, 0 if none was.
func (h *History) firstAck() int64 {
	for a := range h.Acks() {
		return a.Ack
	}
	return 0
}
