package topology

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

const (
	// batch is how many slots one migration moves: many make few interruptions,
	// few keep what is repeated after a failure small.
	batch = 1024
	// tolerated is by how many parts of a hundred a shard may differ from its even
	// share.
	tolerated = 2
	// mapsKept is how long clients go by a map of the slots that they have no cause
	// to doubt: libraries that ask again by themselves do so once a minute.
	mapsKept = time.Minute
	// moveAgain is the wait after a migration that failed.
	moveAgain = 5 * time.Second
)

// Reshard gives away what other shards ought to have, one batch after the other,
// and lets a shard go that has given all.
func (c cluster) Reshard(shard model.Shard) model.Decision {
	if c.emptied(shard) {
		return c.depart(shard)
	}
	primary, ok := shard.Primary()
	if !ok || !c.joined(primary) {
		return model.Decision{}
	}
	if d := c.underWay(shard, primary); d.Made() {
		return d
	}
	if d := c.nextMove(shard, primary); d.Made() {
		return d
	}
	return c.cover(shard, primary)
}

// underWay goes on with what has begun, or calls it off when it is not wished
// for any more.
func (c cluster) underWay(shard model.Shard, primary model.Node) model.Decision {
	for _, move := range primary.Server.Cluster.Moves {
		if move.State != model.MoveRuns {
			continue
		}
		to, known := c.byID(move.To)
		if known && !c.wants(shard.Name, to.shard) {
			return model.Do(model.CancelMoves{Node: primary.Ref, Why: to.shard + " is not to have them any more"})
		}
		return model.Wait(hold(shard, model.SlotsMoving, primary.Name, fmt.Sprintf("%d slots are on their way to %s", move.Slots.Count(), to.shard)))
	}
	slot, id, open := c.openSlot(primary)
	if !open {
		return model.Decision{}
	}
	to, known := c.byID(id)
	if !known || !c.joined(to.node) {
		return model.Wait(hold(shard, model.SlotsMoving, primary.Name, fmt.Sprintf(
			"slot %d is half moved, and the other end is not there; if that is gone for good, run CLUSTER SETSLOT %d STABLE on it", slot, slot)))
	}
	step := c.move(primary, to, model.NewSlots(model.SlotRange{First: slot, Last: slot}), false)
	step.Begun = true
	return model.Do(step)
}

// openSlot is the lowest slot of a primary that is being moved key by key,
// seen from either end.
func (c cluster) openSlot(primary model.Node) (slot int, to string, ok bool) {
	self, _ := primary.Server.Cluster.Self()
	open := maps.Clone(self.Giving)
	if open == nil {
		open = map[int]string{}
	}
	for _, m := range c.members {
		for s, from := range m.self.Taking {
			if from == self.ID && self.Slots.Has(s) {
				open[s] = m.id()
			}
		}
	}
	if len(open) == 0 {
		return 0, "", false
	}
	slot = slices.Min(slices.Collect(maps.Keys(open)))
	return slot, open[slot], true
}

// nextMove is the next batch that leaves the shard, if any does.
func (c cluster) nextMove(shard model.Shard, primary model.Node) model.Decision {
	flows, missing := c.flows()
	for _, f := range flows {
		if f.from != shard.Name {
			continue
		}
		if missing != "" {
			return model.Wait(hold(shard, model.OtherShards, "", fmt.Sprintf("%d slots are to move; %s has no primary yet", f.count, missing)))
		}
		if holds := c.RestartGates(shard); len(holds) > 0 {
			return model.Wait(holds...)
		}
		other, _ := c.shard(f.to)
		if h, ok := c.moving(other); ok {
			h.Shard = shard.Name
			return model.Wait(h)
		}
		target, _ := other.Primary()
		to, ok := c.byID(target.Server.Cluster.ID)
		if !ok {
			return model.Decision{}
		}
		if h, ok := recentFailure(shard, primary, to.id()); ok {
			return model.Wait(h)
		}
		slots := primary.Server.Owned().Highest(min(f.count, batch))
		return model.Do(c.move(primary, to, slots, atomic(primary, to.node)))
	}
	return model.Decision{}
}

func (c cluster) move(primary model.Node, to member, slots model.Slots, atomically bool) model.MoveSlots {
	step := model.MoveSlots{From: primary.Ref, FromID: primary.Server.Cluster.ID, To: to.node.Ref, ToID: to.id(), Toward: to.shard,
		Slots: slots, Atomic: atomically}
	for _, s := range c.snap.Shards {
		if p, ok := s.Primary(); ok && p.Name != primary.Name && p.Name != to.node.Name && c.joined(p) {
			step.Others = append(step.Others, p.Ref)
		}
	}
	return step
}

// atomic says that both ends can move slots at once.
func atomic(a, b model.Node) bool {
	return model.ParseVersion(a.Server.Version).MovesAtomically() && model.ParseVersion(b.Server.Version).MovesAtomically()
}

func recentFailure(shard model.Shard, primary model.Node, to string) (model.Hold, bool) {
	for _, move := range primary.Server.Cluster.Moves {
		if move.To == to && move.State == model.MoveFailed && move.Ago < moveAgain {
			h := hold(shard, model.SlotMoveFailed, primary.Name, fmt.Sprintf("the migration of slots %s failed: %s", move.Slots, move.Message))
			h.After = moveAgain - move.Ago
			return h, true
		}
	}
	return model.Hold{}, false
}

// flow is how many slots are to go from one shard to another.
type flow struct {
	from, to string
	count    int
}

