package history

// Handover is a change of the server that acknowledges, found in the history
// itself: nothing is taken from whoever caused it.
type Handover struct {
	From, To Server
	// Start is the last acknowledgement before To's first one, End that first
	// one, both in nanoseconds.
	Start, End int64
	// Gap is the longest time without any acknowledged write from Start until
	// the last writer that came over had its first write acknowledged by To. It
	// is at least End - Start, and longer if To's first acknowledgement was
	// followed by a longer silence.
	Gap Gap
	// WorstClient is the longest time that one writer went without an
	// acknowledged write on its way over (in a part: that it wanted to write and
	// could not), and Writer says which.
	WorstClient Gap
	Writer      int
	// Returned is set if To had acknowledged earlier in the run already.
	Returned bool
}

// Handovers returns the changes of the acknowledging server in order. A change
// counts when a server acknowledges that has not done so before, or when an
// earlier one acknowledges a write that was sent after its successor had
// acknowledged (then Interleaved is above 0, too). Late acknowledgements of
// writes that were under way at the change are no change back.
func (h *History) Handovers() []Handover {
	f := finder{h: h, seen: make([]bool, len(h.RunIDs)), lastAck: make([]int64, len(h.Writers))}
	for i := range f.lastAck {
		f.lastAck[i] = -1
	}
	for silence, a := range h.silences() {
		f.see(silence, a)
	}
	f.close(h.End)
	return f.found
}

// finder walks the acknowledgements once. While a handover is open it waits
// for each writer's first acknowledgement after the change.
type finder struct {
	h       *History
	seen    []bool
	current Server
	since   int64   // when current acknowledged first in its present turn
	last    int64   // the latest acknowledgement
	lastAck []int64 // the same for each writer, -1 before its first
	any     bool

	found   []Handover
	open    *Handover
	waiting []bool // writers that have not come over yet
	left    int
}

func (f *finder) see(silence Gap, a Ack) {
	if a.Server != Unattributed {
		f.turn(silence, a)
	}
	if f.open != nil {
		f.arrive(silence, a)
	}
	f.last, f.lastAck[a.Writer] = a.Ack, a.Ack
}

// turn decides whether a begins another server's turn.
func (f *finder) turn(silence Gap, a Ack) {
	switch {
	case !f.any:
		f.any = true
	case a.Server == f.current:
		return
	case f.seen[a.Server] && a.Send <= f.since:
		return // it was under way when the role moved
	default:
		f.close(a.Ack)
		f.begin(silence, a)
	}
	f.seen[a.Server] = true
	f.current, f.since = a.Server, a.Ack
}

func (f *finder) begin(silence Gap, a Ack) {
	f.open = &Handover{
		From: f.current, To: a.Server, Start: f.last, End: a.Ack,
		Gap: silence, Writer: -1, Returned: f.seen[a.Server],
	}
	f.waiting = make([]bool, len(f.h.Writers))
	f.left = 0
	for w := range f.waiting {
		// A writer without any acknowledgement has not been on From either.
		if f.lastAck[w] >= 0 {
			f.waiting[w] = true
			f.left++
		}
	}
}

// arrive notes an acknowledgement while a handover is open.
func (f *finder) arrive(silence Gap, a Ack) {
	if silence.Length() > f.open.Gap.Length() {
		f.open.Gap = silence
	}
	if !f.waiting[a.Writer] || a.Server != f.open.To {
		return
	}
	f.waiting[a.Writer] = false
	f.left--
	if f.h.Part {
		f.client(a.Writer, Gap{a.Since, a.Ack})
	} else {
		f.client(a.Writer, Gap{f.lastAck[a.Writer], a.Ack})
	}
	if f.left == 0 {
		f.found = append(f.found, *f.open)
		f.open = nil
	}
}

// client notes how long one writer took to come over.
func (f *finder) client(writer int, g Gap) {
	if g.Length() > f.open.WorstClient.Length() || f.open.Writer < 0 {
		f.open.WorstClient, f.open.Writer = g, writer
	}
}

// close ends an open handover at a time when some writers have not come over:
// they have waited at least until then.
func (f *finder) close(at int64) {
	if f.open == nil {
		return
	}
	for w, waits := range f.waiting {
		switch vain := f.h.Writers[w].Vain; {
		case !waits:
		case !f.h.Part:
			f.client(w, Gap{f.lastAck[w], min(at, f.stopped(w, at))})
		case vain != nil && vain.Since < at:
			f.client(w, Gap{vain.Since, f.stopped(w, at)})
		}
	}
	f.found = append(f.found, *f.open)
	f.open = nil
}

// stopped is when a writer stopped, or at if that is not known.
func (f *finder) stopped(writer int, at int64) int64 {
	if s := f.h.Writers[writer].Stopped; s > 0 {
		return s
	}
	return at
}
