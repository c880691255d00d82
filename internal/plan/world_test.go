package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// The tests begin from a shard of three in service: v-0 is primary of v-1 and
// v-2, all of revision "old". An incident changes what it is about.

const maxLag = 100

func addr(i int) string { return fmt.Sprintf("10.0.0.%d:6379", i) }

func healthy() model.Snapshot {
	s := model.Shard{Name: "v", Revision: "old", Size: 3,
		Memory:  model.Memory{Formed: true, Primary: "v-0", History: []string{"h1"}},
		Traffic: model.Traffic{Primary: addr(0), Replicas: []string{addr(1), addr(2)}, Quiet: time.Hour}}
	for i := range 3 {
		n := model.Node{Ordinal: i, Phase: model.PodRunning, Ready: true, InService: true, Admitted: true, Revision: "old",
			PingEvery: time.Second, RoleLabel: model.RoleReplica,
			Ref: model.Ref{Name: fmt.Sprintf("v-%d", i), UID: fmt.Sprintf("uid-%d", i), Address: addr(i)},
			Server: model.Server{Answered: true, Role: model.RoleReplica, Follows: addr(0), LinkUp: true,
				ReplID: "h1", Offset: 1000, Keys: 10}}
		s.Nodes = append(s.Nodes, n)
	}
	p := &s.Nodes[0]
	p.RoleLabel, p.Server.Role, p.Server.Follows, p.Server.LinkUp = model.RolePrimary, model.RolePrimary, "", false
	p.Server.Acked = map[string]int64{addr(1): 1000, addr(2): 1000}
	return model.Snapshot{Instance: "ns/v", Topology: model.Replication, Shards: []model.Shard{s},
		Policy: model.Policy{Strategy: model.StrategyHandover, Nodes: 3, MaxLag: maxLag, ClientDrain: 10 * time.Second,
			DownAfter: 5 * time.Second}}
}

// rolling is a new image: every pod is stale.
func rolling() model.Snapshot {
	s := healthy()
	s.Shards[0].Revision = "new"
	return s
}

// almost is a roll in which only the primary is stale.
func almost() model.Snapshot {
	s := rolling()
	s.Shards[0].Nodes[1].Revision, s.Shards[0].Nodes[2].Revision = "new", "new"
	return s
}

// lost is a shard whose primary's server has ended; its pod is still there.
func lost() model.Snapshot {
	s := healthy()
	n := &s.Shards[0].Nodes[0]
	n.Server, n.Dead = model.Server{}, true
	for i := 1; i < 3; i++ {
		s.Shards[0].Nodes[i].Server.LinkUp = false
	}
	return s
}

// rebooted is a server that has started again from its disk.
func rebooted(n *model.Node) {
	n.Dead, n.Server.Answered = false, true
	n.Server.Role, n.Server.Follows, n.Server.LinkUp, n.Server.Acked = model.RoleReplica, model.Nobody, false, nil
}

// absent is a pod that is not there.
func absent(n *model.Node) {
	*n = model.Node{Ordinal: n.Ordinal, Ref: model.Ref{Name: n.Name}}
}

// reborn is a pod that has just been made anew and whose server answers, empty.
func reborn(n *model.Node) {
	n.Ready, n.InService, n.Admitted, n.RoleLabel = false, false, false, model.RoleUnknown
	rebooted(n)
	n.Server.Keys, n.Server.Offset, n.Server.ReplID = 0, 0, "own-"+n.Name
}

// incident is a change of a snapshot and what the plan has to say to it.
type incident struct {
	name   string
	given  model.Snapshot
	change func(s *model.Shard)
	step   string // the step's words; empty for none
	hold   model.Reason
	of     string // the node that the hold names
}

func (in incident) check(t *testing.T) {
	t.Helper()
	snap := in.given
	if in.change != nil {
		in.change(&snap.Shards[0])
	}
	p, err := plan.Next(snap)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if step := p.Steps["v"]; step != nil {
		got = step.String()
	}
	if got != in.step {
		t.Errorf("the step is %q, wanted %q; holds: %v", got, in.step, p.Holds)
	}
	if in.hold == "" {
		return
	}
	for _, h := range p.Holds {
		if h.Reason == in.hold && h.Node == in.of && h.Detail != "" && h.Shard == "v" {
			return
		}
	}
	t.Errorf("wanted a hold %s of %q, got %v", in.hold, in.of, p.Holds)
}

func run(t *testing.T, incidents []incident) {
	t.Helper()
	for _, in := range incidents {
		t.Run(in.name, in.check)
	}
}
