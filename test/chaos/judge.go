package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/report"
)

const (
	// unsent is how long before a primary is lost a write may have been acknowledged
	// and still be lost: replicas are sent everything at once and take some
	// milliseconds; a log on a volume is written within two seconds at most.
	unsent = 3 * time.Second
	// returning is how long a primary that was lost, and has been superseded, may go on
	// to acknowledge after it is back: until it is seen and sent away.
	returning = 10 * time.Second
)

// Judge says which promises an episode did not keep, by what the ledger saw.
func Judge(o *Outcome, run report.Run) {
	judgeLosses(o, run)
	judgeTwo(o, run)
	judgeCopies(o, run)
	if run.Diverged > 0 {
		o.Break(fmt.Sprintf("%d values differ from what was acknowledged", run.Diverged))
	}
	if run.Acknowledged == 0 {
		o.Break("not one write was acknowledged, so nothing is proved")
	}
	if run.Unattributed > 0 {
		o.Break(fmt.Sprintf("of %d acknowledgements it is not known whose they are, so little is proved", run.Unattributed))
	}
	for _, p := range run.Problems {
		// A pod that was replaced in the middle of something else has no end to time.
		if !strings.Contains(p, "was not complete when the run ended") {
			o.Break("the ledger could not check all: " + p)
		}
	}
}

// span is from when until when something may be.
type span struct {
	from, to time.Time
	pods     []string
}

// at is a moment of the ledger's run.
func at(run report.Run, ms float64) time.Time {
	return run.StartedAt.Add(time.Duration(ms * float64(time.Millisecond)))
}

// unplanned are the times in which writes acknowledged by a pod may be lost, or
// another may acknowledge beside it: from shortly before the fault that took it until
// it is back and seen.
func unplanned(o *Outcome, run report.Run) []span {
	var out []span
	for _, s := range o.Struck {
		if !s.Done || !s.Fault.Kind.Takes() || len(s.Pods) == 0 {
			continue
		}
		one := span{from: fallenBehind(o, s), to: s.Ended.Add(returning), pods: s.Pods}
		if s.Fault.Kind == Kill {
			one.to = s.Ended.Add(unsent) // it is another process now; a pod that goes has a moment left
		}
		one.pods = append(predecessors(run, one), one.pods...)
		out = append(out, one)
	}
	return out
}

// predecessors are those whose role a pod had taken over just before it was lost: it
// may have been the only one who had their last writes.
func predecessors(run report.Run, lost span) []string {
	var out []string
	for _, h := range run.Handovers {
		if when := at(run, h.EndMs); slices.Contains(lost.pods, h.To) && !when.Before(lost.from) && !when.After(lost.to) {
			out = append(out, h.From)
		}
	}
	return out
}

// fallenBehind is since when replicas may lack what the primary had acknowledged:
// shortly before it was lost, or before that fault which held them up. The only
// replica of a shard that is rolled, or made, is behind from the beginning.
func fallenBehind(o *Outcome, lost Struck) time.Time {
	from := lost.Began
	if o.Setup.Replicas < 2 && (o.Episode.During == Roll || o.Episode.During == Scale) && o.Began.Before(from) {
		from = o.Began
	}
	for _, s := range o.Struck {
		if s.Done && traits[s.Fault.Kind].degrades && s.Began.Before(from) {
			from = s.Began
		}
	}
	return from.Add(-unsent)
}

func judgeLosses(o *Outcome, run report.Run) {
	allowed := unplanned(o, run)
	for _, loss := range o.Losses {
		first, last := at(run, loss.FirstMs), at(run, loss.LastMs)
		within := slices.ContainsFunc(allowed, func(s span) bool {
			return slices.Contains(s.pods, loss.Pod) && !first.Before(s.from) && !last.After(s.to)
		})
		if !within {
			o.Break(fmt.Sprintf("LOST %d writes that %s acknowledged from %s to %s; %s", loss.Count, named(loss),
				since(o, first), since(o, last), permitted(o, allowed)))
		}
	}
}

func named(loss report.Absent) string {
	if loss.Pod == "" {
		return "a server of an unknown pod (" + loss.RunID + ")"
	}
	return loss.Pod
}

// since is a moment from the beginning of the episode.
func since(o *Outcome, t time.Time) string { return fmt.Sprintf("%+.2f s", t.Sub(o.Began).Seconds()) }

func permitted(o *Outcome, spans []span) string {
	if len(spans) == 0 {
		return "no fault takes a primary away, so none may be lost"
	}
	var out []string
	for _, s := range spans {
		out = append(out, fmt.Sprintf("%s from %s to %s", strings.Join(s.pods, ", "), since(o, s.from), since(o, s.to)))
	}
	return "only what these acknowledged may be lost: " + strings.Join(out, "; ")
}

// judgeTwo looks for two primaries that take writes at the same time. The role may
// come back to a process that had it, once a fault has taken it from there: then, and
// only then, the ledger sees an earlier server acknowledge again. That may be long
// afterwards, when a rollout goes on and hands over; but the one that hands over then has
// stopped for good.
func judgeTwo(o *Outcome, run report.Run) {
	allowed := unplanned(o, run)
	if run.Interleaved > 0 && len(allowed) == 0 {
		o.Break(fmt.Sprintf("TWO PRIMARIES took writes: %d acknowledgements interleave, and no fault takes a primary away", run.Interleaved))
		return
	}
	hands := o.Episode.During == Roll || o.Episode.During == Scale // the operator has a cause to hand over later
	taken := map[string]bool{}                                     // by a fault, while it lasted or soon after, and not come back since
	for _, h := range run.Handovers {
		when := at(run, h.EndMs)
		during := slices.IndexFunc(allowed, func(s span) bool {
			hit := slices.Contains(s.pods, h.From) || slices.Contains(s.pods, h.To)
			return hit && !when.Before(s.from) && !when.After(s.to)
		})
		if h.Returned && during < 0 && !taken[h.To] {
			o.Break(fmt.Sprintf("TWO PRIMARIES took writes: %s acknowledged again at %s, after %s had; %s", h.To, since(o, when), h.From, permitted(o, allowed)))
			return
		}
		taken[h.To] = false
		taken[h.From] = hands && during >= 0 && slices.Contains(allowed[during].pods, h.From) && !when.After(allowed[during].to.Add(-returning/2))
	}
}

// judgeCopies looks for replicas that lack more than their primary does, when all is
// said to be well.
func judgeCopies(o *Outcome, run report.Run) {
	lacks := map[string]int{}
	for i, node := range run.ReadBack {
		if owner(i, node, run) {
			lacks[node.Shard] = node.Missing
		}
	}
	for i, node := range run.ReadBack {
		if !owner(i, node, run) && node.Missing > lacks[node.Shard] {
			o.Break(fmt.Sprintf("%s lacks %d writes, and its primary %d", node.Name, node.Missing, lacks[node.Shard]))
		}
	}
}
