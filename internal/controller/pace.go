package controller

import (
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// pace is when to look again if no step says otherwise.
func pace(snap model.Snapshot, next model.Plan) time.Duration {
	again := idleEvery
	if slices.ContainsFunc(snap.Shards, func(s model.Shard) bool { return unsettled(s, snap.Policy) }) || membersBusy(snap, next) || sentinelsBusy(snap) {
		again = busyEvery
	}
	for _, s := range snap.Shards {
		again = min(again, readersWait(s))
	}
	for _, h := range next.Holds {
		if h.After > 0 {
			again = min(again, max(h.After, stepEvery))
		}
	}
	return again
}

// readersWait is how long the node that the role has just left is still kept from readers.
func readersWait(s model.Shard) time.Duration {
	if slices.ContainsFunc(s.Nodes, s.Traffic.Lingers) {
		return max(model.ServiceMoves-s.Traffic.LeftFor, stepEvery)
	}
	return idleEvery
}

// afterRefusal is when to look again after a step that has to wait. One handover that the
// servers were not ready for is recalled as long as it waits, for something else to be done
// meanwhile: a look only when that time is over would find the same step again, and again.
func afterRefusal(holds []model.Hold) time.Duration {
	if holds[0].Reason == model.HandoverGate {
		return min(busyEvery, holds[0].After)
	}
	return max(holds[0].After, stepEvery)
}

// unsettled says whether something is under way in a shard that no event will
// tell of.
func unsettled(shard model.Shard, policy model.Policy) bool {
	if shard.Leaving && shard.Size == 0 {
		return false // Kubernetes tells when its pods have gone
	}
	primary, ok := shard.Primary()
	if !ok || shard.Leaving || shard.Size != shard.Wished(policy) {
		return true
	}
	for _, n := range shard.Nodes {
		if n.Trouble != "" && (n.Dead || n.Phase == model.PodAbsent) {
			continue // Kubernetes will tell when that changes
		}
		if shard.Stale(n) && !policy.Paused || n.Down() || (n.Name != primary.Name && !model.Attached(primary, n)) {
			return true
		}
	}
	return false
}

// passing are the holds that end by what the members of a cluster tell each
// other, or move.
var passing = []model.Reason{model.Joining, model.SlotsMoving, model.ClusterDisagrees, model.SlotsUncovered, model.HandoverInProgress}

// membersBusy says whether the members of a cluster are about to change by
// themselves: slots move, or not all of them see it as it is.
func membersBusy(snap model.Snapshot, next model.Plan) bool {
	if snap.Topology != model.Cluster {
		return false
	}
	if slices.ContainsFunc(next.Holds, func(h model.Hold) bool { return slices.Contains(passing, h.Reason) }) {
		return true
	}
	for _, shard := range snap.Shards {
		for _, n := range shard.Nodes {
			if c := n.Server.Cluster; n.Server.Answered && c != nil && (!c.OK || moving(c)) {
				return true
			}
		}
	}
	return false
}

func moving(c *model.ClusterServer) bool {
	self, _ := c.Self()
	return len(self.Giving) > 0 || len(self.Taking) > 0 ||
		slices.ContainsFunc(c.Moves, func(m model.Move) bool { return m.State == model.MoveRuns })
}

// suspicious is how long a primary has not answered a Sentinel that asks it every second,
// or has answered that it refuses writes: it may be found down soon.
const suspicious = 1500 * time.Millisecond

// sentinelsBusy says whether Sentinels are about to change by themselves: they fail
// over, do not all name the primary, or come and go.
func sentinelsBusy(snap model.Snapshot) bool {
	set := snap.Sentinels
	if snap.Topology != model.Sentinel {
		return false
	}
	if set.Size != set.Wanted {
		return true
	}
	primary, ok := snap.Shards[0].Primary()
	return !ok || slices.ContainsFunc(set.Nodes, func(n model.SentinelNode) bool {
		switch {
		case n.Trouble != "" && (n.Dead || n.Phase == model.PodAbsent):
			return false // Kubernetes will tell when that changes
		case set.Stale(n) && !snap.Policy.Paused, n.Down(), !n.Named(primary.Address):
			return true
		}
		return n.Watch.FailingOver || n.Watch.Down || n.Watch.SilentFor > suspicious || n.Watch.NoQuorum != ""
	})
}
