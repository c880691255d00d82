package controller

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// calmShard is a primary and a replica at rest.
func calmShard() model.Shard {
	node := func(name, addr string, srv model.Server) model.Node {
		srv.Answered = true
		return model.Node{Ref: model.Ref{Name: name, UID: name, Address: addr}, Phase: model.PodRunning, Ready: true, Revision: "new", Server: srv}
	}
	return model.Shard{Name: "cart", Revision: "new", Size: 2, Nodes: []model.Node{
		node("cart-0", "10.0.0.1:6379", model.Server{Role: model.RolePrimary, ReplID: "h"}),
		node("cart-1", "10.0.0.2:6379", model.Server{Role: model.RoleReplica, ReplID: "h", Follows: "10.0.0.1:6379", LinkUp: true}),
	}}
}

func TestAnInstanceIsLookedAtOftenOnlyWhileNobodyTellsOfWhatIsAwaited(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*model.Shard, *model.Policy, *model.Plan)
		want   time.Duration
	}{
		"at rest":                      {func(*model.Shard, *model.Policy, *model.Plan) {}, idleEvery},
		"no primary":                   {func(s *model.Shard, _ *model.Policy, _ *model.Plan) { s.Nodes[0].Server.Role = model.RoleReplica }, busyEvery},
		"a replica more is wished for": {func(_ *model.Shard, p *model.Policy, _ *model.Plan) { p.Nodes = 3 }, busyEvery},
		"a stale pod":                  {func(s *model.Shard, _ *model.Policy, _ *model.Plan) { s.Nodes[1].Revision = "old" }, busyEvery},
		"a stale pod, and the rollout is paused": {func(s *model.Shard, p *model.Policy, _ *model.Plan) {
			s.Nodes[1].Revision, p.Paused = "old", true
		}, idleEvery},
		"a replica synchronises":   {func(s *model.Shard, _ *model.Policy, _ *model.Plan) { s.Nodes[1].Server.Syncing = true }, busyEvery},
		"a server does not answer": {func(s *model.Shard, _ *model.Policy, _ *model.Plan) { s.Nodes[1].Server = model.Server{} }, busyEvery},
		"a pod whose image does not exist": {func(s *model.Shard, _ *model.Policy, _ *model.Plan) {
			s.Nodes[1] = model.Node{Phase: model.PodPending, Dead: true, Trouble: "ImagePullBackOff", Revision: "old"}
		}, idleEvery},
		"a pod that Kubernetes refuses to make": {func(s *model.Shard, _ *model.Policy, _ *model.Plan) {
			s.Nodes[1] = model.Node{Phase: model.PodAbsent, Trouble: "its pod cannot be made: exceeded quota"}
		}, idleEvery},
		"a pod that is absent, and nobody says why": {func(s *model.Shard, _ *model.Policy, _ *model.Plan) {
			s.Nodes[1] = model.Node{Phase: model.PodAbsent}
		}, busyEvery},
		"a hold that ends by time": {func(_ *model.Shard, _ *model.Policy, p *model.Plan) {
			p.Holds = []model.Hold{{After: time.Second}, {After: 2 * time.Second}}
		}, time.Second},
		"a hold that ends in a moment": {func(_ *model.Shard, _ *model.Policy, p *model.Plan) {
			p.Holds = []model.Hold{{After: time.Microsecond}}
		}, stepEvery},
		"a role has just left a node": {func(s *model.Shard, _ *model.Policy, _ *model.Plan) {
			s.Traffic.Left, s.Traffic.LeftFor = "cart-1", model.ServiceMoves-time.Second
		}, time.Second},
		"a hold that an event ends": {func(_ *model.Shard, _ *model.Policy, p *model.Plan) { p.Holds = []model.Hold{{}} }, idleEvery},
	} {
		shard, policy, plan := calmShard(), model.Policy{Nodes: 2}, model.Plan{}
		row.change(&shard, &policy, &plan)
		if have := pace(model.Snapshot{Policy: policy, Shards: []model.Shard{shard}}, plan); have != row.want {
			t.Errorf("%s: %s, want %s", name, have, row.want)
		}
	}
}

func TestWhatMayBeDoneInsteadOfARefusedHandoverIsLookedForBeforeItComesAgain(t *testing.T) {
	for _, row := range []struct {
		hold model.Hold
		want time.Duration
	}{
		{model.Hold{Reason: model.HandoverGate, After: time.Second}, busyEvery},
		{model.Hold{Reason: model.BudgetExhausted, After: time.Second}, time.Second},
		{model.Hold{Reason: model.ServicesBusy}, stepEvery},
	} {
		if have := afterRefusal([]model.Hold{row.hold}); have != row.want {
			t.Errorf("%s: %s, want %s", row.hold.Reason, have, row.want)
		}
	}
}

func TestSentinelsAreLookedAtOftenWhileTheyAreAboutToChange(t *testing.T) {
	for name, row := range map[string]struct {
		change func(set *model.SentinelSet, n *model.SentinelNode)
		paused bool
		want   time.Duration
	}{
		"at rest":                                 {func(*model.SentinelSet, *model.SentinelNode) {}, false, idleEvery},
		"more are wished for":                     {func(s *model.SentinelSet, _ *model.SentinelNode) { s.Wanted = 3 }, false, busyEvery},
		"fewer are wished for":                    {func(s *model.SentinelSet, _ *model.SentinelNode) { s.Wanted = 1 }, false, busyEvery},
		"one fails over":                          {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Watch.FailingOver = true }, false, busyEvery},
		"one finds it down":                       {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Watch.Down = true }, false, busyEvery},
		"one has not heard from it for long":      {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Watch.SilentFor = 2500 * time.Millisecond }, false, busyEvery},
		"one heard from it a second ago":          {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Watch.SilentFor = 1200 * time.Millisecond }, false, idleEvery},
		"one finds no quorum":                     {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Watch.NoQuorum = "NOQUORUM" }, false, busyEvery},
		"one names another":                       {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Watch.Primary = "10.0.0.2:6379" }, false, busyEvery},
		"one watches nobody":                      {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Watch = nil }, false, busyEvery},
		"one does not answer":                     {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Answered, n.Watch = false, nil }, false, busyEvery},
		"one is stale":                            {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Revision = "old" }, false, busyEvery},
		"one is stale, and the rollout is paused": {func(_ *model.SentinelSet, n *model.SentinelNode) { n.Revision = "old" }, true, idleEvery},
		"one whose image does not exist": {func(_ *model.SentinelSet, n *model.SentinelNode) {
			*n = model.SentinelNode{Phase: model.PodPending, Dead: true, Trouble: "ImagePullBackOff"}
		}, false, idleEvery},
	} {
		set := model.SentinelSet{Revision: "new", Size: 2, Wanted: 2}
		for range 2 {
			set.Nodes = append(set.Nodes, model.SentinelNode{Phase: model.PodRunning, Ready: true, Revision: "new", Answered: true,
				Watch: &model.Watch{Primary: "10.0.0.1:6379"}})
		}
		row.change(&set, &set.Nodes[1])
		snap := model.Snapshot{Topology: model.Sentinel, Policy: model.Policy{Nodes: 2, Paused: row.paused}, Shards: []model.Shard{calmShard()}, Sentinels: set}
		if have := pace(snap, model.Plan{}); have != row.want {
			t.Errorf("%s: %s, want %s", name, have, row.want)
		}
	}
}
