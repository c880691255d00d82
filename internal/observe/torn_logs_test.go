package observe

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// A server's words, one look after the other.
func TestALogIsTornFromAFailedWriteUntilAWholeOneIsWritten(t *testing.T) {
	type look struct {
		said model.Server
		torn bool // it is to be asked to write the file anew
		busy bool // it counts as one that writes it
	}
	failed := model.Server{RunID: "a", Unsaved: model.UnsavedLog, Rewrites: 3}
	fine := model.Server{RunID: "a", Rewrites: 3}
	writes, written := fine, fine
	writes.Rewriting, writes.Rewrites, written.Rewrites = true, 4, 4
	before := failed
	before.Rewriting = true
	began, ended := fine, fine
	began.Rewriting = true
	noRoom := written
	noRoom.Unsaved = model.UnsavedRewrite
	restarted := model.Server{RunID: "b"}
	again, thirdly := failed, written
	again.Rewrites, thirdly.Rewrites = 4, 5
	for name, looks := range map[string][]look{
		"none has failed":                     {{said: fine}, {said: writes, busy: true}, {said: written}},
		"it is written anew":                  {{said: fine}, {said: failed}, {fine, true, true}, {writes, false, true}, {said: written}},
		"faster than anybody looks":           {{said: failed}, {fine, true, true}, {said: written}},
		"what had begun before does not help": {{said: before, busy: true}, {began, false, true}, {ended, true, true}, {said: written}},
		"nor does what failed":                {{said: failed}, {fine, true, true}, {noRoom, true, true}, {noRoom, true, true}, {said: thirdly}},
		"a second failure":                    {{said: failed}, {fine, true, true}, {said: again}, {written, true, true}, {said: thirdly}},
		"the process has ended":               {{said: failed}, {fine, true, true}, {said: restarted}, {said: restarted}},
	} {
		logs := NewTornLogs()
		for i, l := range looks {
			s := l.said
			if logs.Note("shop/cart", "uid", &s); s.LogTorn != l.torn || s.Rewriting != l.busy {
				t.Errorf("%s, look %d: torn %t, busy %t", name, i, s.LogTorn, s.Rewriting)
			}
		}
	}
}

func TestAServerIsAskedNowAndThenToWriteItsLogAnew(t *testing.T) {
	logs, at := NewTornLogs(), now
	logs.now = func() time.Time { return at }
	if logs.Due("uid") {
		t.Error("nothing is known of it")
	}
	logs.Note("shop/cart", "uid", &model.Server{RunID: "a", Unsaved: model.UnsavedLog})
	first, second := logs.Due("uid"), logs.Due("uid")
	at = at.Add(mendEvery)
	if third := logs.Due("uid"); !first || second || !third {
		t.Errorf("%t %t %t", first, second, third)
	}
	logs.Keep("shop/other", nil)
	logs.Keep("shop/cart", map[string]bool{"uid": true})
	at = at.Add(mendEvery)
	if !logs.Due("uid") {
		t.Error("it was forgotten")
	}
	logs.Keep("shop/cart", nil)
	if at = at.Add(mendEvery); logs.Due("uid") {
		t.Error("its pod is no more")
	}
	var nobody *TornLogs
	nobody.Note("shop/cart", "uid", &model.Server{})
	nobody.Keep("shop/cart", nil)
	if nobody.Due("uid") {
		t.Error("a nil one knows nothing")
	}
}
