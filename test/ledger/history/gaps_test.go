package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTheLongestGapIsTheOneWithoutAnyWriter(t *testing.T) {
	// Writer 0 is silent from 20 to 80, but writer 1 has a write at 50.
	h := made(100, write{0, 9, 10, A, 0}, write{0, 19, 20, A, 0}, write{1, 49, 50, A, 0}, write{0, 79, 80, A, 0}, write{0, 99, 100, A, 0})
	gaps := h.Gaps(2)
	want := []Gap{{20 * ms, 50 * ms}, {50 * ms, 80 * ms}}
	if !slices.Equal(gaps, want) {
		t.Errorf("gaps %v, want %v", gaps, want)
	}
	worst, writer := h.WorstClient()
	if writer != 0 || worst != (Gap{20 * ms, 80 * ms}) {
		// writer 1 waited 40 ms for its first and 50 ms after its last
		t.Errorf("worst client %d with %v, want 0 with 20..80 ms", writer, worst)
	}
}

func TestSilenceUntilTheEndIsAGap(t *testing.T) {
	h := made(500, write{0, 9, 10, A, 0}, write{0, 19, 20, A, 0})
	if g := h.Gaps(1)[0]; g != (Gap{20 * ms, 500 * ms}) {
		t.Errorf("longest gap %v, want 20..500 ms", g)
	}
}

func TestARunWithoutAnyAcknowledgedWriteIsOneGap(t *testing.T) {
	h := &History{End: 700 * ms, Writers: []*Writer{{Stopped: 700 * ms}}}
	if g := h.Gaps(1)[0]; g.Length() != 700*ms {
		t.Errorf("longest gap %v, want the whole run", g)
	}
	if g, _ := h.WorstClient(); g.Length() != 700*ms {
		t.Errorf("worst client gap %v, want the whole run", g)
	}
}

func TestAWriterThatNeverGotAnAcknowledgementIsTheWorst(t *testing.T) {
	h := made(1000, steady(0, 10, 1000, 10, A)...)
	h.Writers = append(h.Writers, &Writer{ID: 1, Stopped: 1000 * ms})
	if g, writer := h.WorstClient(); writer != 1 || g.Length() != 990*ms {
		t.Errorf("worst client %d with %d ms, want 1 with 990 ms", writer, g.Length()/ms)
	}
}

func TestHandoverIsFoundInTheHistory(t *testing.T) {
	h := made(200, join(
		steady(0, 10, 100, 10, A), steady(1, 12, 92, 10, A),
		steady(0, 140, 200, 10, B), steady(1, 155, 195, 10, B))...)
	got := h.Handovers()
	want := []Handover{{
		From: A, To: B, Start: 100 * ms, End: 140 * ms,
		Gap: Gap{100 * ms, 140 * ms}, WorstClient: Gap{92 * ms, 155 * ms}, Writer: 1,
	}}
	if !slices.Equal(got, want) {
		t.Errorf("handovers %+v, want %+v", got, want)
	}
	if n := h.Interleaved(); n != 0 {
		t.Errorf("interleaved %d, want 0", n)
	}
}

func TestALoneEarlyAcknowledgementDoesNotHideTheGap(t *testing.T) {
	// B acknowledges one write 5 ms after A's last one, then nobody gets
	// anything for 300 ms.
	h := made(600, join(
		steady(0, 10, 100, 10, A), steady(1, 15, 95, 10, A),
		steady(0, 105, 105, 1, B), steady(0, 410, 600, 10, B), steady(1, 405, 600, 5, B))...)
	got := h.Handovers()
	if len(got) != 1 || got[0].Gap != (Gap{105 * ms, 405 * ms}) {
		t.Fatalf("handovers %+v, want one with a gap of 105..405 ms", got)
	}
	if got[0].WorstClient != (Gap{95 * ms, 405 * ms}) || got[0].Writer != 1 {
		t.Errorf("worst client %+v, want writer 1, 95..405 ms", got[0])
	}
}

