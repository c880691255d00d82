package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/report"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// second is a moment of the episode.
func second(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }

// struck is a fault on pods from one second to another.
func struck(kind Kind, on Role, from, to float64, pods ...string) Struck {
	f := Fault{Kind: kind, On: on}
	return Struck{Fault: f, Pods: pods, Began: second(from), Ended: second(to), Done: true}
}

// lost is a run in which writes that a pod acknowledged between two seconds were lost.
func lost(pod string, from, to float64) report.Run {
	return report.Run{
		StartedAt: start, Acknowledged: 1000, Lost: 3,
		ReadBack: []report.Node{
			{Name: "b", Role: "primary", Missing: 3, Absent: []report.Absent{{Pod: pod, Count: 3, FirstMs: from * 1000, LastMs: to * 1000}}},
			{Name: "c", Role: "replica", Missing: 3},
		},
	}
}

func after(run report.Run, handovers ...report.Handover) report.Run {
	run.Handovers = handovers
	return run
}

func TestWhatMayBeLostIsWhatALostPrimaryHadNotSent(t *testing.T) {
	primary := func(kind Kind, to float64) []Struck { return []Struck{struck(kind, Primary, 10, to, "a")} }
	for _, c := range []struct {
		name   string
		struck []Struck
		run    report.Run
		during During
		copies int
		says   string
	}{
		{name: "just before it was killed", struck: primary(Kill, 10.5), run: lost("a", 9.5, 10.1), copies: 2},
		{name: "long before it was killed", struck: primary(Kill, 10.5), run: lost("a", 2, 10.1), copies: 2, says: "LOST 3 writes that a acknowledged from +2.00 s"},
		{name: "acknowledged by the next one", struck: primary(Kill, 10.5), run: lost("b", 9.5, 10.1), copies: 2, says: "LOST"},
		{name: "acknowledged by the one before, who had just handed over", struck: primary(Kill, 10.5), copies: 2,
			run: after(lost("z", 9, 9.5), report.Handover{From: "z", To: "a", EndMs: 9600})},
		{name: "acknowledged by the one before, long ago", struck: primary(Kill, 10.5), copies: 2,
			run: after(lost("z", 9, 9.5), report.Handover{From: "z", To: "a", EndMs: 600}), says: "LOST"},
		{name: "long after it was killed", struck: primary(Kill, 10.5), run: lost("a", 9.5, 20), copies: 2, says: "LOST"},
		{name: "while it was cut off", struck: primary(Cut, 30), run: lost("a", 9.5, 33), copies: 2},
		{name: "long after it was back", struck: primary(Cut, 30), run: lost("a", 9.5, 45), copies: 2, says: "LOST"},
		{name: "by a deletion with grace", struck: primary(Delete, 10), run: lost("a", 9.5, 10.1), copies: 2, says: "no fault takes a primary away"},
		{name: "by a drain", struck: primary(Drain, 30), run: lost("a", 9.5, 10.1), copies: 2, says: "LOST"},
		{name: "by a death of the operator", struck: []Struck{struck(KillOperator, Nobody, 10, 10)}, run: lost("a", 9.5, 10.1), copies: 2, says: "LOST"},
		{name: "by a frozen API server", struck: []Struck{struck(FreezeAPI, Nobody, 10, 20)}, run: lost("a", 9.5, 10.1), copies: 2, says: "LOST"},
		{name: "by a replica's death", struck: []Struck{struck(Kill, Replica, 10, 10, "b")}, run: lost("a", 9.5, 10.1), copies: 2, says: "LOST"},
		{name: "by a fault that was not done", struck: []Struck{{Fault: Fault{Kind: Kill}, Pods: []string{"a"}, Began: second(10), Ended: second(10)}}, run: lost("a", 9.5, 10.1), copies: 2, says: "LOST"},
		{name: "since the replicas were slow",
			struck: []Struck{struck(Slow, Replica, 4, 30, "b"), struck(Kill, Primary, 12, 12, "a")}, run: lost("a", 3, 12), copies: 2},
		{name: "since the only replica was rolled", struck: primary(Kill, 10.5), run: lost("a", 1, 10), during: Roll, copies: 1},
		{name: "since one of two replicas was rolled", struck: primary(Kill, 10.5), run: lost("a", 1, 10), during: Roll, copies: 2, says: "LOST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Outcome{Began: start, Struck: c.struck, Setup: Setup{Replicas: c.copies}, Episode: Episode{During: c.during}}
			o.Take(c.run)
			Judge(o, c.run)
			broken := strings.Join(o.Broken, "\n")
			if (c.says == "") != (broken == "") || !strings.Contains(broken, c.says) {
				t.Errorf("broken %q, wanted %q", broken, c.says)
			}
		})
	}
}

