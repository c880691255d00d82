package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// notLost says why the loss of a primary that lives is not beyond doubt: nobody may
// be promoted beside it then. It is the rule of topology/witness.go, told from the
// truth and not from what was seen.
func (s *State) notLost(p int) string {
	n := &s.n[p]
	if !n.mute() || !n.long {
		return "it has not been silent for long"
	}
	if s.slice != uint8(p) && s.last != uint8(p) {
		return "" // it has not been heard of as primary
	}
	witnesses := 0
	for j := range s.n {
		w := &s.n[j]
		if j == p || w.proc == procDead || w.phase == absent || w.phase == pending {
			continue
		}
		follows := w.role == roleReplica && w.follows == uint8(p)
		switch {
		case w.role == rolePrimary && w.former:
		case w.mute() && (!w.apart || !w.long):
			return fmt.Sprintf("%s has not been heard, and its host is well", podNames[j])
		case w.mute() || !follows:
		case (w.link == linkUp && !w.deaf) || w.link == linkSyncing || w.link == linkDown:
			return fmt.Sprintf("%s has heard from it, or lost it only now", podNames[j])
		case w.gate == gateIn:
			witnesses++
		}
	}
	if witnesses == 0 {
		return "no replica speaks against it"
	}
	return ""
}

// losing is a shard at rest in which servers fall silent.
func losing(name string, nodes uint8, faults Faults) World {
	return replication(name, nodes).with(func(w *World) {
		w.Specs, w.Faults, w.MaxFaults, w.MaxWrites = []Spec{{Rev: 0, Nodes: nodes}}, faults, 2, 1
	})
}

func lossWorlds() []World {
	return []World{
		losing("1+1, frozen, cut off or not seen, links cut", 2, Faults{Freeze: true, Apart: true, Silence: true, Cut: true}).with(func(w *World) {
			w.MaxCrashes = 1
		}),
		losing("1+1, frozen, cut off, crashed, volumes", 2, Faults{Freeze: true, Apart: true, Crash: true}).with(func(w *World) {
			w.Durable = true
		}),
		losing("1+2, frozen or cut off", 3, Faults{Freeze: true, Apart: true}),
		losing("1+2, cut off, or not seen and a link cut", 3, Faults{Apart: true, Silence: true, Cut: true}),
		losing("1+2, frozen or cut off, and crashed", 3, Faults{Freeze: true, Apart: true, Crash: true}),
	}
}

// outdated says that the only primary is one of earlier: its history has been
// followed by another, and the Service leads elsewhere.
func (s *State) outdated(p int) bool {
	if s.slice == uint8(p) {
		return false
	}
	if at := slices.Index(s.hists[:], s.n[p].hist); at >= 0 {
		return at > 0
	}
	return s.n[p].hist2 != 0 && slices.Index(s.hists[:], s.n[p].hist2) > 0
}

// passedOver says that a silent node has had its time, and is not waited for although
// it may have the most: its host is lost, or the last primary is back as none.
func (s *State) passedOver() bool {
	last := s.last < maxNodes && s.n[s.last].proc != procDead && !s.n[s.last].mute()
	return s.any(func(n *node) bool { return n.mute() && n.long && (n.apart || last) })
}

// hearing are the mutants that do without one of the witnesses of a loss.
func hearing() []Trial {
	two := func(f Faults) World { return losing("1+1, lost", 2, f) }
	three := func(f Faults) World { return losing("1+2, lost", 3, f) }
	silent := func(n *model.Node) bool { return !n.Server.Answered }
	return []Trial{
		{blind("a moment's silence is enough", func(_ *model.Shard, n *model.Node) {
			if silent(n) {
				n.SilentFor = downAfter
			}
		}), two(Faults{Freeze: true})},
		{blind("what a replica hears does not count", func(_ *model.Shard, n *model.Node) {
			n.Server.LastIO = time.Hour
		}), two(Faults{Freeze: true, Silence: true})},
		{blind("a link that has just broken is as good as one that has been down for long", func(_ *model.Shard, n *model.Node) {
			n.Server.LinkDown = time.Minute
		}), two(Faults{Freeze: true, Silence: true, Cut: true})},
		{blind("a silent replica is not asked", func(_ *model.Shard, n *model.Node) {
			n.HostLost = n.HostLost || silent(n)
		}), three(Faults{Freeze: true, Silence: true, Apart: true})},
		{blind("a silent server counts as dead", func(_ *model.Shard, n *model.Node) { n.Dead = n.Dead || silent(n) }),
			two(Faults{Silence: true, Cut: true})},
		{blind("the word of Kubernetes is enough", func(_ *model.Shard, n *model.Node) {
			n.Dead = n.Dead || n.HostLost
		}), two(Faults{Apart: true})},
		{Mutant{Name: "a primary that comes back and finds itself alone is followed", See: func(snap *model.Snapshot) {
			m := &snap.Shards[0].Memory
			m.History = m.History[:min(1, len(m.History))]
		}}, two(Faults{Apart: true, Crash: true}).with(func(w *World) { w.Durable = true })},
		{Mutant{Name: "of two primaries the one that was there first stays", See: func(snap *model.Snapshot) {
			s := &snap.Shards[0]
			if all := s.Primaries(); len(all) > 1 {
				s.Traffic.Primary = all[0].Address
			}
		}}, two(Faults{Freeze: true, Apart: true})},
	}
}

// heard is what the servers hold that are not passed over.
func (s *State) heard() writes {
	rest := *s
	for i := range rest.n {
		if n := &rest.n[i]; n.mute() && n.long {
			n.proc = procDead
		}
	}
	return rest.living()
}
