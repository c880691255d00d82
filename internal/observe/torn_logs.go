package observe

import (
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// mendEvery is how soon a server is asked again to write its append-only file anew.
const mendEvery = 10 * time.Second

// TornLogs remembers of which servers a write to the append-only file has failed. Once such
// a server can write again it goes on after a hole, and does not read that file when it
// starts (valkey 9.1 src/aof.c flushAppendOnlyFile, and the conformance tests): it would be
// lost to whoever restarts it. So it counts as one that writes its file until it has written
// a whole one. That is memory alone: what failed while no operator looked is not known. A nil
// one knows nothing.
type TornLogs struct {
	now  func() time.Time
	mu   sync.Mutex
	logs map[string]tornLog // by the UID of the pod
}

type tornLog struct {
	instance, run string
	// whole: writes succeed again, and no file is being written that began before.
	whole bool
	// rewrites are those that began before that, and asked is when the last was asked for.
	rewrites int64
	asked    time.Time
}

// NewTornLogs knows of none.
func NewTornLogs() *TornLogs { return &TornLogs{now: time.Now, logs: map[string]tornLog{}} }

// Note takes down what a server says, and marks it if its file is torn.
func (t *TornLogs) Note(instance, uid string, s *model.Server) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	log, known := t.logs[uid]
	switch {
	case s.Unsaved == model.UnsavedLog:
		t.logs[uid] = tornLog{instance: instance, run: s.RunID}
		return // that says enough
	case !known:
		return
	case log.run != s.RunID: // it has read the file, or there is another one
		delete(t.logs, uid)
		return
	case !log.whole && !s.Rewriting:
		log.whole, log.rewrites = true, s.Rewrites
	case log.whole && !s.Rewriting && s.Rewrites > log.rewrites && s.Unsaved == model.UnsavedNothing:
		delete(t.logs, uid)
		return
	}
	t.logs[uid] = log
	s.LogTorn, s.Rewriting = log.whole && !s.Rewriting, true
}

// Due says that a server is to be asked to write its file anew, and takes down that it is.
func (t *TornLogs) Due(uid string) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	log, known := t.logs[uid]
	if !known || t.now().Sub(log.asked) < mendEvery {
		return false
	}
	log.asked = t.now()
	t.logs[uid] = log
	return true
}

// Leave forgets a server that does not let itself be asked.
func (t *TornLogs) Leave(uid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.logs, uid)
}

// Keep forgets the pods of an instance that are not among uids.
func (t *TornLogs) Keep(instance string, uids map[string]bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for uid, log := range t.logs {
		if log.instance == instance && !uids[uid] {
			delete(t.logs, uid)
		}
	}
}
