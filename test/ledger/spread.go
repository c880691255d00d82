package ledger

import "github.com/valkeeper/valkeeper/test/ledger/history"

// spread says which slot of a cluster a writer writes to next.
//
// All writers together write to all slots, each equally often. A single one
// keeps to two adjacent shares of them: were each writer to go through all slots,
// one shard that is paused would hold up all writers within a few milliseconds,
// and the others would seem silent as well. Shares and not shards, because slots
// move. Each share has two writers, one of each library.
//
// Within its shares a writer takes steps of about the golden ratio. So however
// the slots are divided, each shard gets its writes at an even pace; taken at
// random, a third of the slots would now and then be left out for 15 ms at 2,000
// writes a second.
type spread struct{ first, size, step, at int }

func newSpread(writer, writers int) *spread {
	first := writer * history.Slots / writers
	end := min(writer+2, writer+writers) * history.Slots / writers
	return &spread{first: first, size: end - first, step: golden(end - first)}
}

// slot is where to write now. It stays until advance: a writer that could not
// write to a slot tries the same one again.
func (s *spread) slot() uint16 {
	return uint16((s.first + s.at) % history.Slots)
}

func (s *spread) advance() { s.at = (s.at + s.step) % s.size }

// golden is a step that goes through 0 to n-1 evenly and leaves nothing out: the
// number with no common divisor next to n times the golden ratio.
func golden(n int) int {
	step := int(float64(n) * 0.6180339887)
	for ; step > 1 && divisor(n, step) != 1; step-- {
	}
	return max(step, 1)
}

// divisor is the greatest common divisor.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
