package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// madeAnew is the shard of a lone server whose StatefulSet was deleted while the extra
// node was primary, and came back with one pod: that one has booted, out of date.
func madeAnew() model.Snapshot {
	snap := durable(alone(healthy()))
	s := &snap.Shards[0]
	s.Memory.Primary, s.Memory.History = "v-1", []string{"h2", "h1"}
	s.Traffic.Primary = ""
	n := &s.Nodes[0]
	n.Ready, n.InService, n.Admitted, n.RoleLabel = false, false, false, model.RoleUnknown
	rebooted(n)
	return snap
}

// claimLeft is a volume claim beyond the size of the shard.
func claimLeft(ordinal int, going bool) func(*model.Shard) {
	return func(s *model.Shard) {
		s.Leftovers = append(s.Leftovers, model.Leftover{Claim: fmt.Sprintf("data-v-%d", ordinal), Ordinal: ordinal, Going: going})
	}
}

func lastPrimary(name string) func(*model.Shard) {
	return func(s *model.Shard) { s.Memory.Primary = name }
}

func unknownBefore(s *model.Shard) { s.Memory = model.Memory{} }

// started is the pod of the extra node once it has been asked for, and has booted.
func started(change func(*model.Node)) func(*model.Shard) {
	return func(s *model.Shard) {
		extra := s.Nodes[0]
		extra.Ordinal, extra.Ref = 1, model.Ref{Name: "v-1", UID: "uid-1", Address: addr(1)}
		change(&extra)
		s.Nodes, s.Size = append(s.Nodes, extra), 2
	}
}

func TestNobodyIsPromotedBesideAClaimThatMayBeNewer(t *testing.T) {
	older := "promote v-0 (it holds the most of the newest known history)"
	run(t, []incident{
		{name: "the pod of the last primary is started", given: madeAnew(), change: claimLeft(1, false), step: "scale from 1 to 2 pods"},
		{name: "also in a shard that had more nodes", given: madeAnew(), change: both(lastPrimary("v-3"), claimLeft(3, false)),
			step: "scale from 1 to 4 pods"},
		{name: "one of which nothing is remembered as well", given: madeAnew(), change: both(unknownBefore, claimLeft(1, false)),
			step: "scale from 1 to 2 pods"},
		{name: "and what lies beside the lost claim of the last primary", given: madeAnew(), change: both(lastPrimary("v-3"), claimLeft(1, false)),
			step: "scale from 1 to 2 pods"},
		{name: "more than one extra pod is not made without knowing", given: madeAnew(), change: both(lastPrimary("v-3"), claimLeft(2, false)),
			hold: model.WaitingForCopies, of: "v-2"},
		{name: "but is where a resource was made anew with fewer nodes", given: madeAnew(), change: both(unknownBefore, claimLeft(2, false)),
			step: "scale from 1 to 3 pods"},
		{name: "what is being deleted cannot be started", given: madeAnew(), change: claimLeft(1, true), hold: model.WaitingForCopies, of: "v-1"},
		{name: "the pod that was started is waited for", given: madeAnew(), change: both(claimLeft(2, true), started(absent)),
			hold: model.WaitingForCopies, of: "v-1"},
		{name: "and promoted if it holds more", given: madeAnew(), change: started(func(n *model.Node) { n.Server.ReplID = "h2" }),
			step: "promote v-1 (it holds the most of the newest known history)"},
		{name: "or not, if it is empty", given: madeAnew(), change: started(reborn), step: older},
		{name: "or if it is older", given: madeAnew(), change: both(started(func(*model.Node) {}), at(0, func(n *model.Node) { n.Server.ReplID = "h2" })),
			step: older},
		{name: "of logs, which keep no history, that of the last primary counts", given: madeAnew(),
			change: both(at(0, forgetful), started(forgetful)), step: "promote v-1 (the copies have no common history, and it was the last primary)"},
		{name: "with nothing remembered a person has to choose", given: madeAnew(),
			change: both(both(unknownBefore, at(0, forgetful)), started(forgetful)), hold: model.HistoryUnknown, of: "v-1"},
		{name: "a claim that was never a primary's is passed over", given: madeAnew(), change: both(lastPrimary("v-0"), claimLeft(1, false)), step: older},
		{name: "so is one that is being deleted, and was a replica's", given: madeAnew(), change: both(unknownBefore, claimLeft(1, true)),
			step: "promote v-0 (it is the only node with data)"},
		{name: "with the claim the data are gone", given: madeAnew(), step: older},
	})
}

// forgetful is a server that has read its append-only file: it has every write, and an
// id that nobody knows.
func forgetful(n *model.Node) { n.Server.ReplID, n.Server.Offset = "own-"+n.Name, 0 }

func TestAHoldForAClaimThatIsNotStartedSaysWhatToDo(t *testing.T) {
	for _, row := range []struct {
		change func(*model.Shard)
		says   []string
	}{
		{both(lastPrimary("v-3"), claimLeft(2, false)), []string{"data-v-2", "kubectl scale statefulset v --replicas=3", "kubectl delete pvc data-v-2"}},
		{claimLeft(1, true), []string{"data-v-1", "Retain", "finalizers"}},
	} {
		snap := madeAnew()
		row.change(&snap.Shards[0])
		p, err := plan.Next(snap)
		if err != nil || len(p.Steps) > 0 || len(p.Holds) != 1 {
			t.Fatalf("%v, %v", p, err)
		}
		for _, want := range row.says {
			if !strings.Contains(p.Holds[0].Detail, want) {
				t.Errorf("%q does not say %q", p.Holds[0].Detail, want)
			}
		}
	}
}

// A shard without a primary is healed: its extra node is no rollout's.
func TestShardsThatStartTheirExtraNodesToCompareThemDoNotWaitForEachOther(t *testing.T) {
	snap := sharded(2).Snapshot
	for k := range snap.Shards {
		s := &snap.Shards[k]
		for i := range s.Nodes {
			n := &s.Nodes[i]
			*n = model.Node{Ordinal: n.Ordinal, Ref: model.Ref{Name: n.Name}}
		}
		snap.Policy.Durable = true
		s.Memory.Primary = fmt.Sprintf("%s-%d", s.Name, s.Size)
		s.Leftovers = []model.Leftover{{Claim: "data-" + s.Memory.Primary, Ordinal: s.Size}}
	}
	p, err := plan.Next(snap)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range snap.Shards {
		if _, ok := p.Steps[s.Name].(model.Scale); !ok {
			t.Errorf("%s: %v, held by %v", s.Name, p.Steps[s.Name], p.HoldsOf(s.Name))
		}
	}
}
