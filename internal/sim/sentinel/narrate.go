package sentinel

import (
	"fmt"
	"strings"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// Narrate tells a trace, a line for each move and some for where it leads.
func Narrate(steps []Step) string {
	var b strings.Builder
	for i, step := range steps {
		if i > 0 {
			fmt.Fprintf(&b, "%3d %s\n", i, step.Move)
		}
		var before []string
		if i > 0 {
			before = steps[i-1].State.lines()
		}
		for at, line := range step.State.lines() {
			if i == 0 || line != before[at] {
				fmt.Fprintf(&b, "      %s\n", line)
			}
		}
	}
	return b.String()
}

func (s State) lines() []string {
	var out []string
	for i := range s.n {
		out = append(out, fmt.Sprintf("v-%d: %s", i, s.n[i]))
	}
	for k := range s.s {
		out = append(out, fmt.Sprintf("s-%d: %s", k, s.s[k]))
	}
	return append(out, fmt.Sprintf("size=%d/%d far=%07b failover=%+v service=%s reads=%03b last=%d hists=%v attempt=%d owed=%b lead=%d",
		s.size, s.sentinels, s.far, s.fo, place(s.slice), s.reads, s.last, s.hists, s.attempt, s.owed, s.lead))
}

func place(i uint8) string {
	switch i {
	case nobody:
		return "nobody"
	case gone:
		return "gone"
	}
	return podNames[i]
}

func (n node) String() string {
	words := []string{[]string{"absent", "running", "terminating"}[n.phase]}
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(n.stale, "stale")
	add(n.phase != absent && n.gate != gateIn, "gate=%d", n.gate)
	add(n.drain != drainNo, "drain=%d", n.drain)
	add(n.phase != absent && !n.up, "DEAD")
	add(n.up && n.primary, "PRIMARY")
	add(n.up && !n.primary, "of:%s linked=%t", place(n.follows), n.linked)
	add(n.zero, "priority=0")
	add(n.late, "comes-last")
	add(n.evac, "to-leave-its-host")
	add(n.term >= explore.TermHook, "for-its-hook")
	add(n.fail != failNone, "FAILOVER=%d>%s", n.fail, place(n.target))
	add(n.up, "h%d<%d:%b", n.hist, n.hist2, n.set)
	add(n.clients, "clients")
	add(n.diskHist != 0, "disk h%d:%b", n.diskHist, n.diskSet)
	return strings.Join(words, " ")
}

func (t sentinel) String() string {
	if t.phase == absent {
		return "absent"
	}
	return fmt.Sprintf("%s stale=%t up=%t mute=%t names=%s epoch=%d unset=%t down=%t knows=%03b ranked=%03b-%03b others=%04b-%04b",
		[]string{"absent", "running", "terminating"}[t.phase], t.stale, t.up, t.mute, place(t.watch), t.epoch, t.unset, t.down, t.knows, t.ranked, t.late, t.others, t.away)
}
