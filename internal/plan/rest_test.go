package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// still is a Kubernetes cluster in which nobody but the operator does anything, and
// whatever it does succeeds at once.
type still struct {
	snap model.Snapshot
	// leave are the ordinals whose hosts are to be left; a pod that is made anew goes to
	// such a host again only where the request does not keep pods off.
	leave  map[int]bool
	sticky bool
	steps  []string
}

func (w *still) shard() *model.Shard { return &w.snap.Shards[0] }

func (w *still) at(address string) *model.Node {
	for i := range w.shard().Nodes {
		if w.shard().Nodes[i].Address == address {
			return &w.shard().Nodes[i]
		}
	}
	return &model.Node{}
}

func (w *still) made(ordinal int) model.Node {
	n := healthy().Shards[0].Nodes[0]
	n.Ordinal, n.Revision, n.Ref = ordinal, w.shard().Revision, model.Ref{Name: fmt.Sprintf("v-%d", ordinal),
		UID: fmt.Sprintf("uid-%d-%d", ordinal, len(w.steps)), Address: addr(ordinal)}
	reborn(&n)
	n.Server.Acked, n.Server.Keys = nil, 0
	if w.leave[ordinal] && w.sticky {
		n.Evacuate = "its host is to be left"
	}
	return n
}

func (w *still) role(to string) {
	for i := range w.shard().Nodes {
		n := &w.shard().Nodes[i]
		if n.Address == to {
			n.Server.Role, n.Server.Follows, n.Server.LinkUp = model.RolePrimary, "", false
		} else if n.Server.Follows != model.Nobody || n.Server.Role == model.RolePrimary {
			n.Server.Role, n.Server.Follows, n.Server.LinkUp, n.Server.ReplID = model.RoleReplica, to, true, "h1"
		}
	}
}

func (w *still) settle() {
	p, ok := w.shard().Primary()
	if !ok {
		return
	}
	acked := map[string]int64{}
	for i := range w.shard().Nodes {
		n := &w.shard().Nodes[i]
		n.Server.Acked = nil
		n.Ready = n.InService
		if n.Server.Follows == p.Address {
			acked[n.Address] = p.Server.Offset
			n.Server.Offset, n.Server.Keys = p.Server.Offset, p.Server.Keys
		}
	}
	w.at(p.Address).Server.Acked = acked
}

func (w *still) do(t *rapid.T, step model.Step) {
	s := w.shard()
	switch do := step.(type) {
	case model.Scale:
		s.Nodes = slices.DeleteFunc(s.Nodes, func(n model.Node) bool { return n.Ordinal >= do.To })
		for k := do.From; k < do.To; k++ {
			s.Nodes = append(s.Nodes, w.made(k))
		}
		s.Size = do.To
	case model.Follow:
		n := w.at(do.Node.Address)
		n.Server.Role, n.Server.Follows, n.Server.LinkUp, n.Server.ReplID = model.RoleReplica, do.Primary.Address, true, "h1"
	case model.Publish:
		s.Traffic.Primary, s.Traffic.Replicas = do.Primary.Address, nil
		for _, r := range do.Replicas {
			s.Traffic.Replicas = append(s.Traffic.Replicas, r.Address)
		}
		for _, p := range do.Nodes {
			n := w.at(p.Node.Address)
			n.RoleLabel, n.InService, n.Admitted = p.Role, p.InService, true
			n.Draining = n.Draining && !p.EndDrain
		}
	case model.Drain:
		n := w.at(do.Node.Address)
		n.Draining, n.DrainingFor = true, time.Hour
	case model.Handover:
		w.role(do.To.Address)
		s.Traffic.Primary = do.To.Address
	case model.Restart:
		n := w.at(do.Node.Address)
		if n.Server.Role == model.RolePrimary && w.snap.Policy.Surge != model.SurgeNever {
			t.Fatalf("%s while it is primary: %v", step, w.steps)
		}
		*n = w.made(n.Ordinal)
	case model.Promote:
		w.role(do.Node.Address)
	default:
		t.Fatalf("%T", step)
	}
	w.settle()
}

// rest performs the plan until there is nothing to do.
func (w *still) rest(t *rapid.T) model.Plan {
	w.settle()
	for range 80 {
		p, err := plan.Next(w.snap)
		if err != nil {
			t.Fatal(err)
		}
		step := p.Steps["v"]
		if step == nil {
			return p
		}
		w.steps = append(w.steps, step.String())
		w.do(t, step)
	}
	t.Fatalf("it never comes to rest: %q", w.steps)
	return model.Plan{}
}

func TestAnInstanceComesToRestWhateverIsToBeLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &still{leave: map[int]bool{}, snap: healthy(), sticky: rapid.Bool().Draw(t, "sticky")}
		s := w.shard()
		w.snap.Policy.Surge = rapid.SampledFrom([]model.Surge{model.SurgeAuto, model.SurgeAlways, model.SurgeNever}).Draw(t, "surge")
		w.snap.Policy.Durable = rapid.Bool().Draw(t, "durable")
		w.snap.Policy.Paused = rapid.Bool().Draw(t, "paused")
		w.snap.Policy.Nodes = rapid.IntRange(1, 3).Draw(t, "nodes")
		size := rapid.IntRange(1, 3).Draw(t, "size")
		if w.snap.Policy.Nodes == 1 {
			w.snap.Topology = model.Standalone
			size = min(size, 2)
		}
		if rapid.Bool().Draw(t, "rolling") {
			s.Revision = "new"
		}
		s.Nodes, s.Size = s.Nodes[:size], size
		for i := range s.Nodes {
			s.Nodes[i].Revision = rapid.SampledFrom([]string{"old", "new"}).Draw(t, fmt.Sprintf("revision %d", i))
			s.Nodes[i].Draining = rapid.Bool().Draw(t, fmt.Sprintf("draining %d", i))
		}
		w.role(addr(rapid.IntRange(0, size-1).Draw(t, "primary")))
		for i := range 4 {
			w.leave[i] = rapid.Bool().Draw(t, fmt.Sprintf("leave %d", i))
			if w.leave[i] && i < size {
				s.Nodes[i].Evacuate = "its host is to be left"
			}
		}
		before := fmt.Sprintf("%+v", *s)
		if p := w.rest(t); s.Size != w.snap.Policy.Nodes && len(p.Holds) == 0 {
			t.Fatalf("%d pods, and nobody says why: %v\n%s", s.Size, w.steps, before)
		}
		// uncordoned
		clear(w.leave)
		for i := range s.Nodes {
			s.Nodes[i].Evacuate = ""
		}
		w.steps = append(w.steps, "uncordoned")
		p := w.rest(t)
		for _, h := range p.Holds {
			if h.Reason != model.Paused {
				t.Fatalf("%v\n%v\n%s", p.Holds, w.steps, before)
			}
		}
		if s.Size != w.snap.Policy.Nodes && !w.snap.Policy.Paused {
			t.Fatalf("size %d %v\n%s", s.Size, w.steps, before)
		}
	})
}
