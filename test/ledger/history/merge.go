package history

import "iter"

// Ack is an acknowledged write together with its writer.
type Ack struct {
	Record
	Writer int
	// Since is when the writer began to want it: its Send, or earlier if it had
	// tried in vain before.
	Since int64
}

// Acks goes through the acknowledged writes of all writers in the order in
// which they were acknowledged. It merges the writers' own orders and stores
// nothing.
func (h *History) Acks() iter.Seq[Ack] {
	return func(yield func(Ack) bool) {
		next := make([]int, len(h.Writers))
		heap := newMerge(h)
		for {
			w := heap.first()
			if w < 0 {
				return
			}
			a := Ack{Record: h.Writers[w].At(next[w]), Writer: w, Since: h.Writers[w].since(next[w])}
			next[w]++
			heap.advance(next[w])
			if !yield(a) {
				return
			}
		}
	}
}

// merge is a binary heap of writers, ordered by their next acknowledgement,
// then by writer so that the order is the same each time.
type merge struct {
	h     *History
	order []int   // writers, heap-ordered
	at    []int64 // the next acknowledgement of each writer
}

func newMerge(h *History) *merge {
	m := &merge{h: h, at: make([]int64, len(h.Writers))}
	for w := range h.Writers {
		if h.Writers[w].Len() > 0 {
			m.at[w] = h.Writers[w].At(0).Ack
			m.order = append(m.order, w)
		}
	}
	for i := len(m.order)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m
}

// first is the writer whose acknowledgement comes next, or -1.
func (m *merge) first() int {
	if len(m.order) == 0 {
		return -1
	}
	return m.order[0]
}

// advance moves the first writer on to its i-th record.
func (m *merge) advance(i int) {
	w := m.order[0]
	if i < m.h.Writers[w].Len() {
		m.at[w] = m.h.Writers[w].At(i).Ack
	} else {
		last := len(m.order) - 1
		m.order[0] = m.order[last]
		m.order = m.order[:last]
	}
	m.down(0)
}

func (m *merge) less(a, b int) bool {
	x, y := m.order[a], m.order[b]
	return m.at[x] < m.at[y] || m.at[x] == m.at[y] && x < y
}

func (m *merge) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.order) {
			return
		}
		if child+1 < len(m.order) && m.less(child+1, child) {
			child++
		}
		if !m.less(child, i) {
			return
		}
		m.order[i], m.order[child] = m.order[child], m.order[i]
		i = child
	}
}
