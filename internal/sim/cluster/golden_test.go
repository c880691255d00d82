package cluster

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden narratives anew")

// The narratives are for reading: what the operator does, step by step, when nothing
// goes wrong.
func TestNarratives(t *testing.T) {
	for name, w := range map[string]World{
		"image-change":       cluster3("", 0b111),
		"new-cluster":        {Wished: []int{2}},
		"from-2-to-3-shards": {Wished: []int{3}, Has: two},
		"from-3-to-2-shards": {Wished: []int{2}, Has: three},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			got := script(w.prepared())
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
	said := map[string]string{}
	for range 1000 {
		next := first(r.Moves(&s))
		if next == nil {
			break
		}
		switch next.Move.Kind {
		case moveLook:
			if plan := r.tell(r.plan(&s)); plan != "" {
				fmt.Fprintln(&b, strings.ReplaceAll(plan, "; ", "\n"))
			}
			now := map[string]string{}
			for _, h := range r.plan(&s).holds {
				now[h.Shard] = h.String()
				if said[h.Shard] != h.String() {
					fmt.Fprintf(&b, "  %s waits: %s\n", h.Shard, h)
				}
			}
			said = now
		case moveAct:
		default:
			fmt.Fprintf(&b, "  %s\n", next.Move)
		}
		s = next.Next
	}
	if r.Broken() == nil && r.Complete(&s) {
		return b.String() + "complete\n"
	}
	return b.String() + fmt.Sprintf("IT DOES NOT END %v %v\n%s", r.Broken(), r.plan(&s).holds, Narrate([]Step{{State: s}}))
}

// first prefers the environment to the operator.
func first(moves []edge) *edge {
	var operators *edge
	for i := range moves {
		switch e := &moves[i]; {
		case e.Fault, e.Move.Kind == moveWrite:
		case e.Move.Kind == moveLook, e.Move.Kind == moveAct:
			if operators == nil {
				operators = e
			}
		default:
			return e
		}
	}
	return operators
}
