package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestAVerdictIsProvenOnlyIfNothingSpeaksAgainstIt(t *testing.T) {
	good := Run{Acknowledged: 10}
	for _, c := range []struct {
		name   string
		change func(*Run)
		want   string
	}{
		{"nothing", func(*Run) {}, Proven},
		{"lost", func(r *Run) { r.Lost = 1 }, Violated},
		{"stale", func(r *Run) { r.Stale = 1 }, Violated},
		{"diverged", func(r *Run) { r.Diverged = 1 }, Violated},
		{"interleaved", func(r *Run) { r.Interleaved = 1 }, Violated},
		{"lost and a problem", func(r *Run) { r.Lost = 1; r.Problems = []string{"x"} }, Violated},
		{"a problem", func(r *Run) { r.Problems = []string{"x"} }, Unproven},
		{"unattributed", func(r *Run) { r.Unattributed = 1 }, Unproven},
		{"nothing acknowledged", func(r *Run) { r.Acknowledged = 0 }, Unproven},
	} {
		run := good
		c.change(&run)
		run.Judge()
		if run.Verdict != c.want {
			t.Errorf("%s: %s, want %s", c.name, run.Verdict, c.want)
		}
		if s := run.Sentence(); strings.HasPrefix(s, "All") != (c.want == Proven) {
			t.Errorf("%s: %q", c.name, s)
		}
	}
}

func TestTheJSONHasTheAgreedKeys(t *testing.T) {
	seconds := 1.5
	r := Report{Topology: "Replication", Runs: []Run{{
		Handovers: []Handover{{}}, RollSeconds: &seconds, UnavoidableSeconds: &seconds, Errors: map[string]int{},
	}}}
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Topology *string
		Runs     []map[string]json.RawMessage
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Topology == nil || len(got.Runs) != 1 {
		t.Fatalf("%v in %s", err, out.String())
	}
	for _, key := range []string{
		"strategy", "fromImage", "toImage", "acknowledged", "lost", "stale", "diverged", "errors",
		"handovers", "longestGapMs", "rollSeconds", "unavoidableSeconds",
	} {
		if _, ok := got.Runs[0][key]; !ok {
			t.Errorf("key %q is missing", key)
		}
	}
	var handovers []map[string]any
	if err := json.Unmarshal(got.Runs[0]["handovers"], &handovers); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"from", "to", "gapMs", "worstClientGapMs"} {
		if _, ok := handovers[0][key]; !ok {
			t.Errorf("key %q of a handover is missing", key)
		}
	}
}

// example is a run with everything in it, and a name that wants to be a script.
func example() Run {
	at := func(ms float64) *float64 { return &ms }
	run := Run{
		Strategy: "<script>alert(1)</script>", Acknowledged: 1234567, Errors: map[string]int{"readonly": 3}, Seconds: 2,
		LongestGapMs: 120, Gaps: []Gap{{StartMs: 900, Ms: 120}}, RollSeconds: at(3), UnavoidableSeconds: at(2.5),
		Servers:   []Server{{RunID: "a", Pod: "p-0"}, {RunID: "b", Pod: "p-1"}},
		Handovers: []Handover{{From: "p-0", To: "p-1", FromRunID: "a", ToRunID: "b", StartMs: 900, EndMs: 1020, GapMs: 120}},
		Rolls:     []Roll{{Pods: []Replaced{{Pod: "p-0", DeletionMs: 1100, GoneMs: at(1300)}}}},
		Events:    []Event{{AtMs: 100, Kind: "mark", Name: "a & b <c>"}, {AtMs: 500, Kind: "restart", Name: "p-2"}},
		ReadBack:  []Node{{Name: "p-1", Role: "primary"}, {Name: "p-0", Role: "replica", Error: "not <there>"}},
		Problems:  []string{"replica p-0: gone"}, Series: Series{BucketMs: 100},
	}
	for i := range 20 {
		run.Series.Acks = append(run.Series.Acks, 100*(i%3))
		run.Series.Errors = append(run.Series.Errors, i%2)
		run.Series.P50 = append(run.Series.P50, 0.4)
		run.Series.P99 = append(run.Series.P99, 4)
		run.Series.Max = append(run.Series.Max, 40)
		run.Handovers[0].Writes = append(run.Handovers[0].Writes, [3]float64{float64(800 + 20*i), 0.5, float64(i / 10)})
	}
	run.Judge()
	return run
}

func TestThePageNeedsNothingElseAndTakesNoTextForMarkup(t *testing.T) {
	var out bytes.Buffer
	if err := (Report{Topology: "Replication", Runs: []Run{example(), {}}}).WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "http://", "https://", "src=", "href=", "url(", "@import", "NaN", "Inf", "<there>", "<c>"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, good := range []string{"1,234,567", "p-0 → p-1: 120 ms", "a &amp; b", "replica p-0: gone"} {
		if !strings.Contains(out.String(), good) {
			t.Errorf("the page does not show %q", good)
		}
	}
}

func TestPicturesAreWellFormed(t *testing.T) {
	run := example()
	for name, picture := range map[string]string{
		"run": string(draw(run)), "empty run": string(draw(Run{})), "close-up": string(zoom(run, run.Handovers[0])),
	} {
		d := xml.NewDecoder(strings.NewReader(picture))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}

func TestJoiningBucketsHidesNoPeakAndNoWrite(t *testing.T) {
	s := Series{BucketMs: 100}
	acks := 0
	for i := range 6001 {
		s.Acks, s.Errors = append(s.Acks, 7), append(s.Errors, 0)
		s.P50, s.P99, s.Max = append(s.P50, 1), append(s.P99, 2), append(s.Max, 3)
		if i == 4321 {
			s.Max[i], s.P99[i] = 999, 888
		}
		acks += 7
	}
	got := thin(s)
	sum, peak, p99 := 0, 0.0, 0.0
	for i := range got.Acks {
		sum, peak, p99 = sum+got.Acks[i], max(peak, got.Max[i]), max(p99, got.P99[i])
	}
	if len(got.Acks) > maxPoints || sum != acks || peak != 999 || p99 != 888 {
		t.Errorf("%d points, %d acks of %d, peak %g, p99 %g", len(got.Acks), sum, acks, peak, p99)
	}
}

func TestRunsAreMergedInOrderAndSurviveTheFile(t *testing.T) {
	folder := t.TempDir()
	one := Report{Topology: "Replication", Runs: []Run{{Strategy: "RollingUpdate"}}}
	two := Report{Topology: "Replication", Runs: []Run{{Strategy: "Handover"}}}
	if err := Merge(one, two).WriteTo(folder); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(filepath.Join(folder, "report.json"))
	if err != nil || got.Topology != "Replication" || len(got.Runs) != 2 || got.Runs[1].Strategy != "Handover" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadFile(filepath.Join(folder, "report.html")); err == nil {
		t.Error("a page was taken for a report")
	}
}
