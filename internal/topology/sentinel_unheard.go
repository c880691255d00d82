package topology

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// unheard says that no Sentinel knows the node that is to be promoted, nor could promote
// anybody else. They hear of replicas from a primary alone, up to 10 s after these have
// joined. When the primary ends before, they never do, and asked, they find nobody: those
// that they know hold less, and have been ranked out (steer).
func (s sentinel) unheard(shard model.Shard, n model.Node) bool {
	return !slices.ContainsFunc(s.watching(), func(w model.SentinelNode) bool {
		return slices.ContainsFunc(w.Watch.Replicas, func(r model.WatchedReplica) bool {
			return r.Address == n.Address || mayChoose(shard, r)
		})
	})
}

// mayChoose says that a Sentinel could promote a replica, now or once it reaches it.
func mayChoose(shard model.Shard, r model.WatchedReplica) bool {
	o, ours := nodeAt(shard.Nodes, r.Address)
	ended := r.Down && (!ours || (o.Dead && !o.Server.Answered))
	return r.Priority > 0 && !ended
}

// promoteUnheard does it in the Sentinels' place, who are told afterwards (Meet). None of
// them may be silent: one that is may have seen other priorities, and so promote another.
func (s sentinel) promoteUnheard(shard model.Shard, n model.Node, why string) model.Decision {
	if count := s.silent(); count > 0 {
		return model.Wait(hold(shard, model.QuorumLost, n.Name, fmt.Sprintf(
			"no Sentinel that answers knows it; %d do not answer, and may promote another one, which holds less", count)))
	}
	return model.Do(model.Promote{Node: n.Ref, Why: why + ", and the Sentinels know nobody whom they could promote"})
}
