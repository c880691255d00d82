package ledger

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

func TestEachSlotHasTwoWritersAndNoneIsLeftOut(t *testing.T) {
	for _, writers := range []int{2, 3, 4, 7, 16, 24, 100} {
		var visits [history.Slots]map[int]bool
		for w := range writers {
			s := newSpread(w, writers)
			for range s.size {
				slot := s.slot()
				if visits[slot] == nil {
					visits[slot] = map[int]bool{}
				}
				if visits[slot][w] {
					t.Fatalf("%d writers: writer %d comes to slot %d again before it was everywhere", writers, w, slot)
				}
				visits[slot][w] = true
				s.advance()
			}
		}
		for slot, by := range visits {
			if len(by) != 2 {
				t.Fatalf("%d writers: slot %d is written by %d of them", writers, slot, len(by))
			}
		}
	}
}

func TestAWriterStaysAtASlotUntilItGotThrough(t *testing.T) {
	s := newSpread(3, 16)
	before := s.slot()
	if s.slot() != before {
		t.Error("it went on by itself")
	}
	if s.advance(); s.slot() == before {
		t.Error("it did not go on")
	}
}

// TestEachShardGetsItsWritesAtAnEvenPace lets all writers write at their moments,
// and looks for the longest time without a write in any shard.
func TestEachShardGetsItsWritesAtAnEvenPace(t *testing.T) {
	const rounds = 3000
	for _, c := range []struct{ writers, shards, most int }{
		{16, 2, 6}, {16, 3, 9}, {16, 5, 16}, {16, 6, 19}, {24, 3, 12}, {24, 6, 18}, {4, 3, 9},
	} {
		r := &Run{config: Config{Cluster: true, Writers: c.writers}}
		at := make([]int, c.writers) // which writer has each moment of a round
		spreads := make([]*spread, c.writers)
		for w := range c.writers {
			at[r.place(w)], spreads[w] = w, newSpread(w, c.writers)
		}
		last := make([]int, c.shards)
		longest := 0
		for n := range rounds * c.writers {
			s := spreads[at[n%c.writers]]
			shard := int(s.slot()) * c.shards / history.Slots
			longest = max(longest, n-last[shard])
			last[shard] = n
			s.advance()
		}
		if longest > c.most {
			t.Errorf("%d writers, %d shards: one shard is left out for %d writes, want at most %d", c.writers, c.shards, longest, c.most)
		}
		t.Logf("%d writers, %d shards: at most every %d-th write, %s at 2,000 a second", c.writers, c.shards, longest, time.Duration(longest)*500*time.Microsecond)
	}
}

func TestTheWritersMomentsAreAllDifferent(t *testing.T) {
	for _, writers := range []int{1, 2, 3, 4, 16, 24, 100} {
		r := &Run{config: Config{Cluster: true, Writers: writers}}
		seen := map[int]bool{}
		for w := range writers {
			seen[r.place(w)] = true
		}
		if len(seen) != writers {
			t.Errorf("%d writers share %d moments", writers, len(seen))
		}
	}
}
