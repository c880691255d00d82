package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// moves is the operator's step that moves slots from one shard to another.
func (c *Cluster) moves(from, to int, atomic bool, slots ...valkey.SlotRange) model.MoveSlots {
	source, target := c.Shards[from][0], c.Shards[to][0]
	step := model.MoveSlots{From: source.ref(), FromID: source.ID(), To: target.ref(), ToID: target.ID(),
		Slots: modelSlots(slots...), Atomic: atomic}
	for i, shard := range c.Shards {
		if i != from && i != to {
			step.Others = append(step.Others, shard[0].ref())
		}
	}
	return step
}

// owns says whether every running node knows the slots at the shard's primary.
func (c *Cluster) owns(shard int, slots valkey.SlotRange) bool {
	id := c.Shards[shard][0].ID()
	for _, s := range c.Servers() {
		if n, _ := s.Sees(id); s.running() && !ownsAll(n, slots) {
			return false
		}
	}
	return true
}

func ownsAll(n valkey.ClusterNode, slots valkey.SlotRange) bool {
	return modelSlots(slots).Minus(modelSlots(n.Slots...)).Empty()
}

// fill puts keys of those writers' slots at a server: many, so that a move lasts.
func (w *ClusterWriters) fill(s *Server, each int) {
	w.t.Helper()
	for _, tag := range w.tags {
		s.Must("EVAL", `for i=1,tonumber(ARGV[1]) do redis.call('SET',KEYS[1]..':fill:'..i,i) end`, "1", tag, strconv.Itoa(each))
	}
}

func (w *ClusterWriters) filled(each int) int {
	w.t.Helper()
	found := 0
	for _, tag := range w.tags {
		route := &route{servers: w.servers, timeout: 10 * time.Second}
		args := []string{"EXISTS"}
		for i := range each {
			args = append(args, tag+":fill:"+strconv.Itoa(i+1))
		}
		n, _ := strconv.Atoi(route.must(w.t, args...))
		found += n
		route.close()
	}
	return found
}

// An operator that dies in the middle of a MIGRATE, or between any two commands, is
// followed by one that knows nothing of it.
func TestSlotsMoveKeyByKeyUnderWritersAlthoughTheOperatorDiesAgainAndAgain(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			slots := valkey.SlotRange{First: 0, Last: 5}
			w := StartClusterWriters(t, 2, c, slots)
			const each = 500
			w.fill(c.Shards[0][0], each)
			w.ResetGap()
			deaths := 0
			for ; !c.owns(1, slots); deaths++ {
				// Longer each time, so that it gets done however slow the machine is.
				moveFor(t, time.Duration(5+rand.IntN(10)+8*deaths)*time.Millisecond, c.moves(0, 1, false, slots))
			}
			c.changesItsMind(t, w.slot(0))
			w.WaitFor(100)
			w.Stop()
			t.Logf("%s: %d operators died, longest gap %v, clients saw %v", version, deaths, w.Gap(), w.Errors())
			if lost := w.Lost(); lost > 0 {
				t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
			}
			if found := w.filled(each); found != 2*each {
				t.Errorf("%d of %d other keys are there", found, 2*each)
			}
			if w.Errors()["ASK"] == 0 || deaths < 3 {
				t.Errorf("nobody was asked to ask elsewhere, or nobody died: %v, %d", w.Errors(), deaths)
			}
			c.noSlotIsOpen(t)
		})
	}
}

// moveFor is an operator that is gone after that time.
func moveFor(t *testing.T, life time.Duration, step model.MoveSlots) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), life)
	defer cancel()
	// A client's own limit is the context's, and may be noticed sooner.
	if _, err := do(ctx, step); err != nil && ctx.Err() == nil && !errors.Is(err, valkey.ErrTimeout) && !errors.Is(err, act.ErrChanged) {
		t.Fatalf("%s: %v", step, err)
	}
}

// changesItsMind: the second shard is to give the slot back, and in the middle of
// it is not to any more. What is half moved is brought to its end, and returns.
func (c *Cluster) changesItsMind(t *testing.T, slot int) {
	t.Helper()
	ctx := context.Background()
	source, target := c.Shards[1][0], c.Shards[0][0]
	must(t, target.Node().SetSlotImporting(ctx, slot, source.ID()))
	must(t, source.Node().SetSlotMigrating(ctx, slot, target.ID()))
	keys, err := source.Node().KeysInSlot(ctx, slot, 50)
	must(t, err)
	must(t, source.MigrationNode().MigrateKeys(ctx, target.keyMigration(keys...)))
	if n, err := target.Node().CountKeysInSlot(ctx, slot); n < 50 || err != nil {
		t.Fatalf("%d keys are half way, %v", n, err)
	}
	one := valkey.SlotRange{First: slot, Last: slot}
	for _, way := range [][2]int{{1, 0}, {0, 1}} {
		Eventually(t, fmt.Sprintf("slot %d is at shard %d", slot, way[1]), func() bool {
			moveFor(t, time.Second, c.moves(way[0], way[1], false, one))
			return c.owns(way[1], one)
		})
	}
}

func (w *ClusterWriters) slot(id int) int { return keySlot(strings.Trim(w.tags[id], "{}")) }

func (c *Cluster) noSlotIsOpen(t *testing.T) {
	t.Helper()
	for _, s := range c.Servers() {
		for _, n := range s.ClusterNodes() {
			if len(n.Migrating)+len(n.Importing) > 0 && n.Primary {
				t.Errorf("%s has open slots: %v %v", s.Addr(), n.Migrating, n.Importing)
			}
		}
	}
}

// Why a half-moved slot is brought to its end and never just closed.
func TestClosingAHalfMovedSlotHidesItsKeys(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			c := FormCluster(t, Spec{Version: version}, 3, 0)
			source, target := c.Shards[0][0], c.Shards[1][0]
			tag := hashTag(c.SlotsOf(0), 0)
			slot := keySlot(strings.Trim(tag, "{}"))
			source.Must("MSET", tag+"a", "1", tag+"b", "2")
			must(t, target.Node().SetSlotImporting(ctx, slot, source.ID()))
			must(t, source.Node().SetSlotMigrating(ctx, slot, target.ID()))
			must(t, source.MigrationNode().MigrateKeys(ctx, target.keyMigration(tag+"a")))
			if got := source.Must("GET", tag+"b"); got != "2" {
				t.Errorf("what has not moved is %q", got)
			}
			if _, err := source.Do("GET", tag+"a"); err == nil || !strings.HasPrefix(err.Error(), "ASK ") {
				t.Errorf("what has moved is answered with %v", err)
			}
			must(t, source.Node().SetSlotStable(ctx, slot))
			must(t, target.Node().SetSlotStable(ctx, slot))
			if got := source.Must("GET", tag+"a"); got != "" {
				t.Errorf("the key is %q, so closing the slot is no loss", got)
			}
			// The operator's way finds it again, and brings it where its slot goes.
			step := c.moves(0, 1, false, valkey.SlotRange{First: slot, Last: slot})
			perform(t, step)
			route := &route{servers: c.Servers(), timeout: time.Second}
			defer route.close()
			if a, b := route.must(t, "GET", tag+"a"), route.must(t, "GET", tag+"b"); a != "1" || b != "2" {
				t.Errorf("keys are %q and %q", a, b)
			}
		})
	}
}
