package rollout

import (
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Written holds while every one of those that remain writes an append-only file, or has
// failed to write to its volume: then the one that is to go may have the only disk on which
// everything is. A server of 8.1 that has just synchronised in full has none of that on its
// own before its first file is written (conformance,
// TestServerThatIsKilledBeforeItsFirstLogIsWrittenForgetsItsSynchronisation); INFO
// tells that file from no other. It ends by itself: whether to wait for what has failed is
// the caller's to say.
func Written(shard model.Shard, remain []model.Node) model.Decision {
	writes := slices.IndexFunc(remain, func(n model.Node) bool { return n.Server.Rewriting })
	if writes < 0 || slices.ContainsFunc(remain, allOnDisk) {
		return model.Decision{}
	}
	return hold(shard, model.Persisting, remain[writes].Name,
		"it writes its append-only file; until that is written, the only complete one may be that of the pod that is to go")
}

func allOnDisk(n model.Node) bool {
	return !n.Server.Rewriting && n.Server.Unsaved == model.UnsavedNothing
}

// Unwritten holds while each of those that stay has failed to write to its volume, and
// writes nothing at the moment.
func Unwritten(shard model.Shard, stay []model.Node) model.Decision {
	if len(stay) == 0 || slices.ContainsFunc(stay, func(n model.Node) bool { return n.Server.Unsaved == model.UnsavedNothing }) {
		return model.Decision{}
	}
	return hold(shard, model.NotPersisting, stay[0].Name, "no pod leaves before another one has all on its volume: "+WhyNotPersisting(stay[0]))
}

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
