package history

// Nobody is the shard of a server, or of a slot, that is not known.
const Nobody = -1

// Ownership is which shard of a cluster acknowledged which slot.
type Ownership struct {
	// First and Owner are the shards that acknowledged each slot first and last.
	First, Owner [Slots]int
	// Moves are the slots that went from one shard to another.
	Moves []Move
	// Contested counts acknowledgements in slots that went to and fro: to the
	// same shard for the third time or more.
	Contested int
}

// Move sums up the slots that went from one shard to another.
type Move struct {
	From, To, Slots int
	// First and Last are when the new shard acknowledged the first of them for
	// the first time, and the last of them, in nanoseconds.
	First, Last int64
}

// turnsOfSlot is how often one slot may come to the same shard: in the
// beginning, and back again after it had been moved away.
const turnsOfSlot = 2

// Owners follows each slot through a history. shardOf gives the shard of each
// server.
//
// Slots may move between shards, and may move back, as in a scale-out that is
// taken back. From outside that cannot be told from two shards that both own a
// slot, unless the slot goes to and fro: that is why turnsOfSlot are allowed. What
// two owners lose, reading back finds. Two primaries within one shard are another
// matter: those are found by Interleaved, in the shard's part.
func (h *History) Owners(shardOf []int) Ownership {
	o := owners{turns: map[[2]int]int{}, moves: map[[2]int]int{}}
	for s := range o.Owner {
		o.First[s], o.Owner[s] = Nobody, Nobody
	}
	for a := range h.Acks() {
		if a.Server != Unattributed && shardOf[a.Server] != Nobody {
			o.see(a, shardOf[a.Server])
		}
	}
	return o.Ownership
}

type owners struct {
	Ownership
	since [Slots]int64   // when the owner acknowledged first in its present turn
	turns map[[2]int]int // by slot and shard
	moves map[[2]int]int // place in Moves, by from and to
}

func (o *owners) see(a Ack, shard int) {
	slot, owner := int(a.Slot), o.Owner[a.Slot]
	if shard != owner {
		if owner != Nobody && a.Send <= o.since[slot] {
			return // it was under way when the slot moved
		}
		o.turns[[2]int{slot, shard}]++
		o.Owner[slot], o.since[slot] = shard, a.Ack
		if owner == Nobody {
			o.First[slot] = shard
		} else {
			o.move(owner, shard, a.Ack)
		}
	}
	if o.turns[[2]int{slot, shard}] > turnsOfSlot {
		o.Contested++
	}
}

func (o *owners) move(from, to int, at int64) {
	i, ok := o.moves[[2]int{from, to}]
	if !ok {
		i = len(o.Moves)
		o.moves[[2]int{from, to}] = i
		o.Moves = append(o.Moves, Move{From: from, To: to, First: at})
	}
	o.Moves[i].Slots++
	o.Moves[i].Last = at
}
