package plan_test

import (
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// withLog is a server that has loaded its append-only file: it knows neither its history
// nor its place in it.
func withLog(n *model.Node) {
	n.Server.ReplID, n.Server.ReplID2, n.Server.Offset, n.Server.Keys = "own-"+n.Name, "", 0, 10
}

// elected is the first shard's second node, as the others know it since it was elected,
// and superseded the first node as they do.
func elected() model.Member {
	return model.Member{ID: "0.1", Address: clusterAddr(0, 1), Role: model.RolePrimary, Failed: true, Epoch: 9, Slots: model.EvenShare(0, 3)}
}

func superseded() model.Member {
	return model.Member{ID: "0.0", Address: clusterAddr(0, 0), Role: model.RoleReplica, Primary: "0.1", Failed: true, Epoch: 1}
}

// heldWithLogs is a cluster with append-only files. The operator was away while the others
// elected v-shard-0-1, so the status remembers v-shard-0-0. Both have ended since, and are
// held back.
func heldWithLogs(w *world) {
	w.Policy.Durable = true
	for i := range 2 {
		held(w.node(0, i), 0)
		withLog(w.node(0, i))
	}
}

// unlinkedFollower makes the first shard's first node, held back with its log, one that has
// joined, was told that it is the other's replica, and has never been linked to it.
func unlinkedFollower(w *world) {
	heldWithLogs(w)
	n, log := w.node(0, 0), w.node(0, 0).Server
	self := model.Member{ID: "0.0", Address: n.Address, Role: model.RoleReplica, Primary: "0.1", Linked: true, Epoch: 1}
	n.Server = model.Server{Answered: true, Version: log.Version, Role: model.RoleReplica, Follows: clusterAddr(0, 1), Unlinked: true,
		Cluster: &model.ClusterServer{OK: true, ID: "0.0", Members: []model.Member{self}}}
	withLog(n)
	n.InService = false
}

func TestWhomTheClusterHasElectedCountsBeforeTheOperatorsMemory(t *testing.T) {
	moved := func(m model.Member) model.Member {
		m.Address = "10.9.9.9:6379"
		return m
	}
	release := func(name string) map[int]string {
		return map[int]string{0: "let " + name + " join the cluster (the copies have no common history, and it was the last primary)"}
	}
	unknown := []string{"0:HistoryUnknown:v-shard-0-0", "0:HistoryUnknown:v-shard-0-1"}
	play(t, []scene{
		{name: "by the highest epoch", given: given(heldWithLogs, elected(), superseded()), steps: release("v-shard-0-1")},
		{name: "also over one that follows it already, and was never linked to it", given: given(unlinkedFollower, elected()), steps: release("v-shard-0-1")},
		{name: "who has moved meanwhile is known as the only one that is held back", given: given(unlinkedFollower, moved(elected())), steps: release("v-shard-0-1")},
		{name: "of two that have moved nobody knows who is who", given: given(heldWithLogs, moved(elected()), moved(superseded())), holds: unknown},
		{name: "whom both remember is promoted", given: given(heldWithLogs, model.Member{ID: "0.0", Address: clusterAddr(0, 0), Role: model.RolePrimary,
			Failed: true, Epoch: 1, Slots: model.EvenShare(0, 3)}), steps: release("v-shard-0-0")},
		{name: "nobody else knows the shard", given: given(heldWithLogs), steps: release("v-shard-0-0")},
		{name: "without a majority of them neither memory is believed", given: given(func(w *world) {
			heldWithLogs(w)
			w.node(2, 0).Server, w.node(2, 0).HostLost, w.node(2, 0).Ready = model.Server{}, true, false
			w.node(2, 1).Server, w.node(2, 1).HostLost, w.node(2, 1).Ready = model.Server{}, true, false
		}, elected(), superseded(), model.Member{ID: "2.0", Address: clusterAddr(2, 0), Role: model.RolePrimary, Slots: model.EvenShare(2, 3)}),
			holds: append(unknown, "2:WaitingForCopies:v-shard-2-0", "2:WaitingForCopies:v-shard-2-1")},
		{name: "nor against one that has heard of a later one", given: given(func(w *world) {
			heldWithLogs(w)
			w.Shards[0].Memory.Primary = "v-shard-0-1"
			w.sees("2.0", "0.0", func(m *model.Member) { m.Slots, m.Epoch = model.EvenShare(0, 3), 10 })
		}, superseded()), holds: unknown},
	})
}

// The Sentinels fail over while there is no operator, and an operator promotes while they
// cannot: where they name another one than it remembers, either may be the later one.
func TestAPersonChoosesWhereTheSentinelsNameAnotherThanTheOperatorRemembers(t *testing.T) {
	logs := func(s *model.Shard) {
		for i := range s.Nodes {
			rebooted(&s.Nodes[i])
			withLog(&s.Nodes[i])
			s.Nodes[i].Server.Priority, s.Nodes[i].InService = 0, false
		}
	}
	naming := func(i int, epoch int64) func(*model.SentinelNode) {
		return func(n *model.SentinelNode) { n.Watch.Primary, n.Watch.Epoch, n.Watch.Down = addr(i), epoch, true }
	}
	started := "promote v-0 (the copies have no common history, and it was the last primary, and the Sentinels name it)"
	run(t, []incident{
		{name: "all of them", given: durable(with(watched(healthy()), each(naming(1, 9)))), change: logs, hold: model.HistoryUnknown, of: "v-1"},
		{name: "one alone, with a later epoch", given: durable(with(watched(healthy()), func(set *model.SentinelSet) {
			each(naming(0, 8))(set)
			naming(1, 9)(&set.Nodes[2])
		})), change: logs, hold: model.HistoryUnknown, of: "v-0"},
		{name: "they name whom it remembers", given: durable(with(watched(healthy()), each(naming(0, 9)))), change: logs, step: started},
		{name: "but for one that has not heard of it", given: durable(with(watched(healthy()), func(set *model.SentinelSet) {
			each(naming(0, 9))(set)
			naming(1, 8)(&set.Nodes[2])
		})), change: logs, step: started},
		{name: "they have lost their state", given: durable(with(watched(healthy()), each(func(n *model.SentinelNode) { n.Watch = nil }))), change: logs,
			step: "promote v-0 (the copies have no common history, and it was the last primary)"},
	})
}

// A copy that is waited for may answer, and yet not be compared.
func TestAWaitForACopySaysWhatIsMissing(t *testing.T) {
	for words, change := range map[string]func(*model.Node){
		"has not answered yet": func(n *model.Node) { n.Server = model.Server{} },
		"still loads it":       func(n *model.Node) { n.Server.Loading = true },
		"its pod is on its way out: the next one of that name is waited for": func(n *model.Node) { n.Phase = model.PodTerminating },
	} {
		snap := durable(lost())
		for i := range snap.Shards[0].Nodes {
			reborn(&snap.Shards[0].Nodes[i])
		}
		n := &snap.Shards[0].Nodes[0]
		n.Dead = true // for Kubernetes: else it might be primary
		change(n)
		p, err := plan.Next(snap)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Holds) != 1 || p.Holds[0].Reason != model.WaitingForCopies || !strings.HasSuffix(p.Holds[0].Detail, words) {
			t.Errorf("wanted %q, got %v", words, p.Holds)
		}
	}
}

// A primary was lost, the others and the operator saw another one elected, and then everything
// stopped: both come back with new addresses.
func TestAFullStopAfterAFailoverComesBackByItself(t *testing.T) {
	moved := func(m model.Member) model.Member {
		m.Address = "10.9.9.9:6379"
		return m
	}
	play(t, []scene{{name: "everybody remembers the same", given: given(func(w *world) {
		heldWithLogs(w)
		w.Shards[0].Memory.Primary, w.Shards[0].Memory.PrimaryID = "v-shard-0-1", "0.1"
	}, moved(elected()), moved(superseded())), steps: map[int]string{
		0: "let v-shard-0-1 join the cluster (the copies have no common history, and it was the last primary)"}}})
}
