package explore

import (
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// maxHistories bounds how many histories a state knows, 0 for none among them.
const maxHistories = 64

// Renaming numbers histories in the order in which they are met, so that states that are
// alike but for those numbers are one.
type Renaming[H ~uint8] struct {
	names [maxHistories]H
	last  H
}

// Rename gives a history its new number; none stays none.
func (r *Renaming[H]) Rename(h *H) {
	if *h == 0 {
		return
	}
	if r.names[*h] == 0 {
		r.last++
		r.names[*h] = r.last
	}
	*h = r.names[*h]
}

// Attempt is the one at a handover.
type Attempt uint8

// What became of it.
const (
	AttemptNone Attempt = iota
	AttemptFailed
	AttemptWaited // its backoff has passed
)

// View is what is seen of it.
func (a Attempt) View() model.Attempt {
	switch a {
	case AttemptFailed:
		return model.Attempt{Failures: 1, Error: "it failed"}
	case AttemptWaited:
		return model.Attempt{Failures: 1, Since: time.Hour, Error: "it failed"}
	case AttemptNone:
	}
	return model.Attempt{}
}

// Histories are the names of those that are remembered.
func Histories[H ~uint8](known []H, names []string) (out []string) {
	for _, h := range known {
		if h != 0 {
			out = append(out, names[h])
		}
	}
	return out
}
