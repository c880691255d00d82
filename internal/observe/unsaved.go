package observe

import (
	"strings"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// stopsWritesSetting is whether a primary refuses writes once a snapshot has failed.
const stopsWritesSetting = "stop-writes-on-bgsave-error"

// snapshots is what INFO does not say of them.
type snapshots struct {
	// taken: by rules of the server's own. One that somebody asked for and that
	// failed is nobody's trouble.
	taken bool
	// needed: a primary refuses writes when one has failed.
	needed bool
}

func snapshotsOf(s *v1alpha1.ValkeySpec) snapshots {
	out := snapshots{taken: s.PersistenceMode() == v1alpha1.PersistenceRDB, needed: true}
	for name, value := range s.Config {
		if strings.EqualFold(name, stopsWritesSetting) {
			out.needed = !strings.EqualFold(string(value), "no")
		}
	}
	return out
}

// unsaved is what the server says has failed. With a log it takes no snapshots.
func unsaved(info valkey.Info) model.Unsaved {
	switch {
	case !info.AOFEnabled && !info.LastBgsaveOK:
		return model.UnsavedSnapshot
	case !info.AOFEnabled:
		return model.UnsavedNothing
	case !info.LastAOFWriteOK:
		return model.UnsavedLog
	case !info.LastAOFRewriteOK:
		return model.UnsavedRewrite
	}
	return model.UnsavedNothing
}

// judge says what follows from that (valkey 9.1 src/server.c
// writeCommandsDeniedByDiskError).
func (s snapshots) judge(server *model.Server) {
	if server.Unsaved == model.UnsavedSnapshot && !s.taken {
		server.Unsaved = model.UnsavedNothing
	}
	server.RefusesWrites = server.Unsaved == model.UnsavedLog || (server.Unsaved == model.UnsavedSnapshot && s.needed)
}
