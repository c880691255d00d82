package conformance

import (
	"context"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestNodeBootedAsReplicaOfNobodyServesNobody(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	rows := []struct {
		name        string
		persistence Persistence
		config      []string
		exPrimary   bool
		sameHistory bool // replication id kept
		sameOffset  bool
		data        bool
		partial     bool // it resynchronises without a full sync
	}{
		{name: "RDB ex-primary", persistence: RDB, exPrimary: true, sameHistory: true, sameOffset: true, data: true, partial: true},
		{name: "RDB ex-replica", persistence: RDB, sameHistory: true, sameOffset: true, data: true, partial: true},
		{name: "AOF ex-primary forgets its history", persistence: AOF, exPrimary: true, data: true},
		{name: "AOF ex-replica forgets its history", persistence: AOF, data: true},
		{name: "no persistence ex-primary", persistence: NoPersistence, exPrimary: true},
		// The dump that its full sync came in stays in its folder.
		{name: "no persistence ex-replica loads its last full sync", persistence: NoPersistence, sameHistory: true, data: true, partial: true},
		{name: "no persistence and rdb-del-sync-files ex-replica", persistence: NoPersistence, config: []string{"rdb-del-sync-files yes"}},
	}
	for _, version := range Versions {
		for _, row := range rows {
			t.Run(string(version)+" "+row.name, func(t *testing.T) {
				t.Parallel()
				spec := Spec{Version: version, Persistence: row.persistence, Config: row.config}
				old, target := Start(t, spec), New(t, spec)
				old.Must("SET", "early", "yes")
				target.Spec.Guard = true
				target.Start()
				target.Follow(old)
				old.Must("SET", "kept", "yes")
				restarted, primary := target, old
				if row.exPrimary {
					hastenedFailover(t, old, target)
					restarted, primary = old, target
				}
				restarted.WaitAcknowledged(primary)
				before, _ := restarted.Info()
				restarted.waitIdleDisk()
				restarted.Stop()
				primary.Must("SET", "later", "yes")
				fullBefore := primary.stat(t, "sync_full")
				restarted.Spec.Guard = true
				restarted.Start()
				after, _ := restarted.Info()
				t.Logf("before: %s %d, %d keys; after: %s %d, %d keys", before.ReplID, before.Offset, before.Keys, after.ReplID, after.Offset, after.Keys)
				if same := after.ReplID == before.ReplID; same != row.sameHistory {
					t.Errorf("keeps its history: %t", same)
				}
				if same := after.Offset == before.Offset; same != row.sameOffset {
					t.Errorf("keeps its offset: %t", same)
				}
				if (after.Keys > 0) != row.data {
					t.Errorf("holds %d keys", after.Keys)
				}
				restarted.Follow(primary)
				if partial := primary.stat(t, "sync_full") == fullBefore; partial != row.partial {
					t.Errorf("resynchronised partially: %t", partial)
				}
				Eventually(t, "it has what was written meanwhile", func() bool { return restarted.Must("GET", "later") == "yes" })
			})
		}
	}
}

// A container that restarts keeps its address. An empty primary that comes back
// at once is the classic disaster: its replicas follow it into emptiness.
func TestEmptyPrimaryThatComesBackAtItsAddress(t *testing.T) {
	t.Parallel()
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
