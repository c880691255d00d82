package handover

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// view is what one node says of the cluster.
type view struct {
	addr  string
	nodes []valkey.ClusterNode
	info  valkey.ClusterInfo
	err   error
}

// self is the node's own line.
func (v view) self() valkey.ClusterNode {
	for _, n := range v.nodes {
		if n.Myself {
			return n
		}
	}
	return valkey.ClusterNode{}
}

func (v view) of(id string) (valkey.ClusterNode, bool) {
	for _, n := range v.nodes {
		if n.ID == id {
			return n, true
		}
	}
	return valkey.ClusterNode{}, false
}

// views asks all of them at the same time: frozen ones must not add up.
func views(ctx context.Context, servers []ClusterServer) []view {
	all := make([]view, len(servers))
	var asked sync.WaitGroup
	for i, s := range servers {
		asked.Go(func() {
			v := view{addr: s.Addr()}
			if v.nodes, v.err = s.ClusterNodes(ctx); v.err == nil {
				v.info, v.err = s.ClusterInfo(ctx)
			}
			all[i] = v
		})
	}
	asked.Wait()
	return all
}

// checkCluster asks whether the cluster can hold the election, and notes who is who.
func (h *clusterRun) checkCluster(ctx context.Context) error {
	own := views(ctx, []ClusterServer{h.old, h.target})
	for _, v := range own {
		if v.err != nil {
			return v.err
		}
	}
	old, target := own[0].self(), own[1].self()
	h.oldID, h.targetID = old.ID, target.ID
	h.slots = slotText(old.Slots)
	h.voters = votersOf(own[0].nodes)
	switch {
	case !old.Primary:
		return fmt.Errorf("old primary %s is no primary in the cluster", h.old.Addr())
	case target.PrimaryID != old.ID:
		return fmt.Errorf("target %s is a replica of node %s, the old primary is %s", h.target.Addr(), target.PrimaryID, old.ID)
	case len(old.Migrating)+len(old.Importing) > 0:
		return fmt.Errorf("old primary %s has open slots: migrating %v, importing %v", h.old.Addr(), old.Migrating, old.Importing)
	}
	for _, v := range own {
		if err := h.sound(v); err != nil {
			return err
		}
	}
	return h.checkPeers(ctx)
}

// checkPeers: every primary that can be reached sees the shard as it is, and they
// are a majority.
func (h *clusterRun) checkPeers(ctx context.Context) error {
	reached := 0
	if h.voters[h.oldID] {
		reached = 1
	}
	var missing []string
	for _, v := range views(ctx, h.peers) {
		if v.err != nil {
			missing = append(missing, v.err.Error())
			continue
		}
		if !h.voters[v.self().ID] {
			continue
		}
		if err := h.sound(v); err != nil {
			return err
		}
		reached++
	}
	if reached <= len(h.voters)/2 {
		return fmt.Errorf("only %d of %d primaries with slots can be reached: %s", reached, len(h.voters), strings.Join(missing, "; "))
	}
	return nil
}

// sound says what is wrong with the cluster, or with the shard, in one node's eyes.
func (h *clusterRun) sound(v view) error {
	target, knowsTarget := v.of(h.targetID)
	old, knowsOld := v.of(h.oldID)
	switch {
	case !v.info.OK:
		return fmt.Errorf("%s says that the cluster has failed", v.addr)
	case !knowsOld, !old.Primary, unwell(old):
		return fmt.Errorf("%s does not see the old primary %s as a primary that is well", v.addr, h.oldID)
	case slotText(old.Slots) != h.slots:
		return fmt.Errorf("%s sees slots %s at the old primary %s, itself it says %s", v.addr, slotText(old.Slots), h.oldID, h.slots)
	case !knowsTarget, unwell(target):
		return fmt.Errorf("%s does not see the target %s as well", v.addr, h.targetID)
	case target.PrimaryID != h.oldID:
		return fmt.Errorf("%s does not list the target %s under the old primary", v.addr, h.targetID)
	}
	return nil
}

func unwell(n valkey.ClusterNode) bool {
	return n.Fail || n.PFail || n.Handshake || n.NoAddr || !n.LinkUp
}

// votersOf are the primaries that own slots: they elect.
func votersOf(nodes []valkey.ClusterNode) map[string]bool {
	voters := map[string]bool{}
	for _, n := range nodes {
		if n.Primary && len(n.Slots) > 0 {
			voters[n.ID] = true
		}
	}
	return voters
}

func slotText(ranges []valkey.SlotRange) string {
	words := make([]string, 0, len(ranges))
	for _, r := range ranges {
		words = append(words, r.String())
	}
	return strings.Join(words, " ")
}
