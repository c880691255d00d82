package topology

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Superseded adds Sentinels at once, whatever else is wrong: what is held back for want
// of a quorum may wait for them. And it replaces those that do not run and whose revision
// is not the newest one any more: a bad spec, once mended, must not stay stuck.
func (s sentinel) Superseded(policy model.Policy) model.Decision {
	if s.set.Exists && s.set.Size < s.set.Wanted {
		return model.Do(model.ScaleSentinels{Set: s.set.Name, From: s.set.Size, To: s.set.Wanted})
	}
	if policy.Strategy != model.StrategyHandover || policy.Paused {
		return model.Decision{}
	}
	for _, n := range s.set.Nodes {
		if n.Dead && s.set.Stale(n) && n.Phase != model.PodTerminating {
			return model.Do(model.Restart{Node: n.Ref, Revision: s.set.Revision, Why: "it does not run, and its revision is superseded"})
		}
	}
	return model.Decision{}
}

// Before takes away Sentinels that are not wished for any more, and rolls them before
// the data nodes if their version rises: newer ones hand over better, and also servers
// that are older than they.
func (s sentinel) Before(policy model.Policy, shard model.Shard) model.Decision {
	if d := s.scale(shard); d.Made() {
		return d
	}
	if s.set.Revision == "" && policy.Strategy == model.StrategyHandover {
		return model.Wait(hold(shard, model.RevisionUnknown, s.set.Name, "the StatefulSet controller has not seen the newest template of the Sentinels yet"))
	}
	if s.rises() {
		return s.roll(policy, shard)
	}
	return model.Decision{}
}

// After rolls the Sentinels once every data node runs the newest revision.
func (s sentinel) After(policy model.Policy, shard model.Shard) model.Decision {
	return s.roll(policy, shard)
}

// scale takes one Sentinel away while all others are of one mind.
func (s sentinel) scale(shard model.Shard) model.Decision {
	switch {
	case !s.set.Exists:
		return model.Wait(hold(shard, model.PodStarting, s.set.Name, "the StatefulSet of the Sentinels is not there yet"))
	case s.set.Wanted >= s.set.Size:
		return model.Decision{}
	}
	if h, wait := s.unready(shard, s.set.Nodes[len(s.set.Nodes)-1]); wait {
		return model.Wait(h)
	}
	return model.Do(model.ScaleSentinels{Set: s.set.Name, From: s.set.Size, To: s.set.Size - 1})
}

// roll restarts one stale Sentinel at a time, from the highest ordinal, while all
// others are back in agreement.
func (s sentinel) roll(policy model.Policy, shard model.Shard) model.Decision {
	if policy.Strategy != model.StrategyHandover {
		return model.Decision{}
	}
	stale, victim := 0, model.SentinelNode{}
	for _, n := range s.set.Nodes {
		if s.set.Stale(n) {
			stale, victim = stale+1, n
		}
	}
	switch {
	case stale == 0:
		return model.Decision{}
	case policy.Paused:
		return model.Wait(hold(shard, model.Paused, "", fmt.Sprintf(
			"spec.rollout.paused is true; %d of %d Sentinels run an older revision", stale, len(s.set.Nodes))))
	}
	if h, wait := s.unready(shard, victim); wait {
		return model.Wait(h)
	}
	return model.Do(model.Restart{Node: victim.Ref, Revision: s.set.Revision, Why: "it runs an older revision"})
}

// unready is why no Sentinel may be taken away now: one is down, be it the victim, which
// is being replaced then; or another one than the victim does not agree, or does not
// reach all others. Without the victim enough have to be left, also for those that
// remember others which are no more.
func (s sentinel) unready(shard model.Shard, victim model.SentinelNode) (model.Hold, bool) {
	primary, ok := shard.Primary()
	if !ok {
		return hold(shard, model.PrimaryNotVisible, "", "no single server says that it is primary"), true
	}
	if holds := s.unrest(shard, primary); len(holds) > 0 {
		return holds[0], true
	}
	left := len(s.set.Nodes) - 1
	for _, n := range s.set.Nodes {
		if n.Down() {
			return sentinelDown(shard, n), true
		}
		if n.Name == victim.Name {
			continue
		}
		if lacks := s.lacks(shard, primary, n); lacks != "" {
			return hold(shard, model.SentinelsDisagree, n.Name, "it does not reach "+lacks+" yet"), true
		}
		if needs := majority(n.Watch); left < needs {
			return hold(shard, model.QuorumLost, n.Name, fmt.Sprintf(
				"only %d Sentinels would be left; it remembers %d, of which %d have to agree", left, len(n.Watch.Others)+1, needs)), true
		}
	}
	if left < s.set.Needed() {
		return hold(shard, model.QuorumLost, victim.Name, fmt.Sprintf("only %d Sentinels would be left, %d have to agree", left, s.set.Needed())), true
	}
	return model.Hold{}, false
}

// majority is how many Sentinels have to agree by one's own measure: those count that
// are no more, until it forgets them.
func majority(w *model.Watch) int { return max(w.Settings.Quorum, (len(w.Others)+1)/2+1) }

func sentinelDown(shard model.Shard, n model.SentinelNode) model.Hold {
	switch {
	case n.Phase == model.PodTerminating:
		return hold(shard, model.PodStarting, n.Name, "its pod is terminating and will be replaced")
	case n.Trouble != "":
		return hold(shard, model.NodeDown, n.Name, n.Trouble)
	case n.Phase != model.PodRunning || !n.Ready:
		return hold(shard, model.PodStarting, n.Name, "its pod is not Ready yet")
	}
	return hold(shard, model.NodeDown, n.Name, "it does not answer")
}

// rises says that a stale Sentinel runs an earlier version than the newest revision
// does, or that this is not known: newer ones first does the least harm.
func (s sentinel) rises() bool {
	for _, n := range s.set.Nodes {
		if s.set.Stale(n) && (s.set.Version == "" || n.Version == "" || model.ParseVersion(n.Version).Earlier(model.ParseVersion(s.set.Version))) {
			return true
		}
	}
	return false
}
