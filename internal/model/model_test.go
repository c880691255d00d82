package model_test

import (
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
)

func ready() model.Node {
	return model.Node{Ref: model.Ref{Name: "v-1", UID: "u", Address: "10.0.0.1:6379"}, Phase: model.PodRunning, Ready: true, Revision: "new",
		Server: model.Server{Answered: true, Role: model.RoleReplica}}
}

func TestASilentServerIsDownAndOfNoKnownRole(t *testing.T) {
	n := ready()
	n.Server = model.Server{}
	if !n.Down() || n.Healthy() || n.Server.Role != model.RoleUnknown {
		t.Errorf("down %t, healthy %t, role %s", n.Down(), n.Healthy(), n.Server.Role)
	}
}

func TestDown(t *testing.T) {
	for name, change := range map[string]func(n *model.Node){
		"absent":      func(n *model.Node) { n.Phase = model.PodAbsent },
		"pending":     func(n *model.Node) { n.Phase = model.PodPending },
		"terminating": func(n *model.Node) { n.Phase = model.PodTerminating },
		"not Ready":   func(n *model.Node) { n.Ready = false },
	} {
		n := ready()
		if n.Down() {
			t.Fatal("a Ready node that answers is down")
		}
		if change(&n); !n.Down() {
			t.Errorf("a node that is %s is not down", name)
		}
	}
}

func TestWithTheNewestRevisionUnknownNothingIsStaleAndNothingFresh(t *testing.T) {
	n := ready()
	for _, c := range []struct {
		revision     string
		stale, fresh bool
	}{{"", false, false}, {"new", false, true}, {"newer", true, false}} {
		s := model.Shard{Revision: c.revision}
		if s.Stale(n) != c.stale || s.Fresh(n) != c.fresh {
			t.Errorf("revision %q: stale %t, fresh %t", c.revision, s.Stale(n), s.Fresh(n))
		}
	}
	if s := (model.Shard{Revision: "new"}); s.Stale(model.Node{}) || s.Fresh(model.Node{}) {
		t.Error("an absent pod is stale or fresh")
	}
}

func TestTwoPrimariesAreNoPrimary(t *testing.T) {
	a, b := ready(), ready()
	a.Server.Role, b.Server.Role = model.RolePrimary, model.RolePrimary
	b.Ready = false // what Kubernetes thinks does not matter
	s := model.Shard{Nodes: []model.Node{a, b}}
	if _, ok := s.Primary(); ok {
		t.Error("one of two was taken for the primary")
	}
	s.Nodes[1].Server.Answered = false
	if p, ok := s.Primary(); !ok || p.Ref != a.Ref {
		t.Error("the only one that answers was not")
	}
}

func TestAPodThatTheServiceLeadsToHasServed(t *testing.T) {
	n := ready()
	s := model.Shard{}
	if s.Served(n) {
		t.Error("a pod that nobody leads to has served")
	}
	s.Traffic.Primary = n.Address
	if !s.Served(n) {
		t.Error("clients were led to it")
	}
	if s.Traffic.Primary = ""; s.Served(model.Node{}) {
		t.Error("no address is not the address of no Service")
	}
}

func TestAPodThatHasBeenReplacedIsAnotherStep(t *testing.T) {
	was, is := ready().Ref, ready().Ref
	is.UID = "another"
	primary := model.Ref{Name: "v-0", UID: "p"}
	for _, pair := range [][2]model.Step{
		{model.Promote{Node: was}, model.Promote{Node: is}},
		{model.Follow{Node: was, Primary: primary}, model.Follow{Node: is, Primary: primary}},
		{model.Follow{Node: primary, Primary: was}, model.Follow{Node: primary, Primary: is}},
		{model.Drain{Node: was}, model.Drain{Node: is}},
		{model.Handover{From: primary, To: was}, model.Handover{From: primary, To: is}},
		{model.Handover{From: primary, To: was, Revision: "a"}, model.Handover{From: primary, To: was, Revision: "b"}},
		{model.Restart{Node: was}, model.Restart{Node: is}},
		{model.Restart{Node: was, Revision: "a"}, model.Restart{Node: was, Revision: "b"}},
		{model.Publish{Primary: was}, model.Publish{Primary: is}},
		{model.Scale{From: 3, To: 2}, model.Scale{From: 3, To: 4}},
		{model.Restart{Node: was}, model.Drain{Node: was}},
	} {
		if !pair[0].Same(pair[0]) {
			t.Errorf("%v is not itself", pair[0])
		}
		if pair[0].Same(pair[1]) || pair[0].Same(nil) {
			t.Errorf("%#v passes for %#v", pair[1], pair[0])
		}
	}
}

func TestWhatGivesUpDataOrTakesANodeDownIsDisruptive(t *testing.T) {
	for step, want := range map[model.Step]bool{
		model.Promote{}: true, model.Follow{}: true, model.Handover{}: true, model.Restart{}: true,
		model.Scale{From: 3, To: 2}: true, model.Scale{From: 2, To: 3}: false, model.Drain{}: false,
	} {
		if step.Disruptive() != want {
			t.Errorf("%T is disruptive: %t", step, step.Disruptive())
		}
	}
	if (model.Publish{}).Disruptive() {
		t.Error("a publication is disruptive")
	}
}

func TestWhoCanPromoteANodeIsAsked(t *testing.T) {
	knows := func(name string, replicas ...model.WatchedReplica) model.SentinelNode {
		return model.SentinelNode{Ref: model.Ref{Name: name}, Answered: true, Watch: &model.Watch{Replicas: replicas}}
	}
	silent, stranger := knows("silent"), knows("watches nobody")
	silent.Answered, stranger.Watch = false, nil
	told, down, zero := knows("told"), knows("down", model.WatchedReplica{Address: "a", Down: true, Priority: 100}), knows("zero", model.WatchedReplica{Address: "a"})
	able := knows("able", model.WatchedReplica{Address: "b", Priority: 100}, model.WatchedReplica{Address: "a", Priority: 100})
	for want, nodes := range map[string][]model.SentinelNode{
		"able": {silent, stranger, told, down, zero, able},
		"told": {silent, stranger, told, down, zero},
		"":     {silent, stranger},
	} {
		if got, ok := (model.SentinelSet{Nodes: nodes}).Asked("a"); got.Name != want || ok != (want != "") {
			t.Errorf("%q is asked (%t), wanted %q", got.Name, ok, want)
		}
	}
}
