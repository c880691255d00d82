package valkey

import "context"

// ClusterInfo is what CLUSTER INFO says: how one node sees the whole.
type ClusterInfo struct {
	// OK: the node serves its slots. It stops when slots are not covered (unless
	// cluster-require-full-coverage is no), and when it does not reach a majority
	// of the primaries; after its start, and after it has been cut off, it takes up
	// to two seconds, or the node timeout, before it says so again.
	OK bool
	// Slots that have an owner, whose owner is well, not reached by this node, or failed.
	SlotsAssigned, SlotsOK, SlotsPFail, SlotsFail int
	// KnownNodes counts those in handshake, too.
	KnownNodes int
	// Size is how many primaries own slots: a majority of these is what elects.
	Size int
	// CurrentEpoch is the highest that the node has heard of; MyEpoch is the
	// configuration epoch of its own shard.
	CurrentEpoch, MyEpoch int64
}

// ClusterInfo asks how the node sees the cluster's state.
func (n *Node) ClusterInfo(ctx context.Context) (ClusterInfo, error) {
	text, err := n.readText(ctx, "CLUSTER", "INFO")
	if err != nil {
		return ClusterInfo{}, err
	}
	info, err := ParseClusterInfo(text)
	return info, wrap(n.addr, "CLUSTER INFO", err)
}

// ParseClusterInfo reads the text of CLUSTER INFO. An error names the field that
// is missing or cannot be read.
func ParseClusterInfo(text string) (ClusterInfo, error) {
	f := splitInfo(text)
	state := f.must("cluster_state")
	if state != "ok" && state != "fail" {
		f.fail("cluster_state", state)
	}
	info := ClusterInfo{
		OK:            state == "ok",
		SlotsAssigned: int(f.mustInt("cluster_slots_assigned")),
		SlotsOK:       int(f.mustInt("cluster_slots_ok")),
		SlotsPFail:    int(f.mustInt("cluster_slots_pfail")),
		SlotsFail:     int(f.mustInt("cluster_slots_fail")),
		KnownNodes:    int(f.mustInt("cluster_known_nodes")),
		Size:          int(f.mustInt("cluster_size")),
		CurrentEpoch:  f.mustInt("cluster_current_epoch"),
		MyEpoch:       f.mustInt("cluster_my_epoch"),
	}
	return info, f.err
}
