package history

import "slices"

// Cut divides a cluster's history among its shards: an acknowledgement belongs
// to the shard of the server that gave it, what a writer wanted in vain to the
// shard that acknowledged that slot last. So a slot that moves goes on in another
// part, and each part is one primary's, or of several that followed each other.
// Whatever nobody is known for is in no part.
func (h *History) Cut(shardOf []int, shards int, owner *[Slots]int) []*History {
	parts := make([]*History, shards)
	for i := range parts {
		parts[i] = &History{RunIDs: h.RunIDs, End: h.End, Part: true}
		for _, w := range h.Writers {
			parts[i].Writers = append(parts[i].Writers, &Writer{ID: w.ID, Library: w.Library, Stopped: w.Stopped})
		}
	}
	for _, w := range h.Writers {
		for i := range w.Len() {
			r := w.At(i)
			if r.Server == Unattributed || shardOf[r.Server] == Nobody {
				continue
			}
			part := parts[shardOf[r.Server]].Writers[w.ID]
			if since := w.since(i); since != r.Send {
				part.AppendRetried(since, r)
			} else {
				part.Append(r)
			}
		}
		if w.Vain != nil && owner[w.Vain.Slot] != Nobody {
			parts[owner[w.Vain.Slot]].Writers[w.ID].Vain = w.Vain
		}
	}
	return parts
}

// Turn is a time in which one server acknowledged, in nanoseconds.
type Turn struct {
	Server   Server
	From, To int64
}

// Turns tells who acknowledged when, from one handover to the next.
func (h *History) Turns() []Turn {
	var turns []Turn
	last := int64(0)
	for a := range h.Acks() {
		if len(turns) == 0 && a.Server != Unattributed {
			turns = append(turns, Turn{Server: a.Server, From: a.Ack})
		}
		last = a.Ack
	}
	for _, o := range h.Handovers() {
		turns[len(turns)-1].To = o.Start
		turns = append(turns, Turn{Server: o.To, From: o.End})
	}
	if len(turns) > 0 {
		turns[len(turns)-1].To = last
	}
	return turns
}

// Spacing is how far apart two acknowledgements are as a rule: all but one in a
// hundred are at most that far, in nanoseconds. Shorter silences than that are
// the writers' own pace.
func (h *History) Spacing() int64 {
	var all []int64
	last := int64(-1)
	for a := range h.Acks() {
		if last >= 0 {
			all = append(all, a.Ack-last)
		}
		last = a.Ack
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return percentile(all, 99)
}
