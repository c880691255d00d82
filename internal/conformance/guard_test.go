package conformance

import (
	"context"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestNodeBootedAsReplicaOfNobodyServesNobody(t *testing.T) {
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			guarded, other := Start(t, Spec{Version: version, Guard: true}), Start(t, Spec{Version: version, Guard: true})
			info, _ := guarded.Info()
			if info.Role != valkey.RoleReplica || info.LinkUp || info.PrimaryPort != 1 {
				t.Errorf("role %s of port %d, link up %t", info.Role, info.PrimaryPort, info.LinkUp)
			}
			if _, err := guarded.Do("SET", "a", "b"); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
				t.Errorf("a write is answered with %v", err)
			}
			if err := other.Node().ReplicaOf(context.Background(), guarded.Host, guarded.Port); err != nil {
				t.Fatal(err)
			}
			Eventually(t, "the other is refused its sync", func() bool {
				return other.LogHas("NOMASTERLINK") || other.LogHas("Can't SYNC while not connected")
			})
		})
	}
}

// What a node says of its copy after a restart under the guard decides whether
// copies can be compared before anybody is promoted.
func TestWhatANodeKnowsOfItsCopyAfterARestartUnderTheGuard(t *testing.T) {
	rows := []struct {
		persistence Persistence
		role        string
		keeps       bool // history and offset
		data        bool
		partial     bool
	}{
		{RDB, "primary", true, true, true},
		{RDB, "replica", true, true, true},
		{AOF, "primary", false, true, false},
		{AOF, "replica", false, true, false},
		{NoPersistence, "replica", false, false, false},
	}
	for _, version := range Versions {
		for _, row := range rows {
			t.Run(string(version)+" "+string(row.persistence)+" ex-"+row.role, func(t *testing.T) {
				t.Parallel()
				spec := Spec{Version: version, Persistence: row.persistence}
				set := Set(t, spec, spec)
				old, target := set[0], set[1]
				old.Must("SET", "kept", "yes")
				restarted, primary := target, old
				if row.role == "primary" {
					hastenedFailover(t, old, target)
					restarted, primary = old, target
				}
				restarted.WaitSynced(primary)
				before, _ := restarted.Info()
				restarted.Stop()
				primary.Must("SET", "later", "yes")
				restarted.Start()
				after, _ := restarted.Info()
				t.Logf("before: %s %d; after: %s %d, %d keys", before.ReplID, before.Offset, after.ReplID, after.Offset, after.Keys)
				if keeps := after.ReplID == before.ReplID && after.Offset == before.Offset; keeps != row.keeps {
					t.Errorf("keeps its history: %t, want %t", keeps, row.keeps)
				}
				if (after.Keys > 0) != row.data {
					t.Errorf("%d keys, want data: %t", after.Keys, row.data)
				}
				restarted.Follow(primary)
				if partial := restarted.LogHas("Partial Resynchronization"); partial != (row.partial || row.role == "primary") {
					t.Errorf("ever resynchronised partially: %t", partial)
				}
				if full := primary.fullSyncs(t) > 1 || primary.fullSyncs(t) == 1 && row.role == "primary"; full == row.partial {
					t.Errorf("%d full syncs given, want partial: %t", primary.fullSyncs(t), row.partial)
				}
				if got := restarted.Must("GET", "later"); got != "yes" {
					t.Errorf("the copy lacks what was written meanwhile")
				}
			})
		}
	}
}

// fullSyncs is how many full synchronisations the server has given since its start.
func (s *Server) fullSyncs(t *testing.T) int { return s.stat(t, "sync_full") }

// A container that restarts keeps its address. An empty primary that comes back
// at once is the classic disaster: its replicas follow it into emptiness.
func TestEmptyPrimaryThatComesBackAtItsAddress(t *testing.T) {
	for _, version := range Versions {
		for _, guard := range []bool{true, false} {
			name := " without the guard its replicas are wiped"
			if guard {
				name = " under the guard its replicas keep their data"
			}
			t.Run(string(version)+name, func(t *testing.T) {
				t.Parallel()
				set := Set(t, Spec{Version: version}, Spec{Version: version}, Spec{Version: version})
				primary, replicas := set[0], set[1:]
				for range 10 {
					primary.Must("INCR", "count")
				}
				for _, replica := range replicas {
					Eventually(t, "replicas have the data", func() bool { return replica.Must("GET", "count") == "10" })
				}
				primary.Kill()
				primary.Spec.Guard = guard
				primary.Start()
				if !guard {
					Eventually(t, "the control: both replicas are empty", func() bool {
						return replicas[0].Must("DBSIZE") == "0" && replicas[1].Must("DBSIZE") == "0"
					})
					return
				}
				// They try again once a second; wait until they have been refused twice.
				for _, replica := range replicas {
					Eventually(t, "the replica has been refused twice", func() bool {
						return strings.Count(replica.LogTail(1000), "NOMASTERLINK") >= 2
					})
					if got := replica.Must("GET", "count"); got != "10" {
						t.Errorf("the replica has %q", got)
					}
				}
			})
		}
	}
}