// wants says whether slots are still to go that way. While a shard cannot be
// seen nothing is called off.
func (c cluster) wants(from, to string) bool {
	flows, missing := c.flows()
	gives := slices.ContainsFunc(flows, func(f flow) bool { return f.from == from })
	takes := slices.ContainsFunc(flows, func(f flow) bool { return f.to == to })
	return missing != "" || (gives && takes)
}

// share is what a shard has, and what it ought to have.
type share struct {
	shard      string
	leaving    bool
	have, want int
}

// flows are the fewest slots that have to move for every shard to have its even
// share, and the name of a shard that cannot take part yet. There are none while
// all are near enough.
func (c cluster) flows() (out []flow, missing string) {
	shares, missing, far := c.shares()
	if !far {
		return nil, ""
	}
	to := 0
	for from := range shares {
		for shares[from].have > shares[from].want {
			for to < len(shares) && shares[to].have >= shares[to].want {
				to++
			}
			if to == len(shares) {
				return out, missing
			}
			n := min(shares[from].have-shares[from].want, shares[to].want-shares[to].have)
			out = append(out, flow{from: shares[from].shard, to: shares[to].shard, count: n})
			shares[from].have -= n
			shares[to].have += n
		}
	}
	return out, missing
}

// shares lists what every shard has, or had when it was last seen, and names one
// that stays and cannot be seen. Those that have most get the slots that cannot
// be divided. far says that one of them is too far from its share.
func (c cluster) shares() (out []share, missing string, far bool) {
	for _, s := range c.snap.Shards {
		one := share{shard: s.Name, leaving: s.Leaving, have: s.Memory.Slots.Count()}
		if primary, ok := s.Primary(); ok && c.joined(primary) {
			one.have = primary.Server.Owned().Count()
		} else if !s.Leaving {
			missing = s.Name
		}
		out = append(out, one)
	}
	var staying []*share
	for i := range out {
		if !out[i].leaving {
			staying = append(staying, &out[i])
			continue
		}
		far = far || out[i].have > 0
	}
	slices.SortStableFunc(staying, func(a, b *share) int { return cmp.Compare(b.have, a.have) })
	for i, s := range staying {
		s.want = model.EvenCount(i, len(staying))
		off := max(s.have-s.want, s.want-s.have)
		far = far || (off > 1 && off*100 > tolerated*s.want)
	}
	return out, missing, far
}

// cover gives slots that nobody serves, and that no shard could come back with,
// to the shard that has the fewest. A shard without a primary may have taken some
// since it was last seen.
func (c cluster) cover(shard model.Shard, primary model.Node) model.Decision {
	shares, missing, _ := c.shares()
	if missing != "" || shard.Leaving {
		return model.Decision{}
	}
	for _, s := range c.snap.Shards {
		if p, ok := s.Primary(); len(s.Nodes) > 0 && (!ok || !c.joined(p)) {
			return model.Decision{}
		}
	}
	orphans := everything().Minus(c.owned())
	for _, s := range c.snap.Shards {
		if p, ok := s.Primary(); !ok || !c.joined(p) {
			orphans = orphans.Minus(s.Memory.Slots)
		}
	}
	shares = slices.DeleteFunc(shares, func(s share) bool { return s.leaving })
	poorest := slices.MinFunc(shares, func(a, b share) int { return cmp.Compare(a.have, b.have) })
	if orphans.Empty() || poorest.shard != shard.Name {
		return model.Decision{}
	}
	if !c.snap.Policy.ReassignEmpty || !c.allSeen() { // the status may have been lost, too
		orphans = orphans.Minus(c.claimed())
	}
	if orphans.Empty() {
		return model.Decision{}
	}
	return model.Do(model.AddSlots{Node: primary.Ref, Slots: orphans, Why: "nobody serves them"})
}

// claimed are the slots that, as somebody knows, are those of a member that does
// not answer.
func (c cluster) claimed() model.Slots {
	var all model.Slots
	for _, m := range c.members {
		for _, other := range m.view {
			if _, answers := c.byID(other.ID); !answers {
				all = all.Plus(other.Slots)
			}
		}
	}
	return all
}

// depart lets the shard go in three steps: it answers for a while where its slots
// are; then all others forget it, so that clients who ask are no longer sent
// there; and then its pods go.
func (c cluster) depart(shard model.Shard) model.Decision {
	if d := c.linger(shard); d.Made() {
		return d
	}
	gone := c.departed()
	for _, m := range c.members {
		if s, ok := c.shard(m.shard); !ok || c.departing(s) {
			continue
		}
		for _, id := range gone {
			if other, knows := m.view[id]; knows && !other.Handshake {
				return model.Wait(hold(shard, model.OtherShards, m.node.Name, "it has not forgotten the shard's nodes yet"))
			}
		}
	}
	return model.Do(model.Scale{From: shard.Size, To: 0})
}

func (c cluster) linger(shard model.Shard) model.Decision {
	var last model.Node
	for _, n := range shard.Nodes {
		if c.lingers(n) > 0 && !n.Draining {
			return model.Do(model.Drain{Node: n.Ref, Start: true})
		}
		if c.lingers(n) > c.lingers(last) {
			last = n
		}
	}
	if last.Name == "" {
		return model.Decision{}
	}
	wait := hold(shard, model.ClientsLeaving, last.Name, "its slots are elsewhere; clients that do not know that yet are told so")
	wait.After = c.lingers(last)
	return model.Wait(wait)
}
