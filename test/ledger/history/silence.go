package history

import (
	"iter"
	"math"
)

// silences goes through the acknowledgements, each with the silence that it
// ended: from the one before it, or, in a part, from the moment on at which the
// first writer wanted to write and could not, if that is later. The first
// acknowledgement ends no silence.
func (h *History) silences() iter.Seq2[Gap, Ack] {
	return func(yield func(Gap, Ack) bool) {
		last := int64(-1)
		wants := newWants(h)
		for a := range h.Acks() {
			silence := Gap{last, a.Ack}
			if h.Part {
				silence.Start = max(last, wants.first())
				wants.advance(a.Writer)
			}
			if last < 0 {
				silence.Start = a.Ack
			}
			if !yield(silence, a) {
				return
			}
			last = a.Ack
		}
	}
}

// untilEnd is the silence after the last acknowledgement.
func (h *History) untilEnd(last int64) Gap {
	if !h.Part {
		return Gap{last, h.End}
	}
	first := h.End
	for _, w := range h.Writers {
		if w.Vain != nil {
			first = min(first, w.Vain.Since)
		}
	}
	return Gap{max(last, first), h.End}
}

// wants is since when each writer has wanted what it gets next.
type wants struct {
	h     *History
	next  []int
	since []int64
}

func newWants(h *History) *wants {
	w := &wants{h: h, next: make([]int, len(h.Writers)), since: make([]int64, len(h.Writers))}
	for i := range h.Writers {
		w.since[i] = h.Writers[i].wants(0)
	}
	return w
}

// first is when the first of them began to want.
func (w *wants) first() int64 {
	first := int64(math.MaxInt64)
	for _, since := range w.since {
		first = min(first, since)
	}
	return first
}

// advance notes that a writer got what it wanted.
func (w *wants) advance(writer int) {
	w.next[writer]++
	w.since[writer] = w.h.Writers[writer].wants(w.next[writer])
}

// worstWait is the longest time that one writer wanted to write to this part and
// could not. Before the part's first acknowledgement nobody could.
func (h *History) worstWait() (Gap, int) {
	worst, writer := Gap{}, -1
	start := h.firstAck()
	see := func(g Gap, w int) {
		g.Start = max(g.Start, start)
		if g.Length() > 0 && (writer < 0 || g.Length() > worst.Length()) {
			worst, writer = g, w
		}
	}
	for _, w := range h.Writers {
		for i := range w.Len() {
			see(Gap{w.since(i), w.At(i).Ack}, w.ID)
		}
		if w.Vain != nil {
			see(Gap{w.Vain.Since, w.Stopped}, w.ID)
		}
	}
	return worst, writer
}
