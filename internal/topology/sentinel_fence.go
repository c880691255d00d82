package topology

import (
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

const (
	// fenceFor is how long a fenced primary holds back writes unless it is told again. It
	// bounds what a failover costs that comes to nothing, and outlasts two looks in each of
	// which somebody does not answer.
	fenceFor = 3 * time.Second
	// fenceAgain is what may be left of it when it is told again, and fenceLeast what has
	// to be left for anything else to be done first.
	fenceAgain, fenceLeast = fenceFor - 300*time.Millisecond, time.Second
)

// fence holds back the writes of primaries from which a Sentinel fails over although they
// answer us: Sentinels do so to one that refuses writes because its disk is full, to one
// that only they do not reach, and when somebody asks them to. From the moment in which
// they have promoted another one, which they tell nobody of until it has said so, whatever
// the old one acknowledges is lost.
func (s sentinel) fence(shard model.Shard) model.Decision {
	var d model.Decision
	for _, w := range s.watching() {
		p, ours := nodeAt(shard.Nodes, w.Watch.Primary)
		if !ours || !s.overthrows(w, p) {
			continue
		}
		d.Holds = append(d.Holds, hold(shard, model.SentinelFailover, w.Name,
			"it fails over from "+p.Name+" although that answers, so the writes of "+p.Name+" wait until it has ended"))
		if d.Step == nil && p.Server.PausedFor < fenceAgain {
			d.Step = model.PauseWrites{Node: p.Ref, For: fenceFor, Why: w.Name + " fails over from it"}
		}
	}
	return d
}

// overthrows says that a Sentinel may be about to promote another one beside a primary that
// takes writes. One that it tells to hand over, or that hands over by itself, holds back
// writes without us. In TILT it does nothing, without a replica that it could choose it
// gives up at once, and when whom it has promoted has ended it goes on as long as that one
// stays away: those would cost writes for nothing.
func (s sentinel) overthrows(w model.SentinelNode, p model.Node) bool {
	switch {
	case !w.Watch.FailingOver, w.Watch.Coordinated, w.Tilt:
		return false
	case !p.Server.Answered, p.Server.Role != model.RolePrimary, p.Server.FailingOver:
		return false
	case !slices.ContainsFunc(w.Watch.Replicas, func(r model.WatchedReplica) bool { return r.Chosen || !r.Down && r.Priority > 0 }):
		return false
	}
	address, ok := s.named()
	return !ok || address == p.Address || s.maybePrimary(address)
}

// unfenced says that a step would demote a primary that takes writes until then, or soon
// does again: a step is planned again before it is performed, which takes a look.
func unfenced(shard model.Shard, step model.Step) bool {
	follow, ok := step.(model.Follow)
	if !ok {
		return false
	}
	n, ok := nodeAt(shard.Nodes, follow.Node.Address)
	return ok && n.Server.PausedFor < fenceLeast
}
