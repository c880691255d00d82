package handover

import (
	"context"
	"time"
)

// A target that has been elected writes that to its disk before it tells anybody. One
// that freezes in between, or dies, looks at no clock afterwards: it says that it is
// primary as soon as it thaws, or has restarted with the same folder (valkey 9.1 and 8.1
// src/cluster_legacy.c clusterFailoverReplaceYourPrimary). By then the old primary has
// taken writes again, and they would be lost.
//
// Who is right is decided by the configuration epoch. So before that the old primary
// gets one above that of the election: then nobody believes the target, and it follows.
//
// A target that freezes earlier looks at the clock when it thaws, before it gets an
// answer to anything it asks: ten times a second, if hz is at its default. Only one that
// froze within that very look, just after the clock, has 100 ms more to be elected in.
// No epoch keeps it from that, as it hears of a higher one first (docs/adr/0005).

// fenceBefore is how long before the old primary takes writes again it is fenced, if
// the target does not answer. Later would be too late; earlier would end handovers that
// may still go well.
const fenceBefore = 300 * time.Millisecond

// answerTime is what a target has to answer in from then on.
const answerTime = 50 * time.Millisecond

// fenceAt is when a target that does not answer is no longer waited for.
func (h *clusterRun) fenceAt() time.Time {
	return h.last.Add(h.limit - min(fenceBefore, h.limit/2))
}

// fence sees to it that the target, if it has been elected, is not believed. It may take
// several calls: the old primary has to have heard of the election first.
func (h *clusterRun) fence(ctx context.Context) {
	if h.fenced {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, fenceBefore/2)
	defer cancel()
	if h.election == 0 && !h.findElection(ctx) {
		return
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), fenceBefore/2)
	defer cancel()
	old := views(ctx, []ClusterServer{h.old})[0]
	if old.err != nil || !old.self().Primary {
		return
	}
	switch {
	case old.info.MyEpoch > h.election:
		h.fenced = true
	case old.info.CurrentEpoch < h.election:
		// It would get the same epoch as the target. It will hear from the others.
	case h.old.BumpEpoch(ctx) == nil:
		info, err := h.old.ClusterInfo(ctx)
		h.fenced = err == nil && info.MyEpoch > h.election
	}
}

// findElection asks those who vote for the highest epoch that they know of. If the
// target has been elected, one of any majority has voted for it, and knows its epoch. It
// returns false if there is nothing to fence against, or too few answer.
func (h *clusterRun) findElection(ctx context.Context) bool {
	all := views(ctx, append([]ClusterServer{h.old}, h.peers...))
	voters := 0
	var highest int64
	for _, v := range all {
		if v.err != nil {
			continue
		}
		highest = max(highest, v.info.CurrentEpoch)
		if h.voters[v.self().ID] {
			voters++
		}
	}
	old := all[0]
	if old.err != nil || !old.self().Primary || voters <= len(h.voters)/2 {
		return false
	}
	if old.info.MyEpoch >= highest {
		h.fenced = true // an election has a higher one than its primary
		return false
	}
	h.election = highest
	return true
}
