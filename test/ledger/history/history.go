// Package history holds what the ledger knows about acknowledged writes, and
// everything that can be concluded from it alone: gaps, handovers and
// acknowledgements of two servers that interleave. It is pure: no clock, no
// client, no Kubernetes.
//
// All times are nanoseconds on one monotonic clock, counted from the start of
// the run. A write has an interval, from Send (just before the client library
// is called) to Ack (just after it returned without an error): the server
// acted somewhere within it.
package history

import (
	"math"
	"sync/atomic"
)

// Server is the number of a server process in the history's table of run ids.
// A run id names one life of one process: a server that restarts gets another.
type Server uint16

// Unattributed is the Server of an acknowledgement whose connection is not
// known. The ledger never guesses.
const Unattributed Server = 0xffff

// Record is one acknowledged write. Its key and value are not stored: both
// follow from the writer's number, Seq and Slot. 24 bytes, so that ten minutes
// at 5,000 writes a second take 72 MB.
type Record struct {
	Send, Ack int64
	Seq       uint32
	Server    Server
	// Slot is the key's slot in a cluster, 0 elsewhere.
	Slot uint16
}

// chunk is how many records are allocated at a time: growing one slice would
// copy megabytes in the middle of a measurement.
const chunk = 4096

// errorBucket is the width of the error counters, in nanoseconds.
const errorBucket = int64(100e6)

// Writer is what one writer did. Only the writer itself appends; it is read by
// others after the writer has stopped.
type Writer struct {
	// ID is the writer's number, from 0, equal to its place in History.Writers.
	ID int
	// Library names the client library that it uses.
	Library string
	// Kind is how its client finds the primary, "" if all do alike.
	Kind string
	// Stopped is when the writer gave up writing, in nanoseconds.
	Stopped int64
	// Errors counts the failed writes by kind.
	Errors map[string]int
	// Vain is what the writer wanted and had not got when it stopped, if so.
	Vain *Vain

	chunks   [][]Record
	retried  map[int]int64 // by record: since when the writer had tried in vain
	errTimes []uint32
	acked    atomic.Int64
}

// Vain is a slot that a writer could not write to since a time.
type Vain struct {
	Since int64
	Slot  uint16
}

// Append adds an acknowledged write. Records of one writer come in the order of
// their acknowledgements, for it has one write under way at a time.
func (w *Writer) Append(r Record) {
	last := len(w.chunks) - 1
	if last < 0 || len(w.chunks[last]) == chunk {
		w.chunks = append(w.chunks, make([]Record, 0, chunk))
		last++
	}
	w.chunks[last] = append(w.chunks[last], r)
	w.acked.Add(1)
}

// AppendRetried adds an acknowledged write before which its writer had tried
// others, in the same slot, in vain since a time.
func (w *Writer) AppendRetried(since int64, r Record) {
	if w.retried == nil {
		w.retried = map[int]int64{}
	}
	w.retried[w.Len()] = since
	w.Append(r)
}

// since is from when on the writer wanted what its i-th acknowledgement gave it.
func (w *Writer) since(i int) int64 {
	if since, ok := w.retried[i]; ok {
		return since
	}
	return w.At(i).Send
}

// wants is from when on the writer wanted what it got after i acknowledgements,
// or never got: far in the future if it wanted nothing.
func (w *Writer) wants(i int) int64 {
	switch {
	case i < w.Len():
		return w.since(i)
	case w.Vain != nil:
		return w.Vain.Since
	default:
		return math.MaxInt64
	}
}

// Fail adds a failed write: it was not acknowledged, and may or may not have
// been executed.
func (w *Writer) Fail(at int64, kind string) {
	if w.Errors == nil {
		w.Errors = map[string]int{}
	}
	w.Errors[kind]++
	bucket := int(at / errorBucket)
	for len(w.errTimes) <= bucket {
		w.errTimes = append(w.errTimes, 0)
	}
	w.errTimes[bucket]++
}

// Len is the number of acknowledged writes. Safe while the writer runs.
func (w *Writer) Len() int { return int(w.acked.Load()) }

// At returns the i-th acknowledged write of the writer.
func (w *Writer) At(i int) Record { return w.chunks[i/chunk][i%chunk] }

// History is everything that all writers of one run did to one shard, or to all
// shards of a cluster: then Cut divides it.
type History struct {
	Writers []*Writer
	// RunIDs names the servers: RunIDs[s] is the run id of Server s.
	RunIDs []string
	// End is when the last writer stopped, in nanoseconds.
	End int64
	// Part is set if this is one shard's part of a history: its writers wrote to
	// other shards meanwhile. So that they were silent here says nothing; what
	// counts as silence is that one of them wanted to write here and could not.
	Part bool
}

// Acknowledged is the number of acknowledged writes of all writers.
func (h *History) Acknowledged() int {
	n := 0
	for _, w := range h.Writers {
		n += w.Len()
	}
	return n
}

// Unattributed counts the acknowledgements whose server is not known.
func (h *History) Unattributed() int {
	n := 0
	for a := range h.Acks() {
		if a.Server == Unattributed {
			n++
		}
	}
	return n
}

// Errors counts the failed writes of all writers by kind.
func (h *History) Errors() map[string]int {
	sum := map[string]int{}
	for _, w := range h.Writers {
		for kind, n := range w.Errors {
			sum[kind] += n
		}
	}
	return sum
}

// errorsAt counts the failed writes within one 100 ms bucket.
func (h *History) errorsAt(bucket int) int {
	n := 0
	for _, w := range h.Writers {
		if bucket < len(w.errTimes) {
			n += int(w.errTimes[bucket])
		}
	}
	return n
}
