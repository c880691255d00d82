package history

import "testing"

// kind makes the writers' kinds, in order.
func kind(h *History, kinds ...string) *History {
	for i, k := range kinds {
		h.Writers[i].Kind = k
	}
	return h
}

func TestAHandoverIsDividedByKindOfClient(t *testing.T) {
	// A is left at 100 ms. Writer 0 comes over at 110, 2 at 150; of the other kind 1
	// comes over at 130, 3 at 400, and both write every 10 ms before and after.
	h := kind(made(500, join(
		steady(0, 10, 100, 10, A), steady(0, 110, 500, 10, B),
		steady(1, 15, 95, 10, A), steady(1, 130, 500, 10, B),
		steady(2, 12, 92, 10, A), steady(2, 150, 500, 10, B),
		steady(3, 13, 93, 10, A), steady(3, 400, 500, 10, B),
	)...), "near", "far", "near", "far")
	all := h.Handovers()
	if len(all) != 1 {
		t.Fatalf("handovers %+v", all)
	}
	for name, want := range map[string]Crossing{
		"near": {Gap: Gap{100 * ms, 110 * ms}, WorstClient: Gap{92 * ms, 150 * ms}, Writer: 2},
		"far":  {Gap: Gap{95 * ms, 130 * ms}, WorstClient: Gap{93 * ms, 400 * ms}, Writer: 3},
		"none": {Writer: -1},
	} {
		if got := h.Only(name).Crossing(all[0], h.End); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	whole := h.Crossing(all[0], h.End)
	if o := all[0]; whole.Gap != o.Gap || whole.WorstClient != o.WorstClient || whole.Writer != o.Writer {
		t.Errorf("of all %+v, and the handover is %+v", whole, o)
	}
}

func TestAKindThatStaysBehindHasWaitedUntilTheNextHandover(t *testing.T) {
	// The far ones stay silent until C, or for good.
	h := kind(made(500, join(
		steady(0, 10, 100, 10, A), steady(0, 110, 200, 10, B), steady(0, 210, 500, 10, C),
		steady(1, 15, 95, 10, A), steady(1, 300, 500, 10, C),
	)...), "near", "far")
	all := h.Handovers()
	if len(all) != 2 {
		t.Fatalf("handovers %+v", all)
	}
	far := h.Only("far")
	if c := far.Crossing(all[0], all[1].End); c.Gap != (Gap{95 * ms, 210 * ms}) || c.WorstClient != c.Gap || c.Writer != 1 {
		t.Errorf("first handover: %+v, want to have waited from 95 to 210 ms", c)
	}
	if c := far.Crossing(all[1], h.End); c.Gap != (Gap{95 * ms, 300 * ms}) || c.WorstClient != c.Gap {
		t.Errorf("second handover: %+v, want to have waited from 95 to 300 ms", c)
	}
	h = kind(made(500, join(steady(0, 10, 100, 10, A), steady(0, 110, 500, 10, B), steady(1, 15, 95, 10, A))...), "near", "far")
	h.Writers[1].Stopped = 450 * ms
	if c := h.Only("far").Crossing(h.Handovers()[0], h.End); c.Gap != (Gap{95 * ms, 450 * ms}) || c.WorstClient != c.Gap {
		t.Errorf("for good: %+v, want to have waited until it stopped", c)
	}
}

func TestOneKindsHistoryKnowsNothingOfTheOthers(t *testing.T) {
	h := kind(made(500, join(steady(0, 10, 500, 10, A), steady(1, 10, 100, 10, A), steady(1, 300, 500, 10, A))...), "near", "far")
	near, far := h.Only("near"), h.Only("far")
	if n := near.Acknowledged() + far.Acknowledged(); n != h.Acknowledged() {
		t.Errorf("%d acknowledged of %d", n, h.Acknowledged())
	}
	if g := near.Gaps(1)[0].Length(); g != 10*ms {
		t.Errorf("near: %d ns", g)
	}
	if g, w := far.WorstClient(); g != (Gap{100 * ms, 300 * ms}) || w != 1 {
		t.Errorf("far: %+v of writer %d", g, w)
	}
	if g, w := near.WorstClient(); g.Length() != 10*ms || w != 0 {
		t.Errorf("near: %+v of writer %d", g, w)
	}
}
