package rollout

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
)

// WhyNotPersisting says in one sentence what a node cannot write to its volume, what
// that means, and what to do; empty when nothing is wrong.
func WhyNotPersisting(n model.Node) string {
	what := unsaved(n.Server.Unsaved)
	if what == "" {
		return ""
	}
	return fmt.Sprintf("%s, so %s; free room on its volume or enlarge it, and see its log", what, consequence(n.Server))
}

func unsaved(u model.Unsaved) string {
	switch u {
	case model.UnsavedNothing:
	case model.UnsavedSnapshot:
		return "its last snapshot failed"
	case model.UnsavedLog:
		return "it cannot write to its append-only file"
	case model.UnsavedRewrite:
		return "it cannot write its append-only file anew"
	}
	return ""
}

func consequence(s model.Server) string {
	switch {
	case s.RefusesWrites && s.Role == model.RolePrimary:
		return "it refuses writes (MISCONF)"
	case s.RefusesWrites:
		return "its copy is only in memory, and it ends itself at the next write that it is sent"
	case s.Unsaved == model.UnsavedRewrite:
		return "the file grows, or there is none since its last full synchronisation"
	}
	return "what has changed since is only in memory"
}
