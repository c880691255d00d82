package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// control is by how much the reactive path must be slower, or the measurement
// proves nothing.
const control = 5

// table is the runs side by side.
func table(runs []report.Run) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	row := func(name string, cell func(report.Run) string) {
		fmt.Fprint(w, name)
		for _, run := range runs {
			fmt.Fprint(w, "\t", cell(run))
		}
		fmt.Fprintln(w)
	}
	row("", func(r report.Run) string { return r.Strategy })
	row("acknowledged writes", func(r report.Run) string { return fmt.Sprint(r.Acknowledged) })
	row("lost", func(r report.Run) string { return fmt.Sprint(r.Lost) })
	row("longest gap while a role moved", func(r report.Run) string { gap, _ := r.WorstHandoverGap(); return milliseconds(gap) })
	for _, kind := range kinds(runs) {
		row("  of writers "+report.KindName(kind), func(r report.Run) string { return worstGap(r, kind) })
	}
	row("longest time without a write", func(r report.Run) string { return milliseconds(r.LongestGapMs) })
	row("longest that one writer waited", func(r report.Run) string { return milliseconds(r.WorstClientGapMs) })
	row("errors that clients saw", func(r report.Run) string { return fmt.Sprint(failures(r)) })
	row("rollout", func(r report.Run) string { return seconds(r.RollSeconds) })
	row("of which unavoidable", func(r report.Run) string { return seconds(r.UnavoidableSeconds) })
	row("verdict", func(r report.Run) string { return r.Verdict })
	_ = w.Flush() // into memory, which takes all
	return out.String()
}

// kinds of clients that there were in any of the runs.
func kinds(runs []report.Run) []string {
	var out []string
	for _, run := range runs {
		for _, c := range run.Clients {
			if !slices.Contains(out, c.Kind) {
				out = append(out, c.Kind)
			}
		}
	}
	return out
}

// worstGap is the longest of one kind while a role moved.
func worstGap(run report.Run, kind string) string {
	worst := 0.0
	for _, h := range run.Handovers {
		if c := h.Crossing(kind); c != nil {
			worst = max(worst, c.GapMs)
		}
	}
	return milliseconds(worst)
}

func milliseconds(ms float64) string { return fmt.Sprintf("%.0f ms", ms) }

func seconds(s *float64) string {
	if s == nil {
		return "not seen"
	}
	return fmt.Sprintf("%.1f s", *s)
}

func failures(r report.Run) int {
	sum := 0
	for _, n := range r.Errors {
		sum += n
	}
	return sum
}

// verdict is nil if both rollouts completed, and with handovers nothing was lost
// and the role moved once in each shard. What the control itself loses is its own
// affair.
func verdict(runs []report.Run, shards int) error {
	var errs []error
	for _, run := range runs {
		for _, roll := range run.Rolls {
			if !roll.Complete {
				errs = append(errs, fmt.Errorf("%s: the rollout was not seen to complete", run.Strategy))
			}
		}
		if run.Strategy == string(v1alpha1.StrategyHandover) {
			errs = append(errs, proven(run, shards))
		}
	}
	return errors.Join(errs...)
}

// comparison sets the gap of the handover against the control's. Times are the
// machine's affair too, so they are shown and fail nothing; but a control that is
// not clearly slower makes the comparison worthless, and then that is said.
func comparison(runs []report.Run) string {
	gaps := map[string]float64{}
	for _, run := range runs {
		gaps[run.Strategy], _ = run.WorstHandoverGap()
	}
	handover, reactive := gaps[string(v1alpha1.StrategyHandover)], gaps[string(v1alpha1.StrategyRollingUpdate)]
	if reactive < control*handover {
		return fmt.Sprintf("The gaps of this run prove nothing: the control's, %s, is not %d times the handover's, %s. Is the machine busy? Run it again.",
			milliseconds(reactive), control, milliseconds(handover))
	}
	return fmt.Sprintf("While a role moved nobody could write there for %s with Handover, for %s with RollingUpdate: %.0f times as long.",
		milliseconds(handover), milliseconds(reactive), reactive/handover)
}

func proven(run report.Run, shards int) error {
	switch {
	case run.Verdict != report.Proven:
		return fmt.Errorf("%s: %s: %s %s", run.Strategy, run.Verdict, run.Sentence(), strings.Join(run.Problems, "; "))
	case len(run.Handovers) != shards:
		return fmt.Errorf("%s: a primary's role moved %d times, not %d times", run.Strategy, len(run.Handovers), shards)
	}
	return nil
}
