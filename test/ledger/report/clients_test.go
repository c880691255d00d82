package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// exampleSentinel is a run with both kinds of clients; of one nothing is known in
// the second handover.
func exampleSentinel() Run {
	at := func(ms float64) *float64 { return &ms }
	run := example()
	run.Clients = []Clients{
		{Kind: "service", Writers: 8, Acknowledged: 4321, LongestGapMs: 23, WorstClientGapMs: 29, MedianHandoverGapMs: at(21)},
		{Kind: "sentinel", Writers: 8, Acknowledged: 5432, LongestGapMs: 71, WorstClientGapMs: 79, WorstHandoverClientGapMs: at(73)},
	}
	run.Handovers[0].Clients = []Crossing{{Kind: "service", GapMs: 22, WorstClientGapMs: 24}, {Kind: "sentinel", GapMs: 72, WorstClientGapMs: 74, WorstClient: 3}}
	run.Handovers = append(run.Handovers, Handover{From: "p-1", To: "p-0", Clients: []Crossing{{Kind: "sentinel", GapMs: 62}}})
	return run
}

func TestThePageShowsBothKindsOfClients(t *testing.T) {
	var out bytes.Buffer
	run := exampleSentinel()
	if err := (Report{Topology: "Sentinel", Runs: []Run{run}}).WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{
		"<td>through the Service</td><td>8</td><td>4,321</td><td>23.0 ms</td><td>29.0 ms</td><td>21.0 ms</td><td>–</td><td>–</td><td>–</td>",
		"<td>that ask Sentinels</td>", "<th>Gap of writers that ask Sentinels</th>",
		"<td>22.0 ms</td><td>24.0 ms</td><td>72.0 ms</td><td>74.0 ms</td>",
		"<td>–</td><td>–</td><td>62.0 ms</td>",
	} {
		if !strings.Contains(out.String(), good) {
			t.Errorf("the page does not show %q", good)
		}
	}
	if s := run.Sentence(); !strings.Contains(s, "of writers through the Service 23.0 ms, of writers that ask Sentinels 71.0 ms") {
		t.Errorf("%q", s)
	}
}

func TestTheJSONHasTheKindsOfClientsOnlyIfThereAreSeveral(t *testing.T) {
	for _, c := range []struct {
		run  Run
		want bool
	}{{exampleSentinel(), true}, {example(), false}} {
		var out bytes.Buffer
		if err := (Report{Runs: []Run{c.run}}).WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		var got struct{ Runs []map[string]json.RawMessage }
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{
			"clients", "medianHandoverGapMs", "worstHandoverGapMs", "medianHandoverClientGapMs", "worstHandoverClientGapMs",
		} {
			if strings.Contains(out.String(), `"`+key+`"`) != c.want {
				t.Errorf("key %q is there: %v", key, !c.want)
			}
		}
		if (got.Runs[0]["clients"] != nil) != c.want {
			t.Errorf("clients of the run: %s", got.Runs[0]["clients"])
		}
	}
}
