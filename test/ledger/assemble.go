package ledger

import (
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/pods"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// maxGaps is how many of the longest gaps are reported.
const maxGaps = 20

// maxHandovers bounds the list; two primaries at once would make it endless.
const maxHandovers = 200

// milliseconds turns the history's unit into the report's, with three decimals.
func milliseconds(ns int64) float64 { return float64(ns/1000) / 1000 }

// since is a moment in ms since the run's start.
func (r *Run) since(at time.Time) float64 { return milliseconds(int64(at.Sub(r.start))) }

func (r *Run) sinceOrNil(at time.Time) *float64 {
	if at.IsZero() {
		return nil
	}
	ms := r.since(at)
	return &ms
}

// assemble makes the report from the history, the pods and what was read back.
func (r *Run) assemble(nodes []report.Node) report.Report {
	h := r.history
	r.met = r.settings.Registry.Servers()
	for _, s := range r.met {
		h.RunIDs = append(h.RunIDs, s.RunID)
	}
	run := report.Run{
		Acknowledged: h.Acknowledged(), Errors: h.Errors(), Unattributed: h.Unattributed(),
		Address: r.config.Addr, StartedAt: r.start,
		Seconds: milliseconds(h.End) / 1000, ValueSize: r.config.ValueSize,
		ReadBack: nodes, Series: series(h), Problems: []string{},
	}
	run.Rate = float64(run.Acknowledged) / max(run.Seconds, 1e-3)
	for _, s := range r.stalls.top(maxGaps) {
		run.LongestStallMs = max(run.LongestStallMs, milliseconds(s.Length()))
		run.Stalls = append(run.Stalls, report.Gap{StartMs: milliseconds(s.Start), Ms: milliseconds(s.Length())})
	}
	for i, n := range nodes {
		if r.owns(i, n) {
			run.Lost += n.Missing
		} else {
			run.Stale += n.Missing
		}
		run.Diverged += n.Diverged
	}
	run.Writers, run.Servers = r.writers(), r.servers()
	if r.config.Cluster {
		r.addShards(&run)
	} else {
		r.addShard(&run)
	}
	r.addPods(&run)
	r.mu.Lock()
	run.Problems = append(run.Problems, r.problems...)
	run.Topology, run.Strategy = r.config.Topology, r.config.Strategy
	run.FromImage, run.ToImage = images(r.config, run)
	r.mu.Unlock()
	run.Judge()
	return report.Report{Topology: run.Topology, Runs: []report.Run{run}}
}

// addShard adds what was found in the history of the one shard that there is.
func (r *Run) addShard(run *report.Run) {
	h := r.history
	worst, _ := h.WorstClient()
	run.Interleaved, run.WorstClientGapMs = h.Interleaved(), milliseconds(worst.Length())
	run.Gaps = gaps(h, "")
	for _, g := range run.Gaps {
		run.LongestGapMs = max(run.LongestGapMs, g.Ms)
	}
	handovers := find(h, "")
	run.Handovers = r.handovers(handovers, maxHandovers)
	r.addClients(run, handovers)
}

// gaps are the longest ones.
func gaps(h *history.History, shard string) []report.Gap {
	var out []report.Gap
	for _, g := range h.Gaps(maxGaps) {
		out = append(out, report.Gap{Shard: shard, StartMs: milliseconds(g.Start), Ms: milliseconds(g.Length())})
	}
	return out
}

// images are those given, else those of the pods that were replaced.
func images(c Config, run report.Run) (from, to string) {
	from, to = c.FromImage, c.ToImage
	for _, roll := range run.Rolls {
		for _, p := range roll.Pods {
			if from == "" {
				from = p.FromImage
			}
			if c.ToImage == "" && p.ToImage != "" {
				to = p.ToImage
			}
		}
	}
	return from, to
}

func series(h *history.History) report.Series {
	s := report.Series{BucketMs: milliseconds(history.BucketWidth)}
	for _, b := range h.Series() {
		s.Acks, s.Errors = append(s.Acks, b.Acks), append(s.Errors, b.Errors)
		s.P50 = append(s.P50, milliseconds(b.P50))
		s.P99 = append(s.P99, milliseconds(b.P99))
		s.Max = append(s.Max, milliseconds(b.Max))
	}
	return s
}

func (r *Run) writers() []report.Writer {
	var out []report.Writer
	for _, w := range r.history.Writers {
		out = append(out, report.Writer{Library: w.Library, Kind: w.Kind, Acknowledged: w.Len(), Errors: w.Errors})
	}
	return out
}

func (r *Run) servers() []report.Server {
	acked := make([]int, len(r.history.RunIDs))
	for a := range r.history.Acks() {
		if a.Server != history.Unattributed {
			acked[a.Server]++
		}
	}
	out := []report.Server{}
	for i, s := range r.met {
		out = append(out, report.Server{RunID: s.RunID, Pod: r.podOf(s.RunID), Version: s.Version, Acknowledged: acked[i]})
	}
	return out
}

// The picture of a handover shows this much time on either side of it, but at
// least twice its length, and at most so many writes.
const (
	closeUp       = int64(60 * time.Millisecond)
	maxCloseUp    = int64(3 * time.Second)
	closeUps      = 8
	closeUpWrites = 3000
)

// found is a handover, and the history that it was found in.
type found struct {
	history.Handover
	in    *history.History
	shard string // its name in a cluster
}

// find finds the handovers of a history, in order.
func find(h *history.History, shard string) []found {
	var out []found
	for _, one := range h.Handovers() {
		out = append(out, found{Handover: one, in: h, shard: shard})
	}
	return out
}

// handovers lists what was found, at most so many.
func (r *Run) handovers(all []found, most int) []report.Handover {
	out := []report.Handover{}
	for i, h := range all {
		if i == most {
			r.problem("more than %d changes of the acknowledging server: only the first are listed", most)
			break
		}
		from, to := r.history.RunIDs[h.From], r.history.RunIDs[h.To]
		one := report.Handover{
			Shard: h.shard, From: r.nameOf(from), To: r.nameOf(to), FromRunID: from, ToRunID: to,
			GapMs: milliseconds(h.Gap.Length()), WorstClientGapMs: milliseconds(h.WorstClient.Length()),
			StartMs: milliseconds(h.Start), EndMs: milliseconds(h.End),
			WorstClient: h.Writer, Returned: h.Returned,
			StallMs: milliseconds(r.stalls.longest(h.Gap.Start, h.Gap.End)),
		}
		if i < closeUps {
			one.Writes = h.closeUp()
		}
		out = append(out, one)
	}
	return out
}

// closeUp lists the writes around a handover, evenly thinned if there are many.
func (h found) closeUp() [][3]float64 {
	around := min(max(closeUp, 2*h.Gap.Length()), maxCloseUp)
	var out [][3]float64
	for a := range h.in.Between(h.Start-around, max(h.End, h.Gap.End)+around) {
		out = append(out, [3]float64{milliseconds(a.Ack), milliseconds(a.Ack - a.Send), float64(a.Server)})
	}
	if len(out) <= closeUpWrites {
		return out
	}
	step := float64(len(out)) / closeUpWrites
	thinned := make([][3]float64, 0, closeUpWrites)
	for i := range closeUpWrites {
		thinned = append(thinned, out[int(float64(i)*step)])
	}
	return thinned
}

// nameOf is the pod's name, or the run id if that is not known.
func (r *Run) nameOf(runID string) string {
	if pod := r.podOf(runID); pod != "" {
		return pod
	}
	return runID
}

// addPods adds the marks, and what happened to the pods.
func (r *Run) addPods(run *report.Run) {
	r.mu.Lock()
	marks, notes := r.marks, r.notes
	r.mu.Unlock()
	run.Events, run.Rolls = []report.Event{}, []report.Roll{}
	for _, m := range append(append([]pods.Mark(nil), marks...), notes...) {
		run.Events = append(run.Events, report.Event{AtMs: r.since(m.At), Kind: "mark", Name: m.Name})
	}
	if r.tracker == nil {
		return
	}
	for _, e := range r.tracker.Events() {
		run.Events = append(run.Events, report.Event{AtMs: r.since(e.At), Kind: e.Kind, Name: e.Pod})
	}
	var took, unavoidable float64
	end := r.start.Add(time.Duration(r.history.End))
	for _, roll := range pods.Rolls(r.tracker.Lives(), marks, end) {
		one := r.roll(roll)
		took, unavoidable = took+one.RollSeconds, unavoidable+one.UnavoidableSeconds
		run.Rolls = append(run.Rolls, one)
		if !one.Complete {
			r.problem("the roll that began at %.1f s was not complete when the run ended: its times are too short", one.StartMs/1000)
		}
	}
	if len(run.Rolls) > 0 {
		run.RollSeconds, run.UnavoidableSeconds = &took, &unavoidable
	}
}

func (r *Run) roll(roll pods.Roll) report.Roll {
	out := report.Roll{
		Mark: roll.Mark, StartMs: r.since(roll.Start), EndMs: r.since(roll.End), Complete: roll.Complete,
		RollSeconds: roll.Duration().Seconds(), UnavoidableSeconds: roll.Unavoidable.Seconds(),
	}
	for _, p := range roll.Pods {
		out.Pods = append(out.Pods, report.Replaced{
			Pod: p.Name, DeletionMs: r.since(p.Deletion), GoneMs: r.sinceOrNil(p.Gone),
			ReadyMs: r.sinceOrNil(p.Ready), SyncedMs: r.sinceOrNil(p.Synced),
			FromImage: p.FromImage, ToImage: p.ToImage, Removed: p.Removed,
		})
	}
	return out
}
