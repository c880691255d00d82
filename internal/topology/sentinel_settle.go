package topology

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Settle leaves it to the Sentinels which of several primaries stays, and trusts a
// single one only if they do. A primary from which one of them fails over holds back writes
// before anything else is done, also before it is demoted itself.
func (s sentinel) Settle(shard model.Shard) model.Decision {
	d, fence := s.settle(shard, shard.Primaries()), s.fence(shard)
	if fence.Step != nil && (d.Step == nil || unfenced(shard, d.Step)) || d.Step == nil && fence.Made() {
		return fence
	}
	return d
}

func (s sentinel) settle(shard model.Shard, primaries []model.Node) model.Decision {
	switch {
	case len(primaries) == 0, len(primaries) == 1 && s.Recognised(primaries[0]):
		return model.Decision{}
	case len(primaries) == 1:
		return model.Wait(s.disagreement(shard, primaries[0]))
	case len(s.watching()) == 0 && s.silent() == 0:
		return model.Decision{} // nobody knows of a primary
	}
	return s.keepNamed(shard, primaries)
}

// keepNamed has the others follow the one whom enough Sentinels name, once none of them can
// be about to name another one: first one from which a Sentinel fails over.
func (s sentinel) keepNamed(shard model.Shard, primaries []model.Node) model.Decision {
	address, ok := s.named()
	for _, n := range s.watching() {
		if n.Watch.FailingOver && (!ok || !s.told(n, address)) {
			return model.Wait(hold(shard, model.SentinelFailover, n.Name, "it fails over, and may be about to name another primary"))
		}
	}
	two := hold(shard, model.TwoPrimaries, "", "several nodes say that they are primary: "+names(primaries))
	keep, there := nodeAt(primaries, address)
	if !ok || !there || !shard.Stays(keep) {
		two.Detail += "; the Sentinels are to agree on one of them"
		return model.Wait(two)
	}
	old, known := s.older(primaries, keep)
	if !known {
		two.Detail += "; not every Sentinel answers, and one that does not may have promoted the one that the others do not name"
		return model.Wait(two)
	}
	return model.Decision{Holds: []model.Hold{two}, Step: model.Follow{Node: old.Ref, Primary: keep.Ref, Demotes: true,
		Why: "a second primary; the Sentinels name " + keep.Name}}
}

// told says that a Sentinel which fails over has told the others of the one whom they name:
// it has chosen that one, and its epoch is theirs from the moment in which that one was seen
// to be primary. It goes on until all replicas follow, and names the old one as long (valkey
// 9.1 src/sentinel.c sentinelRefreshInstanceInfo).
func (s sentinel) told(n model.SentinelNode, address string) bool {
	chosen, ok := n.Watch.Chosen()
	return ok && chosen == address && n.Watch.Epoch == s.epochOf(address)
}

// older is a primary that was one before the one that the Sentinels name. One of them that
// does not answer us may have promoted whom the others do not name. But a primary makes its
// history's id when it is promoted (valkey 9.1 src/replication.c shiftReplicationId), so
// whoever has continued that history has followed it, and was promoted after it.
func (s sentinel) older(primaries []model.Node, keep model.Node) (old model.Node, known bool) {
	for _, n := range primaries {
		if n.Name == keep.Name || s.silent() > 0 && n.Server.ReplID != keep.Server.ReplID2 {
			continue
		}
		if left := slices.ContainsFunc(s.watching(), func(w model.SentinelNode) bool { return w.Watch.FailingOver && w.Named(n.Address) }); left || !known {
			old, known = n, true
		}
	}
	return old, known
}
