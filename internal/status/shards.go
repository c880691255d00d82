package status

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// cluster is the status of an instance with several shards.
func cluster(in Input) v1alpha1.ValkeyStatus {
	out := v1alpha1.ValkeyStatus{
		ObservedGeneration: in.Generation,
		Formed:             in.Previous.Formed || covered(in.Snapshot).Count() == model.SlotCount,
		Conditions:         slices.Clone(in.Previous.Conditions),
	}
	for _, shard := range in.Snapshot.Shards {
		one := nodes(shard, in.Snapshot.Policy)
		for i := range one {
			one[i].Shard = shard.Name
		}
		out.Nodes = append(out.Nodes, one...)
		if s := shardStatus(in, shard, one); !forgotten(in.Snapshot, shard, s) {
			out.Shards = append(out.Shards, s)
		}
	}
	seen := ring{in: in, nodes: out.Nodes, shards: out.Shards}
	out.Ready = fmt.Sprintf("%d/%d", seen.serving(), seen.wished())
	out.ShardsReady = fmt.Sprintf("%d/%d", seen.whole(), in.Snapshot.Policy.Shards)
	out.Slots = fmt.Sprintf("%d/%d", covered(in.Snapshot).Count(), model.SlotCount)
	out.Rollout = seen.rolloutLine()
	for _, c := range seen.conditions() {
		c.ObservedGeneration = in.Generation
		set(&out.Conditions, c)
	}
	return out
}

// covered are the slots that a primary says it serves.
func covered(snap model.Snapshot) model.Slots {
	var ranges []model.SlotRange
	for _, shard := range snap.Shards {
		for _, primary := range shard.Primaries() {
			ranges = append(ranges, primary.Server.Owned()...)
		}
	}
	return model.NewSlots(ranges...)
}

// shardStatus shows a shard, and keeps what cannot be seen once all of its servers
// are down.
func shardStatus(in Input, shard model.Shard, nodes []v1alpha1.NodeStatus) v1alpha1.ShardStatus {
	out := v1alpha1.ShardStatus{Name: shard.Name}
	if i := slices.IndexFunc(in.Previous.Shards, func(s v1alpha1.ShardStatus) bool { return s.Name == shard.Name }); i >= 0 {
		out = in.Previous.Shards[i]
	}
	out.Primary, out.UpdateRevision = "", shard.Revision
	out.Ready = inService(nodes, in.Snapshot.Policy)
	if shard.Leaving {
		out.Ready = fmt.Sprintf("%d/%d", serving(nodes), 0)
	}
	if atRest(in) {
		out.HandoverFailure = nil // nobody waits for that handover any more
	}
	primary, ok := shard.Primary()
	if !ok || primary.Server.Cluster == nil {
		return out
	}
	out.Primary, out.Formed = primary.Name, true
	if rules, err := topology.For(in.Snapshot); err == nil && rules.Recognised(primary) {
		out.LastPrimary, out.LastPrimaryID = primary.Name, primary.Server.Cluster.ID
		out.History = history(out.History, primary.Server.ReplID)
	}
	out.SlotRanges = primary.Server.Owned().String()
	out.Slots = int32(primary.Server.Owned().Count()) //nolint:gosec // 16,384 at most
	return out
}

// forgotten says that nothing is left of a shard, and nothing of it is missed: one
// that comes back under its name begins anew.
func forgotten(snap model.Snapshot, shard model.Shard, s v1alpha1.ShardStatus) bool {
	missed := s.SlotRanges != "" && covered(snap).Count() < model.SlotCount
	return shard.Leaving && shard.Size == 0 && len(shard.Nodes) == 0 && !missed
}
