package conformance

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// The host of two primaries of three is lost. The dead come back later, outside of
// any guard, with what nodes.conf says: that they are primaries.
func TestReplicasDoNotWinWithoutAMajorityAndTakeOverWhenAsked(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			c.waitShardIDs()
			dead := []*Server{c.Shards[0][0], c.Shards[1][0]}
			heirs := []*Server{c.Shards[0][1], c.Shards[1][1]}
			for i, s := range dead {
				c.putReplicated(i, 100)
				s.Kill()
			}
			began := time.Now()
			waitFailed(t, c.Shards[2][0], dead)
			t.Logf("%s: the last primary serves nobody any more %s after the kill", version, since(began))
			nobodyIsElected(t, heirs)

			for _, s := range heirs {
				perform(t, model.Promote{Node: s.ref(), Means: model.ByTakeover})
			}
			c.waitServed()
			t.Logf("%s: whole again %s after the kill", version, since(began))
			for i := range heirs {
				c.haveKeys(i, 100)
				c.put(i, "later")
			}
			epochsDiffer(t, c.Shards[0][1], c.Shards[1][1], c.Shards[2][0])

			served := 0
			for _, s := range dead {
				s.Start()
				if s.Writable() {
					served++
				}
			}
			for i, s := range dead {
				s.WaitSynced(heirs[i])
			}
			c.WaitOK()
			c.waitAcquainted()
			for i, s := range heirs {
				if self, _ := s.Sees(s.ID()); !self.Primary || self.CountSlots() != c.SlotsOf(i).Count() {
					t.Errorf("shard %d's new primary is %+v", i, self)
				}
				c.haveKeys(i, 100)
				if n := s.Must("DBSIZE"); n != "101" {
					t.Errorf("shard %d has %s keys", i, n)
				}
			}
			if served > 0 {
				t.Errorf("%d of the dead took writes when they were back", served)
			}
		})
	}
}

// waitServed waits until every running node says that all slots are served.
func (c *Cluster) waitServed() {
	c.t.Helper()
	for _, s := range c.Servers() {
		if !s.running() {
			continue
		}
		Eventually(c.t, s.Addr()+" says that all slots are served", func() bool {
			info, ok := s.ClusterInfo()
			return ok && info.OK && info.SlotsOK == valkey.Slots
		})
	}
}

// waitFailed waits until a node takes all of those for unreachable, and the
// cluster for failed.
func waitFailed(t *testing.T, s *Server, dead []*Server) {
	t.Helper()
	Eventually(t, s.Addr()+" finds that there is no majority", func() bool {
		info, ok := s.ClusterInfo()
		unreached := 0
		for _, n := range s.ClusterNodes() {
			for _, d := range dead {
				if n.Host == d.Host && (n.PFail || n.Fail) {
					unreached++
				}
			}
		}
		return ok && !info.OK && unreached == len(dead)
	})
}

// nobodyIsElected: neither by the replicas' own doing, nor when they are asked to
// stand for election.
func nobodyIsElected(t *testing.T, heirs []*Server) {
	t.Helper()
	out, err := do(context.Background(), model.Promote{Node: heirs[0].ref(), Means: model.ByElection})
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.PrimaryNotVisible {
		t.Errorf("asked to stand for election: %+v, %v", out, err)
	}
	for _, s := range heirs {
		if role, err := s.Node().Role(context.Background()); err != nil || role.Role != valkey.RoleReplica {
			t.Errorf("%s without a majority: %+v, %v", s.Addr(), role, err)
		}
	}
}

// putReplicated writes keys to the shard's primary and waits for its replica.
func (c *Cluster) putReplicated(shard, count int) {
	c.t.Helper()
	s := c.Shards[shard][0]
	tag := hashTag(c.SlotsOf(shard), 0)
	for i := range count {
		s.Must("SET", tag+strconv.Itoa(i), "x")
	}
	c.Shards[shard][1].WaitAcknowledged(s)
}

func (c *Cluster) put(shard int, name string) {
	c.t.Helper()
	r := &route{servers: c.Servers(), timeout: time.Second}
	defer r.close()
	r.must(c.t, "SET", hashTag(c.SlotsOf(shard), 0)+name, "x")
}

func (c *Cluster) haveKeys(shard, count int) {
	c.t.Helper()
	r := &route{servers: c.Servers(), timeout: time.Second}
	defer r.close()
	args := []string{"EXISTS"}
	for i := range count {
		args = append(args, hashTag(c.SlotsOf(shard), 0)+strconv.Itoa(i))
	}
	if n := r.must(c.t, args...); n != strconv.Itoa(count) {
		c.t.Errorf("shard %d has %s of %d acknowledged and replicated keys", shard, n, count)
	}
}

// epochsDiffer: each took one without asking anybody, and primaries that have the
// same one settle that among themselves.
func epochsDiffer(t *testing.T, primaries ...*Server) {
	t.Helper()
	Eventually(t, "the primaries have epochs of their own", func() bool {
		seen := map[string]bool{}
		for _, s := range primaries {
			self, _ := s.Sees(s.ID())
			seen[fmt.Sprint(self.ConfigEpoch)] = true
		}
		return len(seen) == len(primaries)
	})
}
