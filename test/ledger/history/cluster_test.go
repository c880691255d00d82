package history

import (
	"slices"
	"testing"
)

// In these histories servers A and B are one shard's, C is another's.
var oneAndTwo = []int{0, 0, 1}

// in puts writes into a slot.
func in(slot uint16, writes ...write) []write {
	for i := range writes {
		writes[i].slot = slot
	}
	return writes
}

// cut is a history's two shards.
func cut(h *History) (one, two *History, owned Ownership) {
	for len(h.RunIDs) < len(oneAndTwo) {
		h.RunIDs = append(h.RunIDs, string(rune('A'+len(h.RunIDs))))
	}
	owned = h.Owners(oneAndTwo)
	parts := h.Cut(oneAndTwo, 2, &owned.Owner)
	return parts[0], parts[1], owned
}

func TestAHandoverInOneShardIsNoneInTheOther(t *testing.T) {
	one, two, owned := cut(made(200, join(
		in(7, steady(0, 10, 100, 10, A)...), in(7, steady(0, 140, 200, 10, B)...),
		in(9, steady(1, 10, 200, 10, C)...))...))
	got := one.Handovers()
	if len(got) != 1 || got[0].From != A || got[0].To != B || got[0].Start != 100*ms || got[0].End != 140*ms {
		t.Errorf("handovers %+v, want one from A to B", got)
	}
	if n := len(two.Handovers()); n != 0 || two.Acknowledged() != 20 || one.Acknowledged() != 17 {
		t.Errorf("%d handovers in the other shard; %d and %d acknowledged", n, one.Acknowledged(), two.Acknowledged())
	}
	if len(owned.Moves) != 0 || owned.Contested != 0 || one.Interleaved()+two.Interleaved() != 0 {
		t.Errorf("a handover was taken for %+v", owned.Moves)
	}
}

func TestTwoPrimariesOfOneShardInterleaveWhateverTheSlot(t *testing.T) {
	// No slot is acknowledged twice: A goes on with other slots than B's.
	var writes []write
	for i := range int64(20) {
		server := A
		if i >= 10 && i%2 == 0 {
			server = B
		}
		writes = append(writes, write{int(i % 2), 10*i + 9, 10*i + 10, server, uint16(100 + i)})
	}
	one, _, owned := cut(made(200, writes...))
	if n := one.Interleaved(); n != 5 {
		t.Errorf("interleaved %d, want the 5 of A after B's first", n)
	}
	if owned.Contested != 0 {
		t.Errorf("contested %d: the slots stay within the shard", owned.Contested)
	}
}

func TestASlotThatMigratesIsMovedAndNotFoughtOver(t *testing.T) {
	// Slot 1 moves at 100, slot 2 at 150: until then A goes on with slot 2 while C
	// has slot 1 already.
	one, two, owned := cut(made(300, join(
		in(1, steady(0, 10, 100, 10, A)...), in(1, steady(0, 110, 300, 10, C)...),
		in(2, steady(1, 15, 145, 10, A)...), in(2, steady(1, 155, 295, 10, C)...))...))
	if one.Interleaved() != 0 || two.Interleaved() != 0 || owned.Contested != 0 {
		t.Errorf("interleaved %d and %d, contested %d", one.Interleaved(), two.Interleaved(), owned.Contested)
	}
	if len(one.Handovers()) != 0 || len(two.Handovers()) != 0 {
		t.Errorf("handovers %+v and %+v", one.Handovers(), two.Handovers())
	}
	want := []Move{{From: 0, To: 1, Slots: 2, First: 110 * ms, Last: 155 * ms}}
	if !slices.Equal(owned.Moves, want) || owned.Owner[1] != 1 || owned.Owner[2] != 1 || owned.Owner[3] != Nobody {
		t.Errorf("moves %+v, want %+v", owned.Moves, want)
	}
	if g := one.Gaps(1); len(g) != 1 || g[0].Length() > 2*ms {
		t.Errorf("gaps %v in the shard that gave all its slots away: nobody wanted to write there", g)
	}
}

func TestALateAcknowledgementMovesNoSlotBack(t *testing.T) {
	_, _, owned := cut(made(200, join(
		in(1, steady(0, 10, 100, 10, A)...), in(1, write{1, 95, 130, A, 0}),
		in(1, steady(0, 110, 200, 10, C)...))...))
	if len(owned.Moves) != 1 || owned.Owner[1] != 1 {
		t.Errorf("moves %+v, want one", owned.Moves)
	}
}

func TestASlotMayComeBackOnceAndNotGoToAndFro(t *testing.T) {
	turns := func(servers ...Server) Ownership {
		var writes []write
		for i, s := range servers {
			from := int64(100 * i)
			writes = append(writes, in(1, steady(i%2, from+10, from+50, 10, s)...)...)
		}
		_, _, owned := cut(made(int64(100*len(servers)), writes...))
		return owned
	}
	if o := turns(A, C, A); o.Contested != 0 || len(o.Moves) != 2 {
		t.Errorf("a scale-out taken back: contested %d, moves %+v", o.Contested, o.Moves)
	}
	if o := turns(A, C, B, C); o.Contested != 0 {
		t.Errorf("out, back and out again: contested %d", o.Contested)
	}
	if o := turns(A, C, A, C, A, C); o.Contested != 10 {
		t.Errorf("two owners of one slot: contested %d, want the 10 of the last two turns", o.Contested)
	}
}

