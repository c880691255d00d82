package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// The operator compares copies by (ReplID, Offset, ReplID2, SecondReplOffset).
func TestPromotionShiftsTheHistoryAndTheOthersFollowPartially(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			set := Set(t, Spec{Version: version}, Spec{Version: version}, Spec{Version: version})
			old, target, third := set[0], set[1], set[2]
			target.WaitAcknowledged(old)
			third.WaitAcknowledged(old)
			before, _ := old.Info()
			hastenedFailover(t, old, target)
			after, _ := target.Info()
			if after.ReplID == before.ReplID || after.ReplID2 != before.ReplID || after.SecondReplOffset != before.Offset+1 {
				t.Errorf("before %s %d; after %s, second %s below %d", before.ReplID, before.Offset,
					after.ReplID, after.ReplID2, after.SecondReplOffset)
			}
			demoted, _ := old.Info()
			if demoted.ReplID != after.ReplID || demoted.ReplID2 != before.ReplID {
				t.Errorf("the old primary has taken over history %s, second %s", demoted.ReplID, demoted.ReplID2)
			}
			chained(t, set)
			if err := third.Node().ReplicaOf(context.Background(), target.Host, target.Port); err != nil {
				t.Fatal(err)
			}
			third.WaitSynced(target)
			if full := target.stat(t, "sync_full"); full != 0 {
				t.Errorf("the new primary has given %d full syncs", full)
			}
			target.Must("SET", "after", "all")
			Eventually(t, "both replicas have it", func() bool {
				return old.Must("GET", "after") == "all" && third.Must("GET", "after") == "all"
			})
		})
	}
}

// chained: until it is repointed, the third node gets the new primary's stream
// through the old one.
func chained(t *testing.T, set []*Server) {
	t.Helper()
	old, target, third := set[0], set[1], set[2]
	target.Must("SET", "chained", "yes")
	Eventually(t, "the third node has it through the old primary", func() bool {
		value, err := third.Do("GET", "chained")
		return err == nil && value == "yes"
	})
	info, _ := third.Info()
	of, _ := target.Info()
	if info.PrimaryHost != old.Host || info.ReplID != of.ReplID {
		t.Errorf("the third follows %s in history %s, want %s in %s", info.PrimaryHost, info.ReplID, old.Host, of.ReplID)
	}
	if len(of.Replicas) != 1 {
		t.Errorf("the new primary shows %d replicas, want the old primary alone", len(of.Replicas))
	}
}

// A replica says that its link is up before its primary can know how far it has
// come. Whoever gates on the link alone hands over to a node that has
// acknowledged nothing. The gates look at the primary's line: online, and near.
func TestFreshReplicaSaysThatItsLinkIsUpTooEarly(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			primary, other := Start(t, Spec{Version: version}), Start(t, Spec{Version: version, Guard: true})
			other.Follow(primary) // from now on the primary has a stream
			for range 100 {
				primary.Must("INCR", "count")
			}
			seen := map[string]bool{}
			for range 3 {
				replica := Start(t, Spec{Version: version, Guard: true})
				if err := replica.Node().ReplicaOf(context.Background(), primary.Host, primary.Port); err != nil {
					t.Fatal(err)
				}
				Eventually(t, "the replica is online and has acknowledged", func() bool {
					info, ok := replica.Info()
					line, _ := primary.line(replica)
					if ok && info.LinkUp {
						seen[fmt.Sprintf("%s, anything acknowledged: %t", line.State, line.Offset > 0)] = true
					}
					return line.State == valkey.ReplicaOnline && line.Offset > 0
				})
			}
			t.Logf("with its link up the primary shows it as: %v", slices.Sorted(maps.Keys(seen)))
		})
	}
}
