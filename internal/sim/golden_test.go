package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
)

var update = flag.Bool("update", false, "write the golden narratives anew")

// The narratives are for reading: what the operator does, step by step, when
// nothing goes wrong but what the name says.
func TestNarratives(t *testing.T) {
	bad := replication("", 3).with(func(w *World) {
		w.Specs = []Spec{{Rev: 0, Nodes: 3}, {Rev: 1, Nodes: 3, Bad: true}, {Rev: 2, Nodes: 3}}
	})
	for name, w := range map[string]World{
		"image-change":            replication("", 3),
		"bad-image-then-mended":   bad,
		"scale-in-during-a-roll":  replication("", 3).with(func(w *World) { w.Specs[1].Nodes = 2 }),
		"new-shard":               replication("", 3).with(func(w *World) { w.New, w.Specs = true, w.Specs[:1] }),
		"image-change-standalone": surgingAlone(""),
		"image-change-by-outage":  standalone(""),
		"image-change-with-surge": replication("", 2).with(func(w *World) { w.Surge = model.SurgeAuto }),
		"bad-image-with-surge":    mendedWithSurge(""),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			got := script(&w)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file) //nolint:gosec // a file of this test
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s tells another story (-update writes it anew):\n%s", file, got)
			}
		})
	}
}

// script lets the world go its way, the servers and Kubernetes always before the
// operator, and writes down what the operator wants and waits for.
func script(w *World) string {
	var b strings.Builder
	r, s := newRun(w), w.Start()
	said := ""
	say := func(text string) {
		if text != said {
			fmt.Fprintln(&b, text)
			said = text
		}
	}
	for range 1000 {
		moves := r.Moves(&s)
		next := first(r, &s, moves)
		if next == nil {
			say("complete")
			return b.String()
		}
		switch m := next.Move; m.Kind {
		case moveLook:
			p := r.plan(&s)
			for _, h := range p.holds {
				say("  wait: " + h.String())
			}
			if p.step != nil {
				say(p.step.String())
			}
		case moveSpec:
			for _, h := range r.plan(&s).holds {
				say("  wait: " + h.String())
			}
			say("THE USER CHANGES THE SPEC")
		case moveDrained, moveAct:
		default:
			say("  " + m.String())
		}
		s = next.Next
	}
	return b.String() + "IT DOES NOT END\n"
}

// first prefers the environment to the operator, and lets the user have the next
// wish only when all else has come to rest.
func first(r *run, s *State, moves []edge) *edge {
	var operators, users *edge
	for i := range moves {
		switch e := &moves[i]; {
		case e.Move.Kind == moveSpec:
			users = e
		case e.Fault, e.Move.Kind == moveLong, e.Move.Kind == moveWrite:
		case e.Move.Kind == moveLook, e.Move.Kind == moveAct:
			operators = e
		default:
			return e
		}
	}
	if operators != nil && (s.op.kind != stepNone || r.plan(s).step != nil || users == nil) {
		return operators
	}
	return users
}
