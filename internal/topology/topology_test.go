package topology_test

import (
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

func TestOnlyAStandaloneThatMayNotSurgeRestartsItsPrimary(t *testing.T) {
	alone := model.Shard{Name: "v", Size: 1, Nodes: []model.Node{{Ref: model.Ref{Name: "v-0"}, Phase: model.PodRunning,
		Server: model.Server{Answered: true, Role: model.RolePrimary}}}}
	surged := alone
	surged.Nodes = append(alone.Nodes[:1:1], model.Node{Ref: model.Ref{Name: "v-1"}, Ordinal: 1, Phase: model.PodPending})
	for _, c := range []struct {
		name  string
		of    model.Topology
		surge model.Surge
		shard model.Shard
		want  bool
	}{
		{"a Standalone that may not surge", model.Standalone, model.SurgeNever, alone, true},
		{"unless another node is still there", model.Standalone, model.SurgeNever, surged, false},
		{"a Standalone that may surge", model.Standalone, model.SurgeAuto, alone, false},
		{"nor one of which nothing is known", model.Standalone, "", alone, false},
		{"a primary with replicas", model.Replication, model.SurgeNever, alone, false},
		{"one that Sentinels watch", model.Sentinel, model.SurgeNever, alone, false},
		{"one of a cluster", model.Cluster, model.SurgeNever, alone, false},
	} {
		rules, err := topology.For(model.Snapshot{Topology: c.of, Policy: model.Policy{Surge: c.surge, Nodes: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if got := rules.PrimaryRestarts(c.shard); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
		if rules.Replicated() == (c.of == model.Standalone) {
			t.Errorf("%s: a Service for replicas: %t", c.name, rules.Replicated())
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
