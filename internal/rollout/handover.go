package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

const (
	// QuietSecond is how long kube-proxy must have been at rest before a role
	// moves: it synchronises at most once a second, and one takes a while.
	QuietSecond = 1200 * time.Millisecond
	// QuietPatience is how long a quiet second is waited for in a Kubernetes
	// cluster whose Services never rest.
	QuietPatience = 20 * time.Second
	// longestBackoff bounds the wait after failed handovers.
	longestBackoff = time.Minute
)

// Terms are what a handover asks for. A rollout's are the zero value.
type Terms struct {
	// Suits says who may take over; nil for those that a rollout would choose, as
	// Target does. Whoever it is has to be synced.
	Suits func(n model.Node) bool
	// Prefers says that one of those who may is a better choice than another; nil for
	// no difference.
	Prefers func(a, b model.Node) bool
	// Alone: nobody waits for the other replicas.
	Alone bool
	// Patience is how long a quiet second is waited for; 0 for QuietPatience.
	Patience time.Duration
	// Waited is how long it has been waited for; 0 for what the Services' side knows.
	Waited time.Duration
}

// HandOver decides whether the primary's role can move now, and to which of the
// candidates: fresh and synced, highest acknowledged offset first.
func HandOver(rules topology.Rules, policy model.Policy, shard model.Shard, candidates []model.Node) model.Decision {
	return HandOverOn(Terms{}, rules, policy, shard, candidates)
}

// HandOverOn does so on other terms than a rollout's.
func HandOverOn(terms Terms, rules topology.Rules, policy model.Policy, shard model.Shard, candidates []model.Node) model.Decision {
	primary, ok := shard.Primary()
	if !ok {
		return hold(shard, model.PrimaryNotVisible, "", "no single server says that it is primary")
	}
	target, ok := terms.target(shard, primary, candidates, policy.MaxLag)
	if !ok {
		return noTarget(shard, primary, candidates, policy.MaxLag)
	}
	if !terms.Alone {
		if d := othersSynced(shard, primary, target, policy.MaxLag); d.Made() {
			return d
		}
	}
	if terms.Suits == nil && target.Server.Rewriting {
		return hold(shard, model.Persisting, target.Name, "no role moves to it before its append-only file is written: "+
			"should it end just afterwards, it would come back with less, and be taken for the last primary that has kept every write")
	}
	if holds := rules.HandoverGates(shard, target); len(holds) > 0 {
		return model.Wait(holds...)
	}
	if wait := Backoff(shard.Attempt.Failures) - shard.Attempt.Since; shard.Attempt.Failures > 0 && wait > 0 {
		return model.Wait(model.Hold{Shard: shard.Name, Reason: model.HandoverBackoff, Node: primary.Name, After: wait,
			Detail: fmt.Sprintf("%d handovers in a row failed, the last one with: %s", shard.Attempt.Failures, shard.Attempt.Error)})
	}
	if wait := QuietSecond - shard.Traffic.Quiet; rules.Routed() && wait > 0 && terms.patient(shard) {
		return model.Wait(model.Hold{Shard: shard.Name, Reason: model.ServicesBusy, After: wait,
			Detail: "Services changed less than a second ago; clients would learn of the new primary late"})
	}
	return model.Do(model.Handover{From: primary.Ref, To: target.Ref, Revision: shard.Revision})
}

// patient says that a quiet second may still be waited for.
func (t Terms) patient(shard model.Shard) bool {
	return max(t.Waited, shard.Traffic.Waited) < cmp.Or(t.Patience, QuietPatience)
}

// target is the best of the candidates on these terms.
func (t Terms) target(shard model.Shard, primary model.Node, candidates []model.Node, maxLag int64) (model.Node, bool) {
	if t.Suits == nil {
		return Target(shard, primary, candidates, maxLag)
	}
	return choose(primary, candidates, maxLag, t.Suits, t.Prefers)
}

// Target chooses who takes over among the candidates that suit, are fresh and synced:
// offsets within maxLag bytes of the best count as equal, the lowest ordinal wins among
// equals, so that the choice holds still under writes.
func Target(shard model.Shard, primary model.Node, candidates []model.Node, maxLag int64) (target model.Node, ok bool) {
	return choose(primary, candidates, maxLag, func(n model.Node) bool {
		return shard.Fresh(n) && shard.Suits(n)
	}, nil)
}

// choose finds the best of those that suit. Every synced offset lies within maxLag of
// the primary's, hence of each other: all of them are equal in the sense of Target's rule.
func choose(primary model.Node, candidates []model.Node, maxLag int64, suits func(model.Node) bool, prefers func(a, b model.Node) bool) (model.Node, bool) {
	var able []model.Node
	for _, n := range candidates {
		if n.Name != primary.Name && suits(n) && model.Synced(primary, n, maxLag) {
			able = append(able, n)
		}
	}
	if len(able) == 0 {
		return model.Node{}, false
	}
	return slices.MinFunc(able, func(a, b model.Node) int {
		switch {
		case prefers != nil && prefers(a, b):
			return -1
		case prefers != nil && prefers(b, a):
			return 1
		case a.Server.Rewriting != b.Server.Rewriting:
			return rewritingLast(a)
		}
		return cmp.Compare(a.Ordinal, b.Ordinal)
	}), true
}

func rewritingLast(a model.Node) int {
	if a.Server.Rewriting {
		return 1
	}
	return -1
}

// noTarget says of each candidate why it cannot take over.
func noTarget(shard model.Shard, primary model.Node, candidates []model.Node, maxLag int64) model.Decision {
	var holds []model.Hold
	for _, n := range candidates {
		if n.Name == primary.Name {
			continue
		}
		if h, ok := whyNot(shard, primary, n, maxLag); ok {
			holds = append(holds, h)
		}
	}
	if len(holds) == 0 {
		return hold(shard, model.NoFreshReplica, primary.Name, "it has no replica to hand over to")
	}
	return model.Wait(holds...)
}

// whyNot says why one cannot take over. Where another than a fresh one may, what keeps that
// from it is that it has not synced.
func whyNot(shard model.Shard, primary, n model.Node, maxLag int64) (h model.Hold, ok bool) {
	because := func(reason model.Reason, detail string) (model.Hold, bool) {
		return model.Hold{Shard: shard.Name, Reason: reason, Node: n.Name, Detail: detail}, true
	}
	synced, heir := model.Synced(primary, n, maxLag), shard.Heir(primary, n)
	switch {
	case n.Phase == model.PodTerminating || n.Ordinal >= shard.Size:
		return because(model.PodStarting, "its pod is on its way out")
	case n.Phase != model.PodRunning || (n.Down() && n.Trouble != ""):
		return WhyDown(shard, primary, n), true
	case heir && !synced:
		return because(model.NotSynced, WhyNotSynced(primary, n))
	case n.Evacuate != "":
		return because(model.EvacuationWaits, "no role moves to it: "+n.Evacuate)
	case !shard.Fresh(n):
		return because(model.NoFreshReplica, "it does not run the newest revision")
	case !synced:
		return because(model.NotSynced, WhyNotSynced(primary, n))
	case n.Server.RefusesWrites:
		return because(model.NotPersisting, "no role moves to it: "+WhyNotPersisting(n))
	}
	return h, false
}

// Backoff is the wait after so many failed handovers in a row: 2 s, doubled
// each time, a minute at most.
func Backoff(failures int) time.Duration {
	wait := time.Second
	for range failures {
		wait = min(2*wait, longestBackoff)
	}
	return wait
}
