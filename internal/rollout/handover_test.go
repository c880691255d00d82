package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
)

// pair is a primary with fresh, synced replicas.
func pair(replicas int) (model.Shard, model.Node) {
	s := model.Shard{Name: "v", Revision: "new", Size: replicas + 1}
	for i := range replicas + 1 {
		ref := model.Ref{Name: fmt.Sprintf("v-%d", i), UID: fmt.Sprintf("uid-%d", i), Address: fmt.Sprintf("10.0.0.%d:6379", i)}
		s.Nodes = append(s.Nodes, model.Node{Ref: ref, Ordinal: i, Phase: model.PodRunning, Ready: true, Revision: "new",
			Server: model.Server{Answered: true, Role: model.RoleReplica, Follows: "10.0.0.0:6379", LinkUp: true, ReplID: "h", Offset: 1000}})
	}
	p := &s.Nodes[0]
	p.Server.Role, p.Server.Follows, p.Server.Acked = model.RolePrimary, "", map[string]int64{}
	for _, n := range s.Nodes[1:] {
		p.Server.Acked[n.Address] = 1000
	}
	return s, *p
}

func TestWaitsAfterFailedHandoversGrowAndAreBounded(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 5: 32 * time.Second, 6: time.Minute, 50: time.Minute} {
		if got := rollout.Backoff(failures); got != want {
			t.Errorf("after %d failures %s, wanted %s", failures, got, want)
		}
	}
}

func TestTargetHoldsStillWhileOffsetsVaryWithinTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const bound = 100
		shard, primary := pair(rapid.IntRange(1, 5).Draw(t, "replicas"))
		before, ok := rollout.Target(shard, primary, shard.Nodes, bound)
		if !ok {
			t.Fatal("no target among synced replicas")
		}
		primary.Server.Offset += rapid.Int64Range(0, 1<<40).Draw(t, "written")
		for _, n := range shard.Nodes[1:] {
			primary.Server.Acked[n.Address] = primary.Server.Offset - rapid.Int64Range(0, bound).Draw(t, n.Name)
		}
		if after, ok := rollout.Target(shard, primary, shard.Nodes, bound); !ok || after.Ref != before.Ref {
			t.Fatalf("%s became %s (%t)", before.Name, after.Name, ok)
		}
	})
}

func TestATargetIsFreshSyncedAndNotOnItsWayOut(t *testing.T) {
	spoil := map[string]func(p, n *model.Node){
		"it runs an older revision":            func(_, n *model.Node) { n.Revision = "old" },
		"its pod is not Ready":                 func(_, n *model.Node) { n.Ready = false },
		"its server does not answer":           func(_, n *model.Node) { n.Server.Answered = false },
		"it is in a full synchronisation":      func(_, n *model.Node) { n.Server.Syncing = true },
		"it loads its data":                    func(_, n *model.Node) { n.Server.Loading = true },
		"its link is down":                     func(_, n *model.Node) { n.Server.LinkUp = false },
		"it follows somebody else":             func(_, n *model.Node) { n.Server.Follows = "10.0.0.9:6379" },
		"it has another history":               func(_, n *model.Node) { n.Server.ReplID = "other" },
		"it lags by more than the bound":       func(p, n *model.Node) { p.Server.Acked[n.Address] = 899 },
		"the primary does not list it":         func(p, n *model.Node) { delete(p.Server.Acked, n.Address) },
		"it has just synchronised to offset 0": func(p, n *model.Node) { p.Server.Acked[n.Address] = 0 },
		"it is drained":                        func(_, n *model.Node) { n.Draining = true },
		"it would refuse writes":               func(_, n *model.Node) { n.Server.RefusesWrites = true },
	}
	for name, change := range spoil {
		t.Run(name, func(t *testing.T) {
			shard, primary := pair(1)
			change(&primary, &shard.Nodes[1])
			if target, ok := rollout.Target(shard, primary, shard.Nodes, 100); ok {
				t.Fatalf("%s was chosen", target.Name)
			}
		})
	}
}

func TestEveryWaitForAReplicaSaysWhatKeepsIt(t *testing.T) {
	shard, primary := pair(1)
	for want, change := range map[string]func(s *model.Server){
		"does not answer":      func(s *model.Server) { s.Answered = false },
		"loading":              func(s *model.Server) { s.Loading = true },
		"not a replica":        func(s *model.Server) { s.Role = model.RolePrimary },
		"follows nobody yet":   func(s *model.Server) { s.Follows = model.Nobody },
		"not the primary v-0":  func(s *model.Server) { s.Follows = "10.0.0.9:6379" },
		"full synchronisation": func(s *model.Server) { s.Syncing = true },
		"down for 7s":          func(s *model.Server) { s.LinkUp, s.LinkDown = false, 7*time.Second },
		"another history":      func(s *model.Server) { s.ReplID = "other" },
		"it is 0 bytes behind": func(*model.Server) {},
	} {
		n := shard.Nodes[1]
		change(&n.Server)
		if got := rollout.WhyNotSynced(primary, n); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}
