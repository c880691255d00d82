package history

import (
	"strconv"
	"strings"
)

// Keys derives every key and value of a run from a writer's number and a
// sequence number, in a cluster from the slot too. No key is written twice, so a
// key that is there with its value proves its write, and a key that is missing
// disproves it.
type Keys struct {
	// Prefix starts every key of the run and is unique to it, so that what an
	// earlier run left behind is never taken for this run's.
	Prefix string
	// ValueSize is the length of a value in bytes. Values are longer if the key
	// does not fit, as each starts with its key.
	ValueSize int
	// Slotted keys say in braces which slot they are in.
	Slotted bool
}

// Key is the key of one write.
func (k Keys) Key(writer int, seq uint32) string {
	return string(k.numbers(append(make([]byte, 0, len(k.Prefix)+20), k.Prefix...), writer, seq))
}

// In is the key of one write into a slot of a cluster.
func (k Keys) In(slot uint16, writer int, seq uint32) string {
	b := append(make([]byte, 0, len(k.Prefix)+28), k.Prefix...)
	b = append(b, ":{"...)
	b = append(b, tags()[slot]...)
	return string(k.numbers(append(b, '}'), writer, seq))
}

// Of is the key of a record.
func (k Keys) Of(writer int, r Record) string {
	if k.Slotted {
		return k.In(r.Slot, writer, r.Seq)
	}
	return k.Key(writer, r.Seq)
}

func (k Keys) numbers(b []byte, writer int, seq uint32) []byte {
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(writer), 10)
	b = append(b, ':')
	return strconv.AppendUint(b, uint64(seq), 10)
}

// Value is the value that belongs to a key: the key, and then filling up to
// ValueSize. It tells a value of another key, of another run, or one cut short.
func (k Keys) Value(key string) string {
	fill := k.ValueSize - len(key) - 1
	if fill < 0 {
		fill = 0
	}
	return key + "=" + strings.Repeat(".", fill)
}
