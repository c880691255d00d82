package history

import "math"

// Interleaved counts acknowledgements that prove two primaries: for two
// servers A and B, where A acknowledged first, a write acknowledged by A that
// was *sent* after B had acknowledged one. Within a shard it must be 0: once B
// acknowledges, A must have stopped for good.
//
// A write that A acknowledged late, but that was sent before B's first
// acknowledgement arrived, is no proof of anything and does not count.
//
// The role going back to the same living process (A, B, and A again) counts
// too: from outside it cannot be told from two primaries. Point the ledger at
// one change at a time where that is wanted.
func (h *History) Interleaved() int {
	limit := h.lastSend()
	n := 0
	for _, w := range h.Writers {
		for i := range w.Len() {
			r := w.At(i)
			if r.Server != Unattributed && r.Send > limit[r.Server] {
				n++
			}
		}
	}
	return n
}

// lastSend gives for each server the time of the first acknowledgement by the
// server that followed it: later sends must not be acknowledged by it.
func (h *History) lastSend() []int64 {
	limit := make([]int64, len(h.RunIDs))
	for i := range limit {
		limit[i] = math.MaxInt64
	}
	previous := Unattributed
	seen := make([]bool, len(h.RunIDs))
	for a := range h.Acks() {
		if a.Server == Unattributed || seen[a.Server] {
			continue
		}
		seen[a.Server] = true
		if previous != Unattributed {
			limit[previous] = a.Ack
		}
		previous = a.Server
	}
	return limit
}
