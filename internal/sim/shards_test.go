package sim

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// reached are the snapshots of many different moments of a world.
func reached(t *testing.T, w World, every int) []model.Snapshot {
	t.Helper()
	var out []model.Snapshot
	for at, s := range explore.Reached(w.explored(), 20_000) {
		if at%every == 0 {
			out = append(out, w.View(&s))
		}
	}
	return out
}

func faulty() World {
	return replication("1+2", 3).with(func(w *World) { w.Faults, w.MaxFaults, w.MaxCrashes = everyFault, 1, 1 })
}

// Law 13.
func TestAHoldInOneShardNeverTakesAnothersStep(t *testing.T) {
	views := reached(t, faulty(), 97)
	held := 0
	for i, a := range views {
		b := views[(i*31+7)%len(views)]
		both, alone := together(a, b), map[string]model.Plan{}
		for _, one := range both.Shards {
			alone[one.Name] = mustPlan(t, model.Snapshot{Topology: both.Topology, Policy: both.Policy, Shards: []model.Shard{one}})
		}
		got := mustPlan(t, both)
		for _, shard := range both.Shards {
			want := alone[shard.Name]
			if !reflect.DeepEqual(got.Steps[shard.Name], want.Steps[shard.Name]) || !reflect.DeepEqual(got.HoldsOf(shard.Name), want.HoldsOf(shard.Name)) {
				t.Fatalf("%s: alone %v %v, beside another shard %v %v", shard.Name,
					want.Steps[shard.Name], want.Holds, got.Steps[shard.Name], got.HoldsOf(shard.Name))
			}
		}
		if len(alone["left"].Holds) > 0 && got.Steps["right"] != nil {
			held++
		}
	}
	t.Logf("%d pairs of shards, in %d of them one holds while the other goes on", len(views), held)
	if held == 0 {
		t.Fatal("no pair in which one shard holds and the other goes on: this proves nothing")
	}
}

func together(a, b model.Snapshot) model.Snapshot {
	left, right := a.Shards[0], b.Shards[0]
	left.Name, right.Name = "left", "right"
	a.Shards = []model.Shard{left, right}
	a.Policy.ParallelShards = 2 // with fewer one waits for the other, and says so
	return a
}

func mustPlan(t *testing.T, snap model.Snapshot) model.Plan {
	t.Helper()
	p, err := plan.Next(snap)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestThePlanIsAFunctionOfTheSnapshotAlone(t *testing.T) {
	for _, snap := range reached(t, faulty(), 53) {
		first, again := mustPlan(t, snap), mustPlan(t, snap)
		if !reflect.DeepEqual(first, again) {
			t.Fatalf("first %v, then %v", first, again)
		}
		if len(first.Steps) > len(snap.Shards) {
			t.Fatalf("%d steps for %d shards", len(first.Steps), len(snap.Shards))
		}
	}
}

// Laws 1 and 4 of a plan that is acted upon late: what is no part of a step's
// identity must not change it.
func TestWritesWithinTheBoundDoNotChangeTheStep(t *testing.T) {
	for _, snap := range reached(t, faulty(), 53) {
		busier := snap
		busier.Policy.MaxLag += 1000
		busier.Shards = []model.Shard{snap.Shards[0]}
		busier.Shards[0].Nodes = slices.Clone(snap.Shards[0].Nodes)
		before := mustPlan(t, model.Snapshot{Topology: snap.Topology, Policy: busier.Policy, Shards: snap.Shards}).Steps["v"]
		if _, ok := snap.Shards[0].Primary(); !ok {
			continue // which copy has the most is what is asked then
		}
		for i := range busier.Shards[0].Nodes {
			busier.Shards[0].Nodes[i].Server = wrote(busier.Shards[0].Nodes[i].Server, int64(i))
		}
		after := mustPlan(t, busier).Steps["v"]
		if (before == nil) != (after == nil) || (before != nil && !before.Same(after)) {
			t.Fatalf("%v became %v", before, after)
		}
	}
}

// wrote moves all offsets on, by different amounts within the bound.
func wrote(s model.Server, unlike int64) model.Server {
	s.Offset += 500 + unlike
	acked := map[string]int64{}
	for address, offset := range s.Acked {
		acked[address] = offset + 300 + int64(len(address)) + unlike
	}
	if s.Acked != nil {
		s.Acked = acked
	}
	return s
}

// The states of the explorer are keys: a step that cannot be packed and told
// again would be walked as another one.
func TestEveryStepSurvivesItsCompactForm(t *testing.T) {
	kinds := map[string]bool{}
	for _, snap := range reached(t, faulty(), 11) {
		step := mustPlan(t, snap).Steps["v"]
		if step == nil {
			continue
		}
		kinds[fmt.Sprintf("%T", step)] = true
		if again := pack(step).unpack(); again != nil && !again.Same(step) {
			t.Fatalf("%v became %v", step, again)
		}
	}
	if len(kinds) < 5 {
		t.Fatalf("only %v were met", kinds)
	}
}
