package observe

import (
	"sync"
	"time"
)

// patientEvery is how often a server that is known to be silent is waited for as
// long as any other: one that has become slow must not pass for silent for ever.
// In between it is only knocked at, so that nobody else waits for it and its return
// is seen at once.
const patientEvery = 2 * time.Second

// Silence remembers since when a server has not answered us, by the UID of its
// pod. It is memory alone: an operator that has just started has heard nobody for
// no time at all, and waits longer. A nil one knows nothing.
type Silence struct {
	now   func() time.Time
	mu    sync.Mutex
	since map[string]silence
}

type silence struct {
	instance string
	since    time.Time
	patient  time.Time
}

// NewSilence knows of no silence.
func NewSilence() *Silence { return &Silence{now: time.Now, since: map[string]silence{}} }

// ask is called when a question is put to a server. patient says that it is to be
// waited for as any other.
func (s *Silence) ask(uid string) (asked time.Time, patient bool) {
	if s == nil {
		return time.Time{}, true
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	was, silent := s.since[uid]
	if !silent {
		return now, true
	}
	if now.Sub(was.patient) < patientEvery {
		return now, false
	}
	was.patient = now
	s.since[uid] = was
	return now, true
}

// note takes down whether a server has answered the question that was put to it at
// that time, and says how long it had been silent by then: the silence begins with
// the first question that was not answered.
func (s *Silence) note(instance, uid string, answered bool, asked time.Time) time.Duration {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered {
		delete(s.since, uid)
		return 0
	}
	was, silent := s.since[uid]
	if !silent {
		s.since[uid] = silence{instance: instance, since: asked, patient: asked}
		return 0
	}
	return asked.Sub(was.since)
}

// Keep forgets the pods of an instance that are not among uids.
func (s *Silence) Keep(instance string, uids map[string]bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid, was := range s.since {
		if was.instance == instance && !uids[uid] {
			delete(s.since, uid)
		}
	}
}