func TestAWriterThatNeverComesOverWaitsUntilTheEnd(t *testing.T) {
	h := made(3000, join(
		steady(0, 10, 100, 10, A), steady(1, 10, 100, 10, A), steady(0, 110, 3000, 10, B))...)
	got := h.Handovers()
	if len(got) != 1 || got[0].Writer != 1 || got[0].WorstClient != (Gap{100 * ms, 3000 * ms}) {
		t.Errorf("handovers %+v, want writer 1 stuck from 100 to 3000 ms", got)
	}
}

func TestALateAcknowledgementIsNoHandoverBack(t *testing.T) {
	// Writer 1's last write to A was sent at 95 and its answer was read at 130.
	h := made(200, join(
		steady(0, 10, 100, 10, A), []write{{1, 5, 6, A, 0}, {1, 95, 130, A, 0}},
		steady(0, 110, 200, 10, B), steady(1, 140, 200, 10, B))...)
	if got := h.Handovers(); len(got) != 1 {
		t.Errorf("handovers %+v, want one", got)
	}
	if n := h.Interleaved(); n != 0 {
		t.Errorf("interleaved %d, want 0", n)
	}
}

func TestTwoPrimariesInterleave(t *testing.T) {
	// Writer 1 stays on A, which still acknowledges after B does.
	h := made(200, join(
		steady(0, 10, 100, 10, A), steady(1, 15, 195, 10, A), steady(0, 110, 200, 10, B))...)
	// Sent after 110: 114, 124, ... 194.
	if n := h.Interleaved(); n != 9 {
		t.Errorf("interleaved %d, want 9", n)
	}
	if got := h.Handovers(); len(got) < 2 || !got[1].Returned {
		t.Errorf("handovers %+v, want the return to A to show", got)
	}
}

func TestAnAcknowledgementByAnEarlierServerMuchLaterInterleaves(t *testing.T) {
	h := made(500, join(
		steady(0, 10, 100, 10, A), steady(0, 110, 200, 10, B), steady(0, 210, 300, 10, C),
		[]write{{1, 399, 400, A, 0}, {2, 399, 400, B, 0}})...)
	if n := h.Interleaved(); n != 2 {
		t.Errorf("interleaved %d, want 2: A's after B began, B's after C began", n)
	}
}

func TestUnattributedAcknowledgementsAreCounted(t *testing.T) {
	h := made(40, write{0, 9, 10, A, 0}, write{0, 19, 20, Unattributed, 0}, write{0, 29, 30, A, 0})
	if n := h.Unattributed(); n != 1 {
		t.Errorf("unattributed %d, want 1", n)
	}
	if len(h.Handovers()) != 0 || h.Interleaved() != 0 {
		t.Error("an unknown server was taken for another server")
	}
}

// TestMergeAgreesWithSorting compares the streamed merge with a plain sort.
func TestMergeAgreesWithSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		h := &History{RunIDs: []string{"A"}}
		var want []int64
		for id := range r.IntN(9) {
			w := &Writer{ID: id}
			at := int64(0)
			for range r.IntN(3 * chunk / 2) {
				at += r.Int64N(100)
				w.Append(Record{Ack: at})
				want = append(want, at)
			}
			h.Writers = append(h.Writers, w)
		}
		slices.Sort(want)
		var got []int64
		for a := range h.Acks() {
			got = append(got, a.Ack)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("merged %d acks in another order than sorted %d", len(got), len(want))
		}
	}
}

func TestSeriesSumsUpWhatArrivedInEachBucket(t *testing.T) {
	h := made(300, write{0, 9, 10, A, 0}, write{0, 18, 20, A, 0}, write{0, 200, 250, A, 0})
	h.Writers[0].Fail(120*ms, "readonly")
	h.Writers[0].Fail(130*ms, "timeout")
	got := h.Series()
	want := []Bucket{
		{Acks: 2, P50: ms, P99: 2 * ms, Max: 2 * ms},
		{Errors: 2},
		{Acks: 1, P50: 50 * ms, P99: 50 * ms, Max: 50 * ms},
	}
	if !slices.Equal(got, want) {
		t.Errorf("series %+v, want %+v", got, want)
	}
}
