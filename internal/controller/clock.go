package controller

import "time"

// clock tells the time; nil is the real one.
type clock func() time.Time

func (c clock) now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c()
}

func (c clock) since(t time.Time) time.Duration { return c.now().Sub(t) }
