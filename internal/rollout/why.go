package rollout

import (
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// WhyNotSynced says in one sentence what keeps a replica from being synced.
func WhyNotSynced(primary, n model.Node) string {
	srv := n.Server
	switch {
	case !srv.Answered:
		return "its server does not answer"
	case srv.Loading:
		return "it is loading its data"
	case srv.Role != model.RoleReplica:
		return "it is not a replica"
	case srv.Follows == model.Nobody:
		return "it has booted and follows nobody yet"
	case srv.Follows != primary.Address:
		return fmt.Sprintf("it follows %s, not the primary %s at %s", srv.Follows, primary.Name, primary.Address)
	case srv.Syncing:
		return fmt.Sprintf("its full synchronisation from %s runs%s", primary.Name, tooOld(primary, n))
	case !srv.LinkUp:
		return fmt.Sprintf("its link to %s has been down for %s%s", primary.Name, srv.LinkDown.Round(time.Second), tooOld(primary, n))
	case srv.ReplID != primary.Server.ReplID:
		return "its data are of another history than the primary's"
	}
	lag, listed := model.Lag(primary, n)
	if !listed {
		return "the primary does not list it as online yet"
	}
	if n.Down() {
		return "it has caught up; its pod is about to turn Ready"
	}
	return fmt.Sprintf("it is %d bytes behind", lag)
}

// tooOld says what to think of when a replica runs an older version than its
// primary: the primary sends what the replica cannot load, and it tries for ever.
func tooOld(primary, n model.Node) string {
	if !model.ParseVersion(n.Server.Version).Line().Earlier(model.ParseVersion(primary.Server.Version).Line()) {
		return ""
	}
	return fmt.Sprintf("; its server (%s) is older than the primary's (%s) and cannot load data that only the newer one knows: "+
		"if this lasts, change the version back", n.Server.Version, primary.Server.Version)
}
