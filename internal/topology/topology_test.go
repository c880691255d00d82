package topology_test

import (
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

func TestOnlyStandaloneRestartsItsPrimary(t *testing.T) {
	for name, want := range map[model.Topology]bool{model.Standalone: true, model.Replication: false, model.Sentinel: false, model.Cluster: false} {
		rules, err := topology.For(model.Snapshot{Topology: name})
		if err != nil {
			t.Fatal(err)
		}
		if rules.PrimaryRestarts() != want {
			t.Errorf("%s: %t", name, rules.PrimaryRestarts())
		}
	}
}

func TestWhatIsUnknownIsRefused(t *testing.T) {
	for _, name := range []model.Topology{"", "Ring"} {
		if rules, err := topology.For(model.Snapshot{Topology: name}); err == nil || rules != nil {
			t.Errorf("%q: %v, %v", name, rules, err)
		}
	}
}

func TestAFailoverThatRunsKeepsAnotherFromBeginning(t *testing.T) {
	rules, err := topology.For(model.Snapshot{Topology: model.Replication})
	if err != nil {
		t.Fatal(err)
	}
	shard := model.Shard{Name: "v", Nodes: []model.Node{{Ref: model.Ref{Name: "v-0"},
		Server: model.Server{Answered: true, Role: model.RolePrimary}}}}
	if holds := rules.HandoverGates(shard, model.Node{}); len(holds) > 0 {
		t.Errorf("held without cause: %v", holds)
	}
	shard.Nodes[0].Server.FailingOver = true
	holds := rules.HandoverGates(shard, model.Node{})
	if len(holds) != 1 || holds[0].Reason != model.HandoverInProgress || holds[0].Node != "v-0" {
		t.Errorf("%v", holds)
	}
}
