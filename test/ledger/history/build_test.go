package history

// ms is a millisecond in the unit of this package.
const ms = int64(1e6)

// write is one acknowledged write of a hand-made history: who, from when to
// when (in ms), which server acknowledged it, and in which slot of a cluster.
type write struct {
	writer    int
	send, ack int64
	server    Server
	slot      uint16
}

// made builds a history that ends at end ms from writes listed in any order of
// writers, but in order within each writer.
func made(end int64, writes ...write) *History {
	h := &History{End: end * ms}
	for _, x := range writes {
		for len(h.Writers) <= x.writer {
			h.Writers = append(h.Writers, &Writer{ID: len(h.Writers), Stopped: end * ms})
		}
		w := h.Writers[x.writer]
		w.Append(Record{Send: x.send * ms, Ack: x.ack * ms, Seq: uint32(w.Len()), Server: x.server, Slot: x.slot})
		for x.server != Unattributed && len(h.RunIDs) <= int(x.server) {
			h.RunIDs = append(h.RunIDs, string(rune('A'+len(h.RunIDs))))
		}
	}
	return h
}

// A and B are two servers.
const (
	A Server = iota
	B
	C
)

// steady is a writer that has a write acknowledged every step ms.
func steady(writer int, from, to, step int64, server Server) []write {
	var out []write
	for t := from; t <= to; t += step {
		out = append(out, write{writer, t - 1, t, server, 0})
	}
	return out
}

func join(parts ...[]write) []write {
	var out []write
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
