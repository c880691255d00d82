package act

import (
	"sync"
	"time"
)

// turnLength is how long a turn lasts at most: kube-proxy moves Services at most
// once a second, so a role that moves just after another one reaches its clients
// late. A handover that takes longer than that keeps nobody else waiting.
const turnLength = time.Second

// Turns lets the handovers of this operator begin one after another.
type Turns struct {
	mu    sync.Mutex
	now   func() time.Time
	count int
	since time.Time // of the turn that runs; zero for none
}

// NewTurns has no turn running.
func NewTurns() *Turns { return &Turns{now: time.Now} }

// Take gives a function that ends the turn, or false when another instance has
// it: then come again soon.
func (t *Turns) Take() (end func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.since.IsZero() && t.now().Sub(t.since) < turnLength {
		return nil, false
	}
	t.count++
	t.since = t.now()
	mine := t.count
	return func() { t.finish(mine) }, true
}

// finish ends a turn, unless its time was up and another one has begun.
func (t *Turns) finish(turn int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if turn == t.count {
		t.since = time.Time{}
	}
}
