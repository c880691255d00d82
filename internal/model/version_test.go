package model_test

import (
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
)

func TestVersionsAreComparedByTheNumbersThatBothHave(t *testing.T) {
	for _, c := range []struct {
		a, b          string
		earlier, line bool
	}{
		{"8.1.1", "9.1.2", true, true},
		{"9.1.2", "8.1.1", false, false},
		{"9.1.1", "9.1.2", true, false},
		{"9.9.0", "9.10.0", true, true},
		{"8.1", "8.1.1", false, false},
		{"8.1", "9", true, true},
		{"9.1.0-rc1", "9.1.2", false, false},
		{"", "9.1.2", false, false},
		{"unstable", "9.1.2", false, false},
		{"9.1.2", "255.255.255", true, true},
	} {
		a, b := model.ParseVersion(c.a), model.ParseVersion(c.b)
		if got := a.Earlier(b); got != c.earlier {
			t.Errorf("%q earlier than %q: %t", c.a, c.b, got)
		}
		if got := a.Line().Earlier(b.Line()); got != c.line {
			t.Errorf("%q of an earlier line than %q: %t", c.a, c.b, got)
		}
	}
}

func TestWhichVersionsMoveSlotsAtomically(t *testing.T) {
	for text, want := range map[string]bool{"9.0.0": true, "9.1": true, "10.0.1": true, "8.1.1": false, "": false, "unstable": false} {
		if got := model.ParseVersion(text).MovesAtomically(); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
