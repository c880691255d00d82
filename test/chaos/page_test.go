package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/test/ledger/report"
)

func example() Report {
	e := Episode{Round: 3, Number: 2, During: Roll, Faults: []Fault{{Kind: Kill, On: Primary}, {Kind: Freeze, On: Replica}}}
	good := Outcome{
		Episode: e, Setup: Setup{Topology: Replication, Shards: 1, Replicas: 2, Data: RDB}, Began: start, Ledger: true, Acknowledged: 1234, Lost: 5,
		LongestGapMs: 1750, HealedSeconds: 12.5, Looks: 9, Losses: []report.Absent{{Pod: "cache-0", Count: 5}},
		Struck: []Struck{struck(Kill, Primary, 2, 2, "cache-0"), struck(Freeze, Replica, 3, 9, "cache-1")},
	}
	bad := good
	bad.Episode.Number, bad.Lost, bad.Losses = 3, 0, nil
	bad.Struck = []Struck{{Fault: Fault{Kind: Cut, On: Primary}, Note: "nobody has the role <now>", Began: start, Ended: start}}
	bad.Break("TWO PRIMARIES & more")
	bad.Break("TWO PRIMARIES & more")
	return Report{Seed: 42, Began: start, Seconds: 100, Outcomes: []Outcome{good, bad}, Missing: []string{"slow links: no root"}}
}

func TestThePageTellsWhatBrokeWhatItCostAndHowToSeeItAgain(t *testing.T) {
	folder := t.TempDir()
	r := example()
	if err := r.WriteTo(folder); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 episodes, 2 faults, 2468 acknowledged writes, of which 5 were lost", "1 PROMISES BROKEN",
		"make chaos SEED=42 EPISODE=3.2", "3.2 · Replication 1&#43;2, RDB · during a roll", "episode 3.3: TWO PRIMARIES &amp; more",
		"<td>kill</td><td>1</td><td>1</td><td>5</td><td>1.8 s</td><td>12 s</td>", "5 of cache-0", "was not done", "&lt;now&gt;",
		"A clock that jumps", "slow links: no root", `href="3.2/report.html"`, "freeze: 3.0 s to 9.0 s",
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	raw, err = os.ReadFile(filepath.Join(folder, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(raw, &back); err != nil || back.Seed != 42 || len(back.Outcomes) != 2 || back.Outcomes[0].Lost != 5 {
		t.Errorf("read back: %+v, %v", back, err)
	}
}

func TestAReportWithoutABrokenPromiseSaysSo(t *testing.T) {
	r := example()
	r.Outcomes = r.Outcomes[:1]
	if got := r.Sentence(); len(r.Broken()) > 0 || !strings.HasSuffix(got, "no promise broken.") {
		t.Errorf("%q, broken %q", got, r.Broken())
	}
}
