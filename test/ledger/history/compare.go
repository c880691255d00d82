package history

import (
	"context"
	"errors"
	"fmt"
)

// Reader reads values back from one server. The answer has one entry for each
// key: nil for a key that is not there.
type Reader interface {
	Read(ctx context.Context, keys []string) ([]*string, error)
}

// SlotSet is some of a cluster's slots.
type SlotSet [Slots]bool

// Len is how many slots are in the set.
func (s *SlotSet) Len() int {
	n := 0
	for _, in := range s {
		if in {
			n++
		}
	}
	return n
}

// Tally is what reading back all acknowledged keys from one server showed.
type Tally struct {
	// Checked is how many acknowledged keys were asked for and answered.
	Checked int
	// Missing is how many of all acknowledged keys are not known to be there:
	// those answered with nothing, and those that could not be read at all.
	Missing int
	// Diverged is how many hold another value than the acknowledged one.
	Diverged int
	// Examples names the first few keys that are missing or differ.
	Examples []string
	// Absent divides those that are missing by the server that had acknowledged them.
	Absent map[Server]Absence
}

// Absence sums up missing writes. First and Last are when the first and the last of
// them were acknowledged, in nanoseconds.
type Absence struct {
	Count       int
	First, Last int64
}

// miss counts a write as missing.
func (t *Tally) miss(r Record) {
	t.Missing++
	if t.Absent == nil {
		t.Absent = map[Server]Absence{}
	}
	a, before := t.Absent[r.Server]
	if !before || r.Ack < a.First {
		a.First = r.Ack
	}
	a.Count, a.Last = a.Count+1, max(a.Last, r.Ack)
	t.Absent[r.Server] = a
}

// maxExamples bounds Tally.Examples.
const maxExamples = 5

// batchKeys and batchBytes bound one reading: a server must not be held up for
// more than about a millisecond, nor send more than about 1 MiB.
const (
	batchKeys  = 500
	batchBytes = 1 << 20
)

// Compare reads every acknowledged key back and compares it with what was
// written. If the server stops answering, all keys that are left count as
// missing, and the error says why: what cannot be read is never taken for good.
// With slots, only the keys of those slots are meant.
func (h *History) Compare(ctx context.Context, keys Keys, slots *SlotSet, from Reader) (Tally, error) {
	var t Tally
	var failed error
	err := h.batches(keys, slots, func(batch []string, records []Record) error {
		if failed == nil {
			failed = t.batch(ctx, keys, batch, records, from)
			return nil
		}
		for _, r := range records {
			t.miss(r)
		}
		return nil
	})
	return t, errors.Join(failed, err)
}

// Unread is the tally of a server that cannot be asked for the keys of some slots, or
// for any: all of them are missing.
func (h *History) Unread(slots *SlotSet) Tally {
	var t Tally
	for _, w := range h.Writers {
		for i := range w.Len() {
			if r := w.At(i); slots == nil || slots[r.Slot] {
				t.miss(r)
			}
		}
	}
	return t
}

// Batches goes through all acknowledged keys, or those of some slots, some at a
// time, until do fails. The slice is used again for the next batch.
func (h *History) Batches(keys Keys, slots *SlotSet, do func([]string) error) error {
	return h.batches(keys, slots, func(batch []string, _ []Record) error { return do(batch) })
}

// batches is Batches with the records that the keys are of.
func (h *History) batches(keys Keys, slots *SlotSet, do func([]string, []Record) error) error {
	size := min(batchKeys, max(1, batchBytes/max(keys.ValueSize, 1)))
	batch, records := make([]string, 0, size), make([]Record, 0, size)
	for _, w := range h.Writers {
		for i := range w.Len() {
			r := w.At(i)
			if slots != nil && !slots[r.Slot] {
				continue
			}
			batch, records = append(batch, keys.Of(w.ID, r)), append(records, r)
			if len(batch) < size {
				continue
			}
			if err := do(batch, records); err != nil {
				return err
			}
			batch, records = batch[:0], records[:0]
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return do(batch, records)
}

func (t *Tally) batch(ctx context.Context, keys Keys, batch []string, records []Record, from Reader) error {
	values, err := from.Read(ctx, batch)
	if err == nil && len(values) != len(batch) {
		err = fmt.Errorf("asked for %d keys and got %d answers", len(batch), len(values))
	}
	if err != nil {
		for _, r := range records {
			t.miss(r)
		}
		return fmt.Errorf("read back %d keys from %s on: %w", len(batch), batch[0], err)
	}
	for i, value := range values {
		t.Checked++
		switch {
		case value == nil:
			t.miss(records[i])
			t.example("missing " + batch[i])
		case *value != keys.Value(batch[i]):
			t.Diverged++
			t.example("differs " + batch[i])
		}
	}
	return nil
}

func (t *Tally) example(s string) {
	if len(t.Examples) < maxExamples {
		t.Examples = append(t.Examples, s)
	}
}
