package explore

import "strings"

// Kind is what happens. Its text has %s where it says to whom.
type Kind interface {
	~uint8
	Text() string
}

// Move is one thing that happens.
type Move[K Kind] struct {
	Kind K
	// Whom it happens to, or what it is; empty for a kind that needs neither.
	Whom string
}

func (m Move[K]) String() string { return strings.Replace(m.Kind.Text(), "%s", m.Whom, 1) }
