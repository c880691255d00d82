package history

import (
	"strconv"
	"strings"
)

// Keys derives every key and value of a run from a writer's number and a
// sequence number. No key is written twice, so a key that is there with its
// value proves its write, and a key that is missing disproves it.
type Keys struct {
	// Prefix starts every key of the run and is unique to it, so that what an
	// earlier run left behind is never taken for this run's.
	Prefix string
	// ValueSize is the length of a value in bytes. Values are longer if the key
	// does not fit, as each starts with its key.
	ValueSize int
}

// Key is the key of one write.
func (k Keys) Key(writer int, seq uint32) string {
	b := make([]byte, 0, len(k.Prefix)+20)
	b = append(b, k.Prefix...)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(writer), 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(seq), 10)
	return string(b)
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
