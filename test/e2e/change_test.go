package e2e

import (
	"slices"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// control is by how much the reactive path must be slower, or the measurement
// proves nothing.
const control = 5

func TestEveryChangeCostsOneHandoverAndNotOneWrite(t *testing.T) {
	w := enter(t)
	changes := []change{
		{"image change", bed.Version("9.1")},
		{"config change", bed.Setting("slowlog-max-len", "256")},
		{"resource change", bed.Memory("48Mi")},
		{"restart token", bed.Restart("once")},
	}
	handed := w.handedOver("handed", changes...)
	w.slower(medianGap(handed), w.reactive("reactive"))
}

// slower fails unless the reactive path's gap is clearly longer than that of
// handovers, in ms.
func (w *world) slower(gap float64, reactive report.Run) {
	w.Helper()
	w.Logf("gap: median %.1f ms with Handover, %.1f ms with RollingUpdate", gap, reactive.LongestGapMs)
	if reactive.LongestGapMs < control*gap {
		w.Errorf("the measurement proves nothing: the reactive path's gap, %.1f ms, is not %d times the handovers' median, %.1f ms",
			reactive.LongestGapMs, control, gap)
	}
}

// medianGap is that of the handovers of a run, in ms: a single one may meet a
// machine that is busy with something else.
func medianGap(run report.Run) float64 {
	gaps := make([]float64, 0, len(run.Handovers))
	for _, h := range run.Handovers {
		gaps = append(gaps, h.GapMs)
	}
	if len(gaps) == 0 {
		return 0 // oneHandover has failed the test
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

type change struct {
	name string
	wish bed.Wish
}

// handedOver rolls changes out, one after the other.
func (w *world) handedOver(name string, changes ...change) report.Run {
	i := w.make(name, bed.Version("8.1"))
	w.must(i.Fill(w.ctx, 10<<20))
	ledger := w.write(i, bed.Measured)
	for _, change := range changes {
		w.must(ledger.Mark(w.ctx, change.name))
		w.change(i, change.wish)
		w.allFresh(i)
		w.must(ledger.AwaitWrites(w.ctx, 1000))
	}
	run := w.proven(ledger)
	for _, change := range changes {
		w.oneHandover(run, change.name)
	}
	return run
}

// oneHandover fails unless a roll is complete, and the role moved once in it.
func (w *world) oneHandover(run report.Run, mark string) {
	w.Helper()
	for _, roll := range run.Rolls {
		if roll.Mark != mark {
			continue
		}
		handovers := within(run.Handovers, roll)
		if len(handovers) != 1 || !roll.Complete {
			w.Errorf("%s: complete %t, %d handovers, wanted one: %+v", mark, roll.Complete, len(handovers), handovers)
		}
		for _, h := range handovers {
			w.Logf("%s: gap %.1f ms, worst writer %.1f ms; roll %.1f s, unavoidable %.1f s", mark,
				h.GapMs, h.WorstClientGapMs, roll.RollSeconds, roll.UnavoidableSeconds)
		}
		return
	}
	w.Errorf("the ledger saw no roll named %q", mark)
}

func within(handovers []report.Handover, roll report.Roll) []report.Handover {
	var in []report.Handover
	for _, h := range handovers {
		if h.EndMs >= roll.StartMs && h.StartMs <= roll.EndMs {
			in = append(in, h)
		}
	}
	return in
}

// reactive rolls the same image change out as a StatefulSet does. What it loses
// is its own affair: that is why there is another strategy.
func (w *world) reactive(name string) report.Run {
	i := w.make(name, bed.Version("8.1"), bed.Strategy(v1alpha1.StrategyRollingUpdate))
	w.must(i.Fill(w.ctx, 10<<20))
	ledger := w.write(i, bed.Measured)
	w.must(ledger.Mark(w.ctx, "image change"))
	w.change(i, bed.Version("9.1"))
	w.must(ledger.AwaitWrites(w.ctx, 1000))
	return w.read(ledger)
}
