package ledger

import (
	"slices"

	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// addClients adds what each kind of client went through, if there are several.
// The run lists the handovers already, the first of those that were found.
func (r *Run) addClients(run *report.Run, handovers []found) {
	if !r.config.Sentinel.Used() {
		return
	}
	for _, kind := range kinds {
		h := r.history.Only(kind)
		var gaps, waits []int64
		for i := range run.Handovers {
			until := h.End
			if i+1 < len(handovers) {
				until = handovers[i+1].End
			}
			c := h.Crossing(handovers[i].Handover, until)
			if c.Writer < 0 {
				continue
			}
			gaps, waits = append(gaps, c.Gap.Length()), append(waits, c.WorstClient.Length())
			run.Handovers[i].Clients = append(run.Handovers[i].Clients, report.Crossing{
				Kind: kind, GapMs: milliseconds(c.Gap.Length()),
				WorstClientGapMs: milliseconds(c.WorstClient.Length()), WorstClient: c.Writer,
			})
		}
		run.Clients = append(run.Clients, r.clients(kind, h, gaps, waits))
	}
}

// clients sums up one kind: its history, and its gaps and longest waits of the
// handovers.
func (r *Run) clients(kind string, h *history.History, gaps, waits []int64) report.Clients {
	out := report.Clients{Kind: kind, Acknowledged: h.Acknowledged()}
	for _, w := range h.Writers {
		if w.Kind == kind {
			out.Writers++
		}
	}
	if out.Acknowledged == 0 {
		r.problem("of the writers %s not one write was acknowledged: their errors are %v", report.KindName(kind), h.Errors())
		return out
	}
	for _, g := range h.Gaps(1) {
		out.LongestGapMs = milliseconds(g.Length())
	}
	worst, _ := h.WorstClient()
	out.WorstClientGapMs = milliseconds(worst.Length())
	out.MedianHandoverGapMs, out.WorstHandoverGapMs = middle(gaps)
	out.MedianHandoverClientGapMs, out.WorstHandoverClientGapMs = middle(waits)
	return out
}

// middle is the median and the longest of times, in ms; nil if there are none.
func middle(all []int64) (median, worst *float64) {
	if len(all) == 0 {
		return nil, nil
	}
	slices.Sort(all)
	m := milliseconds((all[(len(all)-1)/2] + all[len(all)/2]) / 2)
	longest := milliseconds(all[len(all)-1])
	return &m, &longest
}
