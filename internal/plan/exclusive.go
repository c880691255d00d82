package plan

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// exclude is the one rule by which the shards of an instance wait for each
// other. Healing never does.
//
//   - A rollout, or a scaling in, works in at most ParallelShards shards at a
//     time. A shard in which something is down or on its way counts, whatever
//     the cause; and so does one whose rollout has begun and not ended, for
//     those in which none has begun. The extra node of a rollout is its beginning,
//     and its leaving the end: only as many shards have one.
//   - A primary that leaves a host which is to be emptied, or whose pod is on its way
//     out, is at work as well, but waits for nobody else: the drain of a host must not
//     wait for what it has sent away. That no two fail over at once is the topology's
//     gate.
//   - Slots move only between shards in which nothing else is going on, and
//     nothing else begins there meanwhile: a failover of either end fails the
//     migration. Rollouts go first; newer servers move slots better. So does a primary
//     that has to go: batch would follow batch until all slots have moved.
//
// What runs already is seen (topology's gates); this is about what begins now.
func exclude(snap model.Snapshot, decisions []model.Decision) {
	if len(decisions) < 2 {
		return
	}
	working := named(snap.Shards, atWork)
	halfway := named(snap.Shards, func(s model.Shard) bool { return begun(s) || surged(snap.Policy, s) })
	rolls := slices.ContainsFunc(snap.Shards, func(s model.Shard) bool { return hasStale(snap.Policy, s) })
	gone := leavers(snap.Shards, decisions)
	for i, shard := range snap.Shards {
		switch step := decisions[i].Step.(type) {
		case model.MoveSlots:
			if d, wait := movesLater(shard, step, rolls, slices.Concat(working, gone)); wait {
				decisions[i] = later(d, decisions[i])
			}
		default:
			if !begins(snap.Policy, shard, step) {
				continue
			}
			if leaving(shard, step) {
				break // no batch goes there (gone), and what is half moved is a gate of its own
			}
			if d, wait := worksLater(snap.Policy, shard, foremost(snap.Shards, shard, working), halfway); wait {
				decisions[i] = later(d, decisions[i])
			}
		}
		working = append(working, taken(snap.Policy, shard, decisions[i].Step, working)...)
	}
}

// later waits instead of a step. What stood beside the step still does.
func later(wait, step model.Decision) model.Decision {
	return model.Wait(append(wait.Holds, step.Holds...)...)
}

// named are the names of the shards of which something is true, in order.
func named(shards []model.Shard, is func(model.Shard) bool) []string {
	var names []string
	for _, shard := range shards {
		if is(shard) {
			names = append(names, shard.Name)
		}
	}
	return names
}

// taken are the shards that a step sets to work, beside those that are.
func taken(policy model.Policy, shard model.Shard, step model.Step, working []string) []string {
	if !begins(policy, shard, step) {
		return nil
	}
	ends := []string{shard.Name}
	if move, ok := step.(model.MoveSlots); ok {
		ends = append(ends, move.Toward)
	}
	return slices.DeleteFunc(ends, func(name string) bool { return slices.Contains(working, name) })
}

// leaving says that a step hands over a primary that has to go for a cause outside of its
// instance.
func leaving(shard model.Shard, step model.Step) bool {
	h, ok := step.(model.Handover)
	if !ok {
		return false
	}
	n, ok := shard.Node(h.From.Name)
	return ok && (n.Evacuate != "" || n.Phase == model.PodTerminating)
}

// leavers are the shards whose primaries do so now.
func leavers(shards []model.Shard, decisions []model.Decision) []string {
	var names []string
	for i, shard := range shards {
		if leaving(shard, decisions[i].Step) {
			names = append(names, shard.Name)
		}
	}
	return names
}

// begins says that a step takes something away from a shard that serves, or adds the
// extra node with which its rollout begins. A node
// that is down already has nothing that could be taken: its restart is healing. Nor
// has a shard that serves no slot any more.
func begins(policy model.Policy, shard model.Shard, step model.Step) bool {
	if shard.Emptied() {
		return false
	}
	switch s := step.(type) {
	case model.Handover, model.MoveSlots:
		return true
	case model.Restart:
		n, ok := shard.Node(s.Node.Name)
		return ok && !n.Down()
	case model.Drain:
		return s.Start
	case model.Scale:
		// Without a primary it is called back, or started to be compared.
		return s.To < s.From || (addsExtra(policy, s) && len(shard.Primaries()) > 0)
	default:
		return false
	}
}