func TestASlowPaceIsNoGap(t *testing.T) {
	// One write in 100 ms, each acknowledged within 1 ms, but for the third, which
	// takes 30 ms.
	h := made(1000, join(in(7, write{0, 99, 100, A, 0}, write{0, 199, 200, A, 0}, write{0, 270, 300, A, 0}, write{0, 399, 400, A, 0}))...)
	one, _, _ := cut(h)
	if g := one.Gaps(1)[0]; g != (Gap{270 * ms, 300 * ms}) {
		t.Errorf("longest gap %v, want 270..300 ms", g)
	}
	if g, writer := one.WorstClient(); g != (Gap{270 * ms, 300 * ms}) || writer != 0 {
		t.Errorf("worst wait %v of writer %d", g, writer)
	}
	if s := one.Spacing(); s != 100*ms {
		t.Errorf("spacing %d ms, want 100", s/ms)
	}
}

func TestAGapInAPartBeginsWithTheFirstWhoWantsToWrite(t *testing.T) {
	// Writer 0 wants to write from 110 on and gets it at 200. Writer 1 wants it
	// from 120 on and gets it first, at 160.
	one, _, _ := cut(made(300, join(
		in(7, write{0, 99, 100, A, 0}, write{0, 110, 200, A, 0}), in(8, write{1, 120, 160, A, 0}))...))
	if g := one.Gaps(2); len(g) != 2 || g[0] != (Gap{110 * ms, 160 * ms}) || g[1] != (Gap{160 * ms, 200 * ms}) {
		t.Errorf("gaps %v, want 110..160 and 160..200 ms", g)
	}
}

func TestFailedAttemptsCountFromTheFirst(t *testing.T) {
	h := made(300, in(7, write{0, 99, 100, A, 0})...)
	h.Writers[0].AppendRetried(120*ms, Record{Send: 180 * ms, Ack: 181 * ms, Seq: 1, Server: B, Slot: 7})
	one, _, _ := cut(h)
	want := Gap{120 * ms, 181 * ms}
	if g, _ := one.WorstClient(); g != want || one.Gaps(1)[0] != want {
		t.Errorf("worst wait %v, gap %v, want %v", g, one.Gaps(1), want)
	}
	if o := one.Handovers(); len(o) != 1 || o[0].Gap != want || o[0].WorstClient != want || o[0].Start != 100*ms {
		t.Errorf("handovers %+v", o)
	}
}

func TestWhatIsWantedInVainIsAGapUntilTheEnd(t *testing.T) {
	h := made(900, join(in(7, write{0, 99, 100, A, 0}), in(9, steady(1, 10, 900, 10, C)...))...)
	h.Writers[0].Vain = &Vain{Since: 300 * ms, Slot: 7}
	one, two, _ := cut(h)
	want := Gap{300 * ms, 900 * ms}
	if g, writer := one.WorstClient(); g != want || writer != 0 || one.Gaps(1)[0] != want {
		t.Errorf("worst wait %v, gaps %v, want %v", g, one.Gaps(1), want)
	}
	if g, _ := two.WorstClient(); g.Length() != ms {
		t.Errorf("worst wait %v in the shard that was always there", g)
	}
}

func TestAWriterThatNeverComesOverHasWaitedInVain(t *testing.T) {
	h := made(900, join(
		in(7, steady(0, 10, 100, 10, A)...), in(8, steady(1, 10, 100, 10, A)...), in(7, steady(0, 120, 900, 10, B)...))...)
	one, _, _ := cut(h)
	if o := one.Handovers(); len(o) != 1 || o[0].Writer != 0 || o[0].WorstClient.Length() != ms {
		t.Errorf("handovers %+v: writer 1 wanted nothing any more", o)
	}
	h.Writers[1].Vain = &Vain{Since: 105 * ms, Slot: 8}
	one, _, _ = cut(h)
	if o := one.Handovers(); len(o) != 1 || o[0].Writer != 1 || o[0].WorstClient != (Gap{105 * ms, 900 * ms}) {
		t.Errorf("handovers %+v, want writer 1 stuck from 105 to 900 ms", o)
	}
}

func TestTurnsTellWhoAcknowledgedWhen(t *testing.T) {
	one, _, _ := cut(made(300, join(in(7, steady(0, 10, 100, 10, A)...), in(7, steady(0, 140, 200, 10, B)...))...))
	want := []Turn{{A, 10 * ms, 100 * ms}, {B, 140 * ms, 200 * ms}}
	if got := one.Turns(); !slices.Equal(got, want) {
		t.Errorf("turns %v, want %v", got, want)
	}
}

func TestOnlyTheKeysOfSomeSlotsAreCompared(t *testing.T) {
	h := made(300, join(in(7, steady(0, 10, 100, 10, A)...), in(8, steady(1, 10, 60, 10, A)...))...)
	keys := Keys{Prefix: "ledger:t", Slotted: true}
	var eight SlotSet
	eight[8] = true
	got, err := h.Compare(t.Context(), keys, &eight, &store{})
	if err != nil || got.Checked != 6 || got.Missing != 6 {
		t.Errorf("tally %+v, error %v, want the 6 of slot 8", got, err)
	}
}
