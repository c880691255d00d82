package act

import "sync"

// Turns lets one handover of this operator run at a time: kube-proxy moves
// Services at most once a second, so a role that moves just after another one
// reaches its clients late.
type Turns struct{ mu sync.Mutex }

// Take gives a function that ends the turn, or false when another instance has
// it: then come again soon.
func (t *Turns) Take() (end func(), ok bool) {
	if !t.mu.TryLock() {
		return nil, false
	}
	return t.mu.Unlock, true
}
