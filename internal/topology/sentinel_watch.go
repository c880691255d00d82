package topology

import (
	"fmt"
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Meet lets every Sentinel watch the primary as the spec says, one after the other,
// and lets them promote replicas that are in step with it. A Sentinel that watches
// nobody has no vote: it has lost its state, and is told once there is a primary
// that the others know.
func (s sentinel) Meet(shard model.Shard) model.Decision {
	primary, ok := shard.Primary()
	if !ok || !shard.Stays(primary) || !s.Recognised(primary) {
		return model.Decision{}
	}
	if _, busy := s.failingOver(); busy {
		return model.Decision{}
	}
	var holds []model.Hold
	for _, n := range s.set.Nodes {
		if !n.Answered || n.Phase != model.PodRunning {
			continue
		}
		if step := s.introduce(n, primary); step != nil {
			return model.Do(step)
		}
		if !n.Named(primary.Address) {
			holds = append(holds, hold(shard, model.SentinelsDisagree, n.Name, "it has yet to hear that "+primary.Name+" is primary"))
		}
	}
	if d := s.rank(shard, primary); d.Made() {
		return d
	}
	return model.Wait(holds...)
}

// introduce is what one Sentinel has to be told. Who names another primary is left alone
// if it hears of this one from others, and while so many are silent that they may elect
// another one: what it is told would overrule them.
func (s sentinel) introduce(n model.SentinelNode, primary model.Node) model.Step {
	step := model.WatchPrimary{Sentinel: n.Ref, Primary: primary.Ref, Settings: s.set.Settings}
	switch {
	case n.Watch == nil:
		step.Why = "it watches nobody"
		return step
	case n.Watch.Primary == primary.Address && n.Watch.Settings != s.settings(n):
		return model.SetWatch{Sentinel: n.Ref, Settings: s.settings(n)}
	case n.Watch.Primary == primary.Address, s.hears(n, primary), len(s.watching()) < s.set.Needed():
		return nil
	}
	step.Instead = n.Watch.Primary
	step.Why = "it names another one, and nobody tells it"
	return step
}

// settings are how a Sentinel is to watch now. A quorum is raised only once one could be
// away and it could still be met: until then nothing could be failed over.
func (s sentinel) settings(n model.SentinelNode) model.WatchSettings {
	out := s.set.Settings
	if told := n.Watch.Settings.Quorum; out.Quorum > told && len(s.watching()) <= out.Quorum {
		out.Quorum = told
	}
	return out
}

// hears says that another Sentinel that names the primary is believed by this one.
func (s sentinel) hears(n model.SentinelNode, primary model.Node) bool {
	return slices.ContainsFunc(s.set.Nodes, func(o model.SentinelNode) bool {
		return o.Named(primary.Address) && o.Watch.Epoch > n.Watch.Epoch
	})
}

// Forget resets one Sentinel that remembers replicas or Sentinels which are no more.
// All have to be there, of one mind and complete but for that: until the reset one
// has found the others again, a vote is missing. That they find no quorum may come from
// what they remember.
func (s sentinel) Forget(shard model.Shard) model.Decision {
	primary, ok := shard.Primary()
	if !ok || !everyNodeAnswers(shard) || s.set.Size < s.set.Wanted {
		return model.Decision{}
	}
	for _, n := range s.set.Nodes {
		if _, calm := s.calm(shard, primary, n); n.Down() || !calm || s.lacks(shard, primary, n) != "" {
			return model.Decision{}
		}
	}
	for _, n := range s.set.Nodes {
		if what := s.ghost(shard, n); what != "" {
			return model.Do(model.ResetWatch{Sentinel: n.Ref, Why: what + " is no more"})
		}
	}
	return model.Decision{}
}

func everyNodeAnswers(shard model.Shard) bool {
	return !slices.ContainsFunc(shard.Nodes, func(n model.Node) bool { return !n.Server.Answered || n.Phase != model.PodRunning })
}

// ghost is something that a Sentinel remembers and that is no more.
func (s sentinel) ghost(shard model.Shard, n model.SentinelNode) string {
	for _, r := range n.Watch.Replicas {
		if _, ours := nodeAt(shard.Nodes, r.Address); !ours {
			return "replica " + r.Address
		}
	}
	for _, w := range n.Watch.Others {
		if !slices.ContainsFunc(s.set.Nodes, func(o model.SentinelNode) bool { return o.ID == w.ID }) {
			return fmt.Sprintf("Sentinel %.8s", w.ID)
		}
	}
	return ""
}

// lacks is something that is there and that a Sentinel does not know or reach yet;
// empty when there is none. One that is known from before it restarted is reached
// only once its new address has been found out.
func (s sentinel) lacks(shard model.Shard, primary model.Node, n model.SentinelNode) string {
	for _, o := range s.set.Nodes {
		if o.Name != n.Name && o.Answered && !reaches(n, o) {
			return o.Name
		}
	}
	for _, r := range shard.Nodes {
		if r.Name == primary.Name || !r.Server.Answered || r.Server.Follows != primary.Address {
			continue
		}
		if !slices.ContainsFunc(n.Watch.Replicas, func(w model.WatchedReplica) bool { return w.Address == r.Address && !w.Down }) {
			return r.Name
		}
	}
	return ""
}

// peerSilence is how long a Sentinel may not have heard from somebody and still reach it.
// Its flags do not tell that early: to an address that has just vanished a connection is
// always about to be made, which passes for one, until the Sentinel takes its peer to be
// down. So two Sentinels that restarted within that time left the third one with nobody.
const peerSilence = 2 * time.Second

// unreached waits while so many Sentinels have not heard from a node since its process has
// begun that they may find it down, and promote another one beside it. They go by its name;
// to them it is still the address of its last pod, until they have looked that up again. It
// ends with either: they hear from it, or fail over.
func (s sentinel) unreached(shard model.Shard, n model.Node) model.Decision {
	deaf, quorum := s.silent(), s.set.Settings.Quorum
	for _, w := range s.watching() {
		quorum = min(quorum, w.Watch.Settings.Quorum)
		if w.Watch.SilentFor > min(n.Server.Uptime, peerSilence) {
			deaf++
		}
	}
	if deaf < quorum {
		return model.Decision{}
	}
	return model.Wait(hold(shard, model.SentinelsDisagree, n.Name, fmt.Sprintf(
		"they name it, and %d of them have not heard from it since it started: they may be about to promote another one", deaf)))
}

// reaches says that one Sentinel knows another one, and that it is there.
func reaches(n, o model.SentinelNode) bool {
	return slices.ContainsFunc(n.Watch.Others, func(w model.WatchedSentinel) bool {
		return w.ID == o.ID && !w.Down && w.SilentFor <= peerSilence
	})
}
