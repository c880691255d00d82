package conformance

import (
	"context"
	"errors"
	"testing"

	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// launchCluster starts nodes that know nobody yet.
func launchCluster(t *testing.T, spec Spec, shards, replicas int) *Cluster {
	t.Helper()
	spec.Cluster = true
	c := &Cluster{t: t}
	for range shards {
		var shard []*Server
		for range 1 + replicas {
			shard = append(shard, New(t, spec))
			shard[len(shard)-1].Launch()
		}
		c.Shards = append(c.Shards, shard)
	}
	for _, s := range c.Servers() {
		s.WaitAnswers()
	}
	return c
}

// formation are the operator's steps, in their order.
func (c *Cluster) formation() (slots, meet, follow []model.Step) {
	for i, shard := range c.Shards {
		slots = append(slots, model.AddSlots{Node: shard[0].ref(), Slots: modelSlots(c.SlotsOf(i)), Epoch: int64(i + 1)})
		for _, s := range shard[1:] {
			follow = append(follow, model.Follow{Node: s.ref(), Primary: shard[0].ref()})
		}
	}
	all := c.Servers()
	return slots, []model.Step{model.Meet{Nodes: refs(all[1:]), Via: all[0].ref()}}, follow
}

// The operator may die between any two commands, and the next one begins anew.
func TestClusterIsFormedByStepsThatDoNoHarmWhenRepeated(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			c := launchCluster(t, Spec{Version: version}, 3, 1)
			slots, meet, follow := c.formation()
			// One died with an epoch given and no slots, the next with slots of one node.
			must(t, c.Shards[1][0].Node().SetConfigEpoch(ctx, 2))
			perform(t, slots[0])
			repeatSlots(t, slots[0])
			perform(t, slots[1:]...)
			// One died after it had introduced two.
			perform(t, model.Meet{Nodes: refs(c.Shards[0][1:]), Via: c.Shards[0][0].ref()})
			perform(t, append(meet, meet...)...)
			c.waitAcquainted()
			perform(t, meet...)
			perform(t, follow[0])
			perform(t, follow...)
			c.WaitOK()

			formed := c.asFormed()
			c.Shards[0][0].Must("SET", hashTag(c.SlotsOf(0), 0), "kept")
			for _, step := range slots {
				repeatSlots(t, step)
			}
			perform(t, append(meet, follow...)...)
			c.WaitOK()
			c.waitAcquainted()
			for id, was := range formed {
				is := c.asFormed()[id]
				if is.PrimaryID != was.PrimaryID || is.CountSlots() != was.CountSlots() {
					t.Errorf("repeating the steps has changed %+v into %+v", was, is)
				}
			}
			if got := c.Shards[0][0].Must("GET", hashTag(c.SlotsOf(0), 0)); got != "kept" {
				t.Errorf("a key is %q", got)
			}
		})
	}
}

func perform(t *testing.T, steps ...model.Step) {
	t.Helper()
	for _, step := range steps {
		// What one node has not heard yet, the operator waits for.
		Eventually(t, step.String(), func() bool {
			_, err := do(context.Background(), step)
			if err != nil && !errors.Is(err, act.ErrChanged) {
				t.Fatalf("%s: %v", step, err)
			}
			return err == nil
		})
	}
}

// repeatSlots: slots that have an owner are not given a second time.
func repeatSlots(t *testing.T, step model.Step) {
	t.Helper()
	if _, err := do(context.Background(), step); !errors.Is(err, act.ErrChanged) || !errors.Is(err, valkey.ErrSlotBusy) {
		t.Errorf("%s, repeated: %v", step, err)
	}
}

// waitAcquainted waits until every node knows each other one, and nobody else.
func (c *Cluster) waitAcquainted() {
	c.t.Helper()
	all := c.Servers()
	for _, s := range all {
		Eventually(c.t, s.Addr()+" knows all others, and nobody else", func() bool {
			nodes := s.ClusterNodes()
			for _, n := range nodes {
				if n.Handshake || !n.LinkUp {
					return false
				}
			}
			return len(nodes) == len(all)
		})
	}
}

// asFormed is every node by its id, as it sees itself.
func (c *Cluster) asFormed() map[string]valkey.ClusterNode {
	c.t.Helper()
	out := map[string]valkey.ClusterNode{}
	for _, s := range c.Servers() {
		self, _ := s.Sees(s.ID())
		out[self.ID] = self
	}
	return out
}
