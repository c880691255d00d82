package topology

import "github.com/valkeeper/valkeeper/internal/model"

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
// be about to name another one. One that does not answer us may have promoted whom the others
// do not name: then that one continued the history of the one that they name, or neither did.
func (s sentinel) keepNamed(shard model.Shard, primaries []model.Node) model.Decision {
	address, ok := s.named()
	for _, n := range s.watching() {
		if n.Watch.FailingOver && (!ok || !s.told(n, address)) {
			return model.Wait(hold(shard, model.SentinelFailover, n.Name, "it fails over, and may be about to name another primary"))
		}
	}
	two := hold(shard, model.TwoPrimaries, "", "several nodes say that they are primary: "+names(primaries))
	for _, keep := range primaries {
		if !ok || keep.Address != address || !shard.Stays(keep) {
			continue
		}
		old := other(primaries, keep)
		if s.silent() > 0 && old.Server.ReplID != keep.Server.ReplID2 {
			two.Detail += "; not every Sentinel answers, and one that does not may have promoted the one that the others do not name"
			return model.Wait(two)
		}
		return model.Decision{Holds: []model.Hold{two}, Step: model.Follow{Node: old.Ref, Primary: keep.Ref, Demotes: true,
			Why: "a second primary; the Sentinels name " + keep.Name}}
	}
	two.Detail += "; the Sentinels are to agree on one of them"
	return model.Wait(two)
}

// told says that a Sentinel which fails over has told the others of the one whom they name:
// its epoch is theirs from the moment in which that one was seen to be primary. It goes on
// until all replicas follow, and names the old one as long (valkey 9.1 src/sentinel.c
// sentinelRefreshInstanceInfo).
func (s sentinel) told(n model.SentinelNode, address string) bool {
	return n.Watch.Primary != address && n.Watch.Epoch == s.epochOf(address)
}

func other(nodes []model.Node, than model.Node) model.Node {
	for _, n := range nodes {
		if n.Name != than.Name {
			return n
		}
	}
	return model.Node{}
}
