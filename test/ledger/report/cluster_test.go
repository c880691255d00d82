package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// exampleCluster is a run over two shards of two pods each: one hands over once,
// the other twice, and a third came for some slots.
func exampleCluster() Run {
	at := func(ms float64) *float64 { return &ms }
	run := example()
	run.Topology, run.Strategy, run.Problems = "Cluster", "Handover", []string{}
	run.Cluster = &Cluster{
		SlotsCovered: 16384, ImbalancePercent: 1.25, MedianHandoverGapMs: at(41), WorstHandoverGapMs: at(120),
		Moves:  []Move{{From: "orders-shard-0", To: "orders-shard-2", Slots: 1234, FirstMs: 300, LastMs: 400}},
		Strays: []string{"0123abcd at 10.0.0.9:6379 is fail,noaddr"},
	}
	run.Servers, run.ReadBack, run.Rolls, run.Handovers = nil, nil, nil, nil
	for shard, gaps := range [][]float64{{41}, {120, 30}, nil} {
		name := fmt.Sprintf("orders-shard-%d", shard)
		s := Shard{Name: name, ID: fmt.Sprint("id", shard), Slots: 5461, Ranges: "0-5460", Acknowledged: 411522, LongestGapMs: 99, WorstClientGapMs: 130, SpacingMs: 1.5, Handovers: len(gaps)}
		from, start := name+"-0", 0.0
		for i, gap := range gaps {
			to, when := fmt.Sprintf("%s-%d", name, (i+1)%2), float64(700+300*i+150*shard)
			s.Turns = append(s.Turns, Turn{Server: from, FromMs: start, ToMs: when})
			s.MedianHandoverGapMs, s.WorstHandoverGapMs = at(gap), at(gap)
			h := Handover{Shard: name, From: from, To: to, FromRunID: from, ToRunID: to, StartMs: when, EndMs: when + gap, GapMs: gap}
			for k := range 20 {
				h.Writes = append(h.Writes, [3]float64{when - 100 + 15*float64(k), 0.5, float64(2*shard + k/10)})
			}
			run.Handovers = append(run.Handovers, h)
			run.Gaps = append(run.Gaps, Gap{Shard: name, StartMs: when, Ms: gap})
			from, start = to, when+gap
		}
		s.Turns = append(s.Turns, Turn{Server: from, FromMs: start, ToMs: 2000})
		run.Shards = append(run.Shards, s)
		for i, role := range []string{"primary", "replica"} {
			pod := fmt.Sprintf("%s-%d", name, i)
			run.Servers = append(run.Servers, Server{RunID: pod, Pod: pod, Shard: name, Acknowledged: 1})
			run.ReadBack = append(run.ReadBack, Node{Name: pod, Role: role, Shard: name, Checked: 10, CaughtUp: true})
			roll := 100 + 250*float64(shard) + 120*float64(i)
			run.Rolls = append(run.Rolls, Roll{Pods: []Replaced{{Pod: pod, DeletionMs: roll, GoneMs: at(roll + 20), ReadyMs: at(roll + 80), SyncedMs: at(roll + 110)}}})
		}
	}
	run.Judge()
	return run
}

func TestThePageShowsAClustersShards(t *testing.T) {
	var out bytes.Buffer
	if err := (Report{Topology: "Cluster", Runs: []Run{exampleCluster()}}).WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{
		"<td title=\"id1: 0-5460\">orders-shard-1</td>", ">shard-1</text>", ">shard-1-0</text>", "shard-1: 120 ms",
		"1,234 slots moved from orders-shard-0 to orders-shard-2", "1.2 % off", "0123abcd at 10.0.0.9:6379",
		"on the primaries of 3 shards and on all 3 replicas", "without an acknowledged write in a shard", "orders-shard-0: nobody could write for 41.0 ms",
	} {
		if !strings.Contains(out.String(), good) {
			t.Errorf("the page does not show %q", good)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "ZgotmplZ", "<nil>"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	picture := xml.NewDecoder(strings.NewReader(string(draw(exampleCluster()))))
	for {
		if _, err := picture.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestHandoversAreListedByShard(t *testing.T) {
	var got []string
	for _, h := range exampleCluster().byShard() {
		got = append(got, fmt.Sprintf("%s at %.0f", h.Shard, h.EndMs))
	}
	if want := "orders-shard-0 at 741, orders-shard-1 at 970, orders-shard-1 at 1180"; strings.Join(got, ", ") != want {
		t.Errorf("handovers %v, want %s", got, want)
	}
}

func TestAReportOfOneShardHasNothingOfACluster(t *testing.T) {
	var text, page bytes.Buffer
	one := Report{Topology: "Replication", Runs: []Run{example()}}
	if err := errors.Join(one.WriteJSON(&text), one.WriteHTML(&page)); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"shard", "cluster", "slots"} {
		if strings.Contains(strings.ToLower(text.String()), word) || strings.Contains(strings.ToLower(page.String()), word) {
			t.Errorf("it speaks of %q", word)
		}
	}
	var got struct{ Runs []map[string]json.RawMessage }
	text.Reset()
	if err := (Report{Runs: []Run{exampleCluster()}}).WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text.Bytes(), &got); err != nil || got.Runs[0]["shards"] == nil || got.Runs[0]["cluster"] == nil {
		t.Errorf("a cluster's report has none of its keys: %v", err)
	}
}
