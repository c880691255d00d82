package history

import (
	"slices"
	"sort"
)

// Only is the history of one kind of clients. Their writers keep their numbers;
// the others have done nothing in it.
func (h *History) Only(kind string) *History {
	out := &History{RunIDs: h.RunIDs, End: h.End}
	for _, w := range h.Writers {
		if w.Kind != kind {
			w = &Writer{ID: w.ID, Library: w.Library, Kind: w.Kind}
		}
		out.Writers = append(out.Writers, w)
	}
	return out
}

// Crossing is what a handover meant for the writers of a history, such as those of
// one kind. Both are defined as those of the Handover.
type Crossing struct {
	// Gap is the longest time in which none of them had a write acknowledged, until
	// the last of them had come over.
	Gap Gap
	// WorstClient is the longest time that one of them went without, and Writer
	// says which: -1 if none of them had written before.
	WorstClient Gap
	Writer      int
}

// Crossing finds what a handover, which may be that of more writers, meant for
// these. Who has not come over until a time, that of the next handover or of the
// run's end, has waited until then.
func (h *History) Crossing(o Handover, until int64) Crossing {
	out := Crossing{Writer: -1}
	first, last := int64(-1), int64(0)
	for i, w := range h.Writers {
		before := w.find(o.End) - 1
		if before < 0 {
			continue
		}
		wait := w.crosses(o, until)
		if out.Writer < 0 || wait.Length() > out.WorstClient.Length() {
			out.WorstClient, out.Writer = wait, i
		}
		first, last = max(first, w.At(before).Ack), max(last, wait.End)
	}
	if out.Writer >= 0 {
		out.Gap = h.longestWithin(first, last)
	}
	return out
}

// find is the number of the writer's first acknowledgement at a time or later.
func (w *Writer) find(at int64) int {
	return sort.Search(w.Len(), func(i int) bool { return w.At(i).Ack >= at })
}

// crosses is the time that a writer waited for its first acknowledgement by the
// new server.
func (w *Writer) crosses(o Handover, until int64) Gap {
	i := w.find(o.End)
	for ; i < w.Len() && w.At(i).Ack < until; i++ {
		if w.At(i).Server == o.To {
			return Gap{w.At(i - 1).Ack, w.At(i).Ack}
		}
	}
	if w.Stopped > 0 {
		until = min(until, w.Stopped)
	}
	return Gap{w.At(i - 1).Ack, until}
}

// longestWithin is the longest time without any acknowledgement between two times.
func (h *History) longestWithin(from, to int64) Gap {
	at := []int64{from, to}
	for _, w := range h.Writers {
		for i := w.find(from); i < w.Len() && w.At(i).Ack <= to; i++ {
			at = append(at, w.At(i).Ack)
		}
	}
	slices.Sort(at)
	var longest Gap
	for i := range at[1:] {
		if g := (Gap{at[i], at[i+1]}); g.Length() > longest.Length() {
			longest = g
		}
	}
	return longest
}
