package model_test

import (
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Who may take over depends on why the primary hands over.
func TestWhoMayTakeOver(t *testing.T) {
	draining := func(n *model.Node) { n.Draining = true }
	leaving := func(n *model.Node) { n.Evacuate = "its host is to be emptied" }
	refusing := func(n *model.Node) { n.Server.RefusesWrites = true }
	ending := func(n *model.Node) { n.Phase = model.PodTerminating }
	beyond := func(n *model.Node) { n.Ordinal = 2 }
	of := func(revision string) func(*model.Node) { return func(n *model.Node) { n.Revision = revision } }
	nothing := func(*model.Node) {}
	for _, row := range []struct {
		name                        string
		n                           func(*model.Node)
		rolls, leaves, fresh, dying bool // the primary rolls, leaves its host, does so being fresh, is on its way out
	}{
		{"a fresh one", of("new"), true, true, true, true},
		{"one of the primary's revision", of("old"), false, true, false, true},
		{"one of a third revision", of("older"), false, false, false, true},
		{"one that drains", draining, false, false, false, true},
		{"one that has to leave its own host", leaving, false, false, false, true},
		{"one that refuses writes", refusing, false, false, false, true},
		{"one that is on its way out", ending, false, false, false, false},
		{"one that has been let go", beyond, false, false, false, false},
		{"nothing is the matter", nothing, true, true, true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			for why, c := range map[string]struct {
				primary []func(*model.Node)
				want    bool
			}{
				"a rollout":                 {[]func(*model.Node){of("old")}, row.rolls},
				"a host that is emptied":    {[]func(*model.Node){of("old"), leaving}, row.leaves},
				"that of a fresh primary":   {[]func(*model.Node){of("new"), leaving}, row.fresh},
				"a pod that is on its way":  {[]func(*model.Node){of("old"), ending}, row.dying},
				"and whose host is emptied": {[]func(*model.Node){of("old"), leaving, ending}, row.dying},
			} {
				p := model.Node{Phase: model.PodRunning}
				for _, change := range c.primary {
					change(&p)
				}
				n := model.Node{Ordinal: 1, Phase: model.PodRunning, Revision: "new"}
				row.n(&n)
				if got := (model.Shard{Size: 2, Revision: "new"}).Heir(p, n); got != c.want {
					t.Errorf("%s: %t", why, got)
				}
			}
		})
	}
}
