package conformance

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// move gives a server that has ended another address, as a pod that is made anew
// has. Its folder, with nodes.conf in it, it keeps.
func (s *Server) move() { s.Host, s.Port = freeAddress(s.t) }

// waitFound waits until every other node reaches it under its address.
func (c *Cluster) waitFound(s *Server) {
	c.t.Helper()
	id := s.ID()
	for _, other := range c.Servers() {
		Eventually(c.t, other.Addr()+" reaches it at "+s.Addr(), func() bool {
			seen, known := other.Sees(id)
			return known && seen.LinkUp && !seen.PFail && !seen.Fail && seen.Host == s.Host && seen.Port == s.Port
		})
	}
}

func TestNodeThatComesBackUnderANewAddressIsFoundByTheOthers(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			c.waitShardIDs()
			for i, shard := range c.Shards[:2] {
				primary, replica := shard[0], shard[1]
				id := replica.ID()
				replica.Stop()
				replica.move()
				began := time.Now()
				replica.Start()
				c.waitFound(replica)
				found := since(began)
				replica.WaitSynced(primary)
				if replica.ID() != id {
					t.Errorf("replica %d is another node now", i)
				}
				t.Logf("%s: found by all %s after its start, synced after %s", version, found, since(began))
			}
			c.WaitOK()
			c.waitAcquainted()
		})
	}
}

// Pods that are made anew together may get each other's addresses.
func TestNodesThatComeBackWithEachOthersAddressesAreFound(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			c.waitShardIDs()
			one, two := c.Shards[0][1], c.Shards[1][1]
			one.Stop()
			two.Stop()
			one.Host, one.Port, two.Host, two.Port = two.Host, two.Port, one.Host, one.Port
			began := time.Now()
			one.Start()
			two.Start()
			c.waitFound(one)
			c.waitFound(two)
			t.Logf("%s: both found %s after their start", version, since(began))
			one.WaitSynced(c.Shards[0][0])
			two.WaitSynced(c.Shards[1][0])
			c.WaitOK()
		})
	}
}

// Nobody is left whom the others could ask: they stay strangers until they are
// introduced. Who was taken for dead meanwhile may lose its role to a replica that
// is acquainted sooner; no shard loses its data or its slots.
func TestNodesThatAllComeBackUnderNewAddressesAreHealedByMeet(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version, Persistence: RDB}, 3, 1)
			c.waitShardIDs()
			formed := c.asFormed()
			for i, shard := range c.Shards {
				shard[0].Must("SET", hashTag(c.SlotsOf(i), 0), "kept")
				shard[1].WaitAcknowledged(shard[0])
			}
			all := c.Servers()
			for _, s := range all {
				s.waitIdleDisk()
				s.Must("SAVE")
			}
			for _, s := range all {
				s.Kill()
			}
			for _, s := range all {
				s.move()
				s.Start()
			}
			stayStrangers(t, all)
			began := time.Now()
			if _, err := do(context.Background(), model.Meet{Nodes: refs(all[1:]), Via: all[0].ref()}); err != nil {
				t.Fatal(err)
			}
			c.waitAcquainted()
			c.WaitOK()
			t.Logf("%s: whole again %s after MEET", version, since(began))
			for id := range c.asFormed() {
				if _, same := formed[id]; !same {
					t.Errorf("%s is a new node", id)
				}
			}
			for i := range c.Shards {
				c.waitWhole(i)
				Eventually(t, "both nodes have the shard's key", func() bool {
					return c.Shards[i][0].Must("DBSIZE") == "1" && c.Shards[i][1].Must("DBSIZE") == "1"
				})
			}
		})
	}
}

// stayStrangers: the control. They try for longer than the node timeout of 2 s.
func stayStrangers(t *testing.T, all []*Server) {
	t.Helper()
	time.Sleep(4 * time.Second)
	for _, s := range all {
		for _, n := range s.ClusterNodes() {
			if n.LinkUp && !n.Myself {
				t.Errorf("the control: %s has found %s:%d by itself", s.Addr(), n.Host, n.Port)
			}
		}
	}
}

// waitWhole waits until one node of the shard is primary with the slots that the
// shard was formed with, and the other one is its replica.
func (c *Cluster) waitWhole(shard int) {
	c.t.Helper()
	want := []valkey.SlotRange{c.SlotsOf(shard)}
	Eventually(c.t, fmt.Sprintf("shard %d has a primary with its slots and a replica", shard), func() bool {
		one, _ := c.Shards[shard][0].Sees(c.Shards[shard][0].ID())
		two, _ := c.Shards[shard][1].Sees(c.Shards[shard][1].ID())
		return one.Primary && slices.Equal(one.Slots, want) && two.PrimaryID == one.ID ||
			two.Primary && slices.Equal(two.Slots, want) && one.PrimaryID == two.ID
	})
}