// atWork says that a shard has not all of its copies in service.
func atWork(shard model.Shard) bool {
	if len(shard.Nodes) == 0 || shard.Emptied() {
		return false
	}
	primary, ok := shard.Primary()
	if !ok || primary.Server.FailingOver || draining(shard) {
		return true
	}
	return slices.ContainsFunc(shard.Nodes, func(n model.Node) bool {
		return n.Down() || (n.Name != primary.Name && !model.Attached(primary, n))
	})
}

func draining(shard model.Shard) bool {
	return slices.ContainsFunc(shard.Nodes, func(n model.Node) bool { return n.Draining })
}

func hasStale(policy model.Policy, shard model.Shard) bool {
	return !policy.Paused && slices.ContainsFunc(shard.Nodes, shard.Stale)
}

// midway says that a rollout has begun in a shard and has not ended: what is
// wrong with the change is found in one shard, not in each.
func midway(shard model.Shard) bool {
	return slices.ContainsFunc(shard.Nodes, shard.Stale) &&
		slices.ContainsFunc(shard.Nodes, shard.Fresh)
}

// begun says that a rollout is midway in a shard, or that a node of it is drained. One that
// has given everything away only answers for a while where that is.
func begun(shard model.Shard) bool { return midway(shard) || (draining(shard) && !shard.Emptied()) }

// foremost are the shards at work that a shard waits for. A drain may have begun in two
// at the same time, by a look that had not seen the other's: then the first of them goes
// on, as long as nothing but that is going on in the other. Else each would wait for the
// other.
func foremost(shards []model.Shard, shard model.Shard, working []string) []string {
	if !draining(shard) {
		return working
	}
	yields := named(shards, func(other model.Shard) bool {
		return other.Index > shard.Index && draining(other) && !atWork(undrained(other))
	})
	return slices.DeleteFunc(slices.Clone(working), func(name string) bool { return slices.Contains(yields, name) })
}

// undrained is a shard as it would be without its drains.
func undrained(shard model.Shard) model.Shard {
	shard.Nodes = slices.Clone(shard.Nodes)
	for i := range shard.Nodes {
		shard.Nodes[i].Draining = false
	}
	return shard
}

// worksLater holds when as many other shards are at work as may be. Those that
// are midway wait only for those in which something is down or on its way: two
// of them, left by a bound that was lowered, would else wait for each other.
func worksLater(policy model.Policy, shard model.Shard, working, halfway []string) (model.Decision, bool) {
	others := slices.Clone(working)
	if !slices.Contains(halfway, shard.Name) {
		others = append(others, halfway...)
	}
	slices.Sort(others)
	others = slices.DeleteFunc(slices.Compact(others), func(name string) bool { return name == shard.Name })
	if len(others) < max(1, policy.ParallelShards) {
		return model.Decision{}, false
	}
	atOnce := "one shard"
	if policy.ParallelShards > 1 {
		atOnce = fmt.Sprintf("up to %d shards", policy.ParallelShards)
	}
	return hold(shard, model.OtherShards, "", fmt.Sprintf("%s is at work; a rollout works in %s at a time", others[0], atOnce)), true
}

// movesLater holds while anything else is going on at either end. What is half
// moved is gone on with.
func movesLater(shard model.Shard, step model.MoveSlots, rolls bool, working []string) (model.Decision, bool) {
	if step.Begun {
		return model.Decision{}, false
	}
	if rolls {
		return hold(shard, model.RolloutFirst, "", fmt.Sprintf("%d slots are to move to %s once every pod runs the newest revision",
			step.Slots.Count(), step.Toward)), true
	}
	for _, end := range []string{shard.Name, step.Toward} {
		if slices.Contains(working, end) {
			return hold(shard, model.OtherShards, "", fmt.Sprintf("slots are to move to %s, and %s is at work", step.Toward, end)), true
		}
	}
	return model.Decision{}, false
}
