package sim

import (
	"fmt"
	"strings"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// String tells a step in a few words.
func (op operator) String() string {
	switch op.kind {
	case stepPromote:
		return "promote " + podNames[op.a]
	case stepFollow:
		return fmt.Sprintf("let %s follow %s", podNames[op.a], podNames[op.b])
	case stepPublish:
		return fmt.Sprintf("publish primary %s, replicas %05b", podNames[op.a], op.reads)
	case stepScale:
		return fmt.Sprintf("scale from %d to %d", op.a, op.b)
	case stepDrain:
		return "drain " + podNames[op.a]
	case stepHandover:
		return fmt.Sprintf("hand over %s to %s", podNames[op.a], podNames[op.b])
	case stepRestart:
		return "restart " + podNames[op.a]
	}
	return "nothing"
}

// Narrate tells a trace, a line for each move and one for where it leads.
func Narrate(steps []Step) string {
	var b strings.Builder
	for i, step := range steps {
		if i > 0 {
			fmt.Fprintf(&b, "%3d %s\n", i, step.Move)
		}
		fmt.Fprintf(&b, "      %s\n", step.State.String())
	}
	return b.String()
}

// String tells a state in one line.
func (s State) String() string {
	var b strings.Builder
	for i := range s.n {
		if s.n[i].phase != absent || i < int(s.size) {
			fmt.Fprintf(&b, "[%d %s] ", i, s.n[i])
		}
	}
	fmt.Fprintf(&b, "spec=%d seen=%t size=%d service=%s reads=%05b memory=%s/%v attempt=%d owed=%b",
		s.spec, s.seen, s.size, place(s.slice), s.reads, place(s.last), s.hists, s.attempt, s.owed)
	if s.busy {
		b.WriteString(" busy")
	}
	return b.String()
}

func place(i uint8) string {
	switch i {
	case nobody:
		return "none"
	case gone:
		return "gone"
	}
	return podNames[i]
}

func (n node) String() string {
	words := []string{[]string{"absent", "pending", "running", "terminating"}[n.phase], revisions[n.rev]}
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(n.gate == gateOut, "out-of-service")
	add(n.gate == gateNever && n.phase != absent, "never-in-service")
	add(n.drain == drainBegun, "draining")
	add(n.drain == drainPassed, "drained")
	add(n.proc == procDead && n.phase != absent, "DEAD")
	add(n.proc == procLoading, "loading")
	add(n.evac, "to-leave-its-host")
	add(n.term >= explore.TermHook, "for-its-hook")
	add(n.silent, "SILENT")
	add(n.frozen, "FROZEN")
	add(n.apart, "APART")
	add(n.long, "for-long")
	add(n.deaf, "deaf")
	add(n.former, "former")
	add(n.logging, "logging")
	add(n.cut, "cut")
	add(n.broken, "broken")
	add(n.clients, "clients")
	if n.proc != procDead {
		add(n.role == rolePrimary, "PRIMARY")
		if n.role == roleReplica {
			words = append(words, "of:"+place(n.follows), []string{"down", "long-down", "syncing", "up"}[n.link])
		}
		words = append(words, fmt.Sprintf("h%d<%d:%b", n.hist, n.hist2, n.set))
	}
	add(n.fail == failWaiting, "failover-waiting>"+place(n.target))
	add(n.fail == failProgress, "failover-in-progress>"+place(n.target))
	if n.diskSet != 0 {
		words = append(words, fmt.Sprintf("disk h%d:%b", n.diskHist, n.diskSet))
	}
	return strings.Join(words, " ")
}
