package topology

import (
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// fenceFor is how long a fenced primary holds back writes unless it is told again. It
// bounds what a failover costs that comes to nothing.
const fenceFor = 2 * time.Second

// fence holds back the writes of a primary from which a Sentinel fails over although it
// answers us: they do so to one that refuses writes because its disk is full, to one that
// only they do not reach, and when somebody asks them to. From the moment in which they
// have promoted another one, which they tell nobody of until it has said so, whatever the
// old one acknowledges is lost. One that they tell to hand over, or that hands over by
// itself, holds back writes without us.
func (s sentinel) fence(shard model.Shard) model.Decision {
	for _, w := range s.watching() {
		p, ours := nodeAt(shard.Nodes, w.Watch.Primary)
		switch {
		case !w.Watch.FailingOver, w.Watch.Coordinated, !ours:
			continue
		case !p.Server.Answered, p.Server.Role != model.RolePrimary, p.Server.FailingOver:
			continue
		}
		held := hold(shard, model.SentinelFailover, w.Name, "it fails over from "+p.Name+" although that answers, so the writes of "+p.Name+" wait until it has ended")
		if p.Server.PausedFor > fenceFor/2 {
			return model.Wait(held)
		}
		return model.Decision{Holds: []model.Hold{held}, Step: model.PauseWrites{Node: p.Ref, For: fenceFor, Why: w.Name + " fails over from it"}}
	}
	return model.Decision{}
}