func TestARoleThatComesBackIsNoOffenceOnlyWhereAFaultHadTakenIt(t *testing.T) {
	run := report.Run{
		StartedAt: start, Acknowledged: 100, Interleaved: 7,
		Handovers: []report.Handover{{From: "a", To: "b", EndMs: 9000}, {From: "b", To: "a", EndMs: 12000, Returned: true}},
		ReadBack:  []report.Node{{Role: "primary"}},
	}
	for _, c := range []struct {
		name   string
		struck Struck
		says   string
	}{
		{"within a freeze", struck(Freeze, Primary, 8, 11, "a"), ""},
		{"within another one's", struck(Freeze, Replica, 8, 11, "c"), "a acknowledged again at +12.00 s"},
		{"long after it", struck(Freeze, Primary, 0, 1, "a"), "a acknowledged again at +12.00 s"},
		{"without one that takes", struck(Delete, Primary, 8, 11, "a"), "7 acknowledgements interleave"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Outcome{Began: start, Struck: []Struck{c.struck}}
			Judge(o, run)
			broken := strings.Join(o.Broken, "\n")
			if (c.says == "") != (broken == "") || !strings.Contains(broken, c.says) {
				t.Errorf("broken %q, wanted %q", broken, c.says)
			}
		})
	}
}

// A rollout that a fault has held up goes on, and hands the role back.
func TestARoleThatAFaultHasTakenMayBeHandedBackLater(t *testing.T) {
	taken := report.Handover{From: "a", To: "b", EndMs: 9000}
	back := report.Handover{From: "b", To: "a", EndMs: 40000, Returned: true}
	again := report.Handover{From: "a", To: "b", EndMs: 40100, Returned: true}
	for _, c := range []struct {
		name      string
		during    During
		handovers []report.Handover
		says      string
	}{
		{"once", Roll, []report.Handover{taken, back}, ""},
		{"who has handed it back has stopped for good", Roll, []report.Handover{taken, back, again}, "b acknowledged again at +40.10 s"},
		{"where nobody has a cause to hand over", Idle, []report.Handover{taken, back}, "a acknowledged again at +40.00 s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Outcome{Began: start, Episode: Episode{During: c.during}, Struck: []Struck{struck(Freeze, Primary, 5, 11, "a")}}
			Judge(o, report.Run{StartedAt: start, Acknowledged: 100, Interleaved: 7, Handovers: c.handovers, ReadBack: []report.Node{{Role: "primary"}}})
			broken := strings.Join(o.Broken, "\n")
			if (c.says == "") != (broken == "") || !strings.Contains(broken, c.says) {
				t.Errorf("broken %q, wanted %q", broken, c.says)
			}
		})
	}
}

func TestWhatProvesNothingIsNoGoodOutcome(t *testing.T) {
	whole := report.Run{StartedAt: start, Acknowledged: 100, ReadBack: []report.Node{{Role: "primary"}, {Name: "b", Role: "replica"}}}
	for _, c := range []struct {
		name   string
		change func(*report.Run)
		says   string
	}{
		{"a good run", func(*report.Run) {}, ""},
		{"a pod without an end", func(r *report.Run) { r.Problems = []string{"the roll was not complete when the run ended: …"} }, ""},
		{"nothing written", func(r *report.Run) { r.Acknowledged = 0 }, "not one write"},
		{"unknown servers", func(r *report.Run) { r.Unattributed = 2 }, "whose"},
		{"other values", func(r *report.Run) { r.Diverged = 2 }, "differ"},
		{"a replica that was not read", func(r *report.Run) { r.Problems = []string{"replica b: gone"} }, "replica b: gone"},
		{"a replica that lacks some", func(r *report.Run) { r.ReadBack[1].Missing = 5 }, "b lacks 5 writes, and its primary 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := whole
			run.ReadBack = append([]report.Node{}, whole.ReadBack...)
			c.change(&run)
			o := &Outcome{Began: start}
			Judge(o, run)
			broken := strings.Join(o.Broken, "\n")
			if (c.says == "") != (broken == "") || !strings.Contains(broken, c.says) {
				t.Errorf("broken %q, wanted %q", broken, c.says)
			}
		})
	}
}

func TestInAClusterWhatIsLostIsCountedByShard(t *testing.T) {
	run := report.Run{
		StartedAt: start, Acknowledged: 100, Lost: 4, Cluster: &report.Cluster{},
		ReadBack: []report.Node{
			{Shard: "x", Role: "primary", Missing: 1, Absent: []report.Absent{{Pod: "a", Count: 1, FirstMs: 9900, LastMs: 9900}}},
			{Shard: "x", Role: "replica", Missing: 1, Name: "b"},
			{Shard: "y", Role: "primary", Missing: 0},
			{Shard: "y", Role: "replica", Missing: 1, Name: "d"},
			{Role: "no owner", Missing: 3, Absent: []report.Absent{{Pod: "e", Count: 3, FirstMs: 1, LastMs: 2}}},
		},
	}
	o := &Outcome{Began: start, Struck: []Struck{struck(Kill, Primary, 10, 10, "a")}, Setup: Setup{Replicas: 1}}
	o.Take(run)
	Judge(o, run)
	broken := strings.Join(o.Broken, "\n")
	for _, says := range []string{"LOST 3 writes that e", "d lacks 1 writes, and its primary 0"} {
		if !strings.Contains(broken, says) {
			t.Errorf("broken %q does not say %q", broken, says)
		}
	}
	if len(o.Broken) != 2 || len(o.Losses) != 2 {
		t.Errorf("losses %+v, broken %q", o.Losses, broken)
	}
}
