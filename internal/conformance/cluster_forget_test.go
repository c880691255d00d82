package conformance

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// knownBy are the running nodes that know the one with that id.
func (c *Cluster) knownBy(id string) []*Server {
	var out []*Server
	for _, s := range c.Servers() {
		if _, known := s.Sees(id); known && s.running() {
			out = append(out, s)
		}
	}
	return out
}

// killed ends a node for good, and waits until the others have agreed on that.
func (c *Cluster) killed(s *Server) string {
	c.t.Helper()
	id := s.ID()
	s.Kill()
	for _, other := range c.Servers() {
		if other.running() {
			Eventually(c.t, other.Addr()+" takes it for dead", func() bool { n, _ := other.Sees(id); return n.Fail })
		}
	}
	return id
}

// Whoever is told passes it on, so one that could not be told in time does not
// bring the entry back.
func TestEntryOfADeadNodeIsForgottenByAllWhenOneIsTold(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			id := c.killed(c.Shards[2][1])
			began := time.Now()
			perform(t, model.Forget{At: refs(c.Shards[0][:1]), IDs: []string{id}})
			Eventually(t, "nobody knows it", func() bool { return len(c.knownBy(id)) == 0 })
			t.Logf("%s: forgotten by all %s after one was told", version, since(began))
			perform(t, model.Forget{At: refs(c.knownBy(c.Shards[0][0].ID())), IDs: []string{id}}) // nothing to do is no error
			time.Sleep(3 * time.Second)                                                           // every node has gossiped with each other
			if by := c.knownBy(id); len(by) > 0 {
				t.Errorf("it is known again by %v", refs(by))
			}
			c.waitServed()
		})
	}
}

// A living one makes itself known again: after a node timeout without a word from
// those who have forgotten it, it greets them. So it has to end soon.
func TestLivingNodeThatIsForgottenComesBack(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			primary, replica := c.Shards[2][0], c.Shards[2][1]
			id := replica.ID()
			others := slices.DeleteFunc(c.Servers(), func(s *Server) bool { return s == replica })
			step := model.Forget{At: refs(others), IDs: []string{id}}
			began := time.Now()
			perform(t, step)
			Eventually(t, "there is a moment in which nobody knows it", func() bool {
				perform(t, step)
				return len(c.knownBy(id)) == 1 // itself
			})
			Eventually(t, "it is known again", func() bool { return len(c.knownBy(id)) > 1 })
			t.Logf("%s: known again by some %s after all had forgotten it", version, since(began))
			replica.WaitSynced(primary)
			c.Shards[2][0].Must("SET", hashTag(c.SlotsOf(2), 0), "x")
			replica.WaitAcknowledged(primary)
			replica.Kill()
			Eventually(t, "once it has ended nobody knows it any more", func() bool {
				perform(t, step)
				return len(c.knownBy(id)) == 0
			})
		})
	}
}

// A shard is lost for good. Its slots go to a node that joined later, and the rest
// to one that has seen the shard die.
func TestSlotsOfALostShardAreGivenToOthers(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version, Persistence: RDB}, 3, 0)
			ghost := c.Shards[2][0]
			ghost.Must("SET", hashTag(c.SlotsOf(2), 0), "old")
			ghost.Must("SAVE")
			ghostID := c.killed(ghost)
			lost := c.SlotsOf(2)
			mine, theirs := lost, lost
			mine.Last, theirs.First = lost.First+99, lost.First+100

			fresh := Start(t, c.Shards[0][0].Spec)
			perform(t, model.Meet{Nodes: refs([]*Server{fresh}), Via: c.Shards[0][0].ref()})
			c.Shards = append(c.Shards, []*Server{fresh})
			for _, s := range c.Shards[:2] {
				Eventually(t, "the fresh node is known", func() bool { n, _ := s[0].Sees(fresh.ID()); return n.LinkUp && !n.Handshake })
			}
			claimedInVain(t, c, fresh, ghostID, lost, mine)
			perform(t, model.AddSlots{Node: fresh.ref(), Slots: modelSlots(mine)})
			Eventually(t, "a claim with the highest epoch is believed", func() bool { return c.owns(3, mine) })

			// One that knows the ghost has to disown it first.
			heir := c.Shards[0][0]
			if err := heir.Node().AddSlots(context.Background(), []valkey.SlotRange{theirs}); !errors.Is(err, valkey.ErrSlotBusy) {
				t.Errorf("slots of a dead node are added: %v", err)
			}
			perform(t, model.AddSlots{Node: heir.ref(), Slots: modelSlots(theirs)})
			Eventually(t, "all know the slots at the other one", func() bool { return c.owns(0, theirs) })
			c.waitServed()

			// The dead that returns has a lower epoch: it gives up the slots, and drops
			// its data. That is why ours is held back before.
			ghost.Start()
			Eventually(t, "the ghost has neither slots nor keys", func() bool {
				n, _ := ghost.Sees(ghostID)
				return n.Myself && n.CountSlots() == 0 && ghost.Must("DBSIZE") == "0"
			})
			if !ghost.LogHas("keys loaded: 1") {
				t.Error("it had no data to drop")
			}
			c.waitServed()
			if !c.owns(3, mine) || !c.owns(0, theirs) {
				t.Error("the ghost has slots again")
			}
			// And forgotten for good.
			ghostID = c.killed(ghost)
			perform(t, model.Forget{At: refs([]*Server{fresh, heir, c.Shards[1][0]}), IDs: []string{ghostID}})
			Eventually(t, "nobody knows the ghost", func() bool { return len(c.knownBy(ghostID)) == 0 })
		})
	}
}

// claimedInVain: the control. A fresh node has epoch 0. The others go on to believe
// the dead one, and make the fresh one believe it, too.
func claimedInVain(t *testing.T, c *Cluster, fresh *Server, ghost string, lost, slots valkey.SlotRange) {
	t.Helper()
	must(t, fresh.Node().AddSlots(context.Background(), []valkey.SlotRange{slots}))
	for _, s := range []*Server{fresh, c.Shards[0][0], c.Shards[1][0]} {
		Eventually(t, s.Addr()+" knows the slots at the dead node", func() bool {
			n, _ := s.Sees(ghost)
			return n.CountSlots() == lost.Count()
		})
	}
	if n, _ := fresh.Sees(fresh.ID()); n.CountSlots() > 0 {
		t.Errorf("the control: a claim without an epoch is kept: %v", n.Slots)
	}
}
