package history

import (
	"iter"
	"slices"
)

// BucketWidth is the width of a Bucket in nanoseconds.
const BucketWidth = errorBucket

// Bucket sums up the writes acknowledged within 100 ms. Latencies run from
// Send to Ack, in nanoseconds, and are 0 if nothing was acknowledged.
type Bucket struct {
	Acks, Errors  int
	P50, P99, Max int64
}

// Series cuts the run into buckets of BucketWidth, from its start to its end,
// by the time of the acknowledgement.
func (h *History) Series() []Bucket {
	if h.End <= 0 {
		return nil
	}
	out := make([]Bucket, (h.End+BucketWidth-1)/BucketWidth)
	for i := range out {
		out[i].Errors = h.errorsAt(i)
	}
	var latencies []int64
	current := 0
	flush := func() {
		out[current].sum(latencies)
		latencies = latencies[:0]
	}
	for a := range h.Acks() {
		bucket := min(int(a.Ack/BucketWidth), len(out)-1)
		if bucket != current {
			flush()
			current = bucket
		}
		latencies = append(latencies, a.Ack-a.Send)
	}
	flush()
	return out
}

func (b *Bucket) sum(latencies []int64) {
	if len(latencies) == 0 {
		return
	}
	slices.Sort(latencies)
	b.Acks = len(latencies)
	b.P50 = percentile(latencies, 50)
	b.P99 = percentile(latencies, 99)
	b.Max = latencies[len(latencies)-1]
}

// percentile is the smallest value that at least p percent are not above.
func percentile(sorted []int64, p int) int64 {
	at := (len(sorted)*p + 99) / 100
	return sorted[max(at-1, 0)]
}

// Between goes through the acknowledgements that arrived from one time to
// another, in order.
func (h *History) Between(from, to int64) iter.Seq[Ack] {
	return func(yield func(Ack) bool) {
		for a := range h.Acks() {
			if a.Ack > to {
				return
			}
			if a.Ack >= from && !yield(a) {
				return
			}
		}
	}
}
