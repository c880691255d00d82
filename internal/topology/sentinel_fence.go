package topology

import (
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

const (
	// fenceFor is how long a fenced primary holds back writes unless it is told again. It
	// bounds what a failover costs that comes to nothing. What is seen to be left of it is that
	// of a look's beginning, and a look takes up to 1.5 s where somebody answers late: it
	// outlasts two of those.
	fenceFor = 4 * time.Second
	// fenceAgain is what may be left of it when it is told again, and fenceLeast what has to be
	// left for a step that is planned once more before it is performed.
	fenceAgain, fenceLeast = fenceFor - 300*time.Millisecond, 2 * time.Second
)

// fence holds back the writes of primaries from which a Sentinel fails over although they
// answer us: Sentinels do so to one that refuses writes because its disk is full, to one
// that only they do not reach, and when somebody asks them to. From the moment in which
// they have promoted another one, which they tell nobody of until it has said so, whatever
// the old one acknowledges is lost.
//
// What Sentinels publish to each other through a server that holds back writes waits as
// well, and their questions behind it: those that have not found it down do so after
// down-after, if it lasts as long.
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
// takes writes. It is not, and would have them held back for nothing,
//   - when it tells the primary to hand over, or that does so by itself, without us,
//   - in TILT, in which it does nothing,
//   - when it sees no replica that it could choose: it gives up at once,
//   - when whom it has promoted has ended: it goes on for as long as that one stays away
//     (valkey 9.1 src/sentinel.c sentinelFailoverDetectEnd).
func (s sentinel) overthrows(w model.SentinelNode, p model.Node) bool {
	if !w.Watch.FailingOver || w.Watch.Coordinated || w.Tilt || p.Server.Role != model.RolePrimary || p.Server.FailingOver {
		return false
	}
	if chosen, ok := w.Watch.Chosen(); ok {
		n, ours := nodeAt(s.nodes, chosen)
		return ours && n.Phase != model.PodAbsent && (!n.Dead || n.Server.Answered)
	}
	return slices.ContainsFunc(w.Watch.Replicas, func(r model.WatchedReplica) bool { return !r.Down && r.Priority > 0 })
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
