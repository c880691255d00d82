package report

import (
	"fmt"
	"strings"
)

// Judge sets the run's verdict. A violation is something that was seen to be
// wrong; a problem without one means that something could not be checked.
func (r *Run) Judge() {
	switch {
	case r.Lost > 0 || r.Stale > 0 || r.Diverged > 0 || r.Interleaved > 0:
		r.Verdict = Violated
	case len(r.Problems) > 0 || r.Unattributed > 0 || r.Acknowledged == 0:
		r.Verdict = Unproven
	default:
		r.Verdict = Proven
	}
}

// Sentence is the verdict for a person, in one sentence.
func (r Run) Sentence() string {
	silence, where := "the longest time without an acknowledged write was %s", "the primary"
	if r.Cluster != nil {
		silence, where = "the longest time without an acknowledged write in a shard was %s", fmt.Sprintf("the primaries of %d shards", r.owners())
	}
	silence = fmt.Sprintf(silence, milliseconds(r.LongestGapMs))
	for _, c := range r.Clients {
		silence += fmt.Sprintf(", of writers %s %s", KindName(c.Kind), milliseconds(c.LongestGapMs))
	}
	switch r.Verdict {
	case Violated:
		text := strings.Join(r.violations(), ", ")
		if len(r.Problems) > 0 {
			text += " (" + r.Problems[0] + ")"
		}
		return text + "; " + silence + "."
	case Proven:
		return fmt.Sprintf("All %s acknowledged writes are on %s and on %s; %s.",
			count(r.Acknowledged), where, r.replicas(), silence)
	default:
		why := "acknowledgements without a known server"
		if r.Acknowledged == 0 {
			why = "not one write was acknowledged"
		}
		if len(r.Problems) > 0 {
			why = r.Problems[0]
		}
		return fmt.Sprintf("Not proven (%s); %s.", why, silence)
	}
}

func (r Run) violations() []string {
	var out []string
	add := func(n int, text string) {
		if n > 0 {
			out = append(out, fmt.Sprintf(text, count(n)))
		}
	}
	add(r.Lost, "LOST %s of "+count(r.Acknowledged)+" acknowledged writes")
	add(r.Diverged, "%s values DIFFER from what was acknowledged")
	add(r.Stale, "%s acknowledged writes MISSING on replicas")
	add(r.Interleaved, "%s acknowledgements of TWO PRIMARIES at once")
	return out
}

// owners is how many primaries were read back.
func (r Run) owners() int {
	n := 0
	for _, node := range r.ReadBack {
		if node.Role == "primary" {
			n++
		}
	}
	return n
}

func (r Run) replicas() string {
	switch n := len(r.ReadBack) - r.owners(); n {
	case 0:
		return "no replica (there is none)"
	case 1:
		return "its replica"
	case 2:
		return "both replicas"
	default:
		return fmt.Sprintf("all %d replicas", n)
	}
}

// WorstHandoverGap is the longest gap of any handover, and the longest time that
// a single writer waited in one, in ms.
func (r Run) WorstHandoverGap() (all, client float64) {
	for _, h := range r.Handovers {
		all, client = max(all, h.GapMs), max(client, h.WorstClientGapMs)
	}
	return all, client
}

// count writes a number with commas.
func count(n int) string {
	if n < 0 {
		return "-" + count(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), n%1000)
}

// milliseconds writes a time with about three figures and a unit that fits.
func milliseconds(ms float64) string {
	switch {
	case ms >= 10000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 1000:
		return fmt.Sprintf("%.2f s", ms/1000)
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.2f ms", ms)
	}
}
