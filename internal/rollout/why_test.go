package rollout

import (
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
)

func TestAReplicaThatIsOlderThanItsPrimaryIsToldAsSuch(t *testing.T) {
	rows := []struct {
		primary, replica string
		told             bool
	}{
		{"9.1.2", "8.1.1", true},
		{"9.1.2", "9.0.9", true},
		{"9.1.2", "9.1.0", false},
		{"8.1.1", "9.1.2", false},
		{"9.1.2", "", false},
		{"10.0.0", "9.1.2", true},
	}
	for _, row := range rows {
		primary := model.Node{Ref: model.Ref{Name: "v-0", Address: "a"}, Server: model.Server{Version: row.primary}}
		n := model.Node{Server: model.Server{Answered: true, Role: model.RoleReplica, Follows: "a", Version: row.replica}}
		for _, syncing := range []bool{true, false} {
			n.Server.Syncing = syncing
			if why := WhyNotSynced(primary, n); strings.Contains(why, "change the version back") != row.told {
				t.Errorf("primary %s, replica %q, syncing %t: %s", row.primary, row.replica, syncing, why)
			}
		}
	}
}
