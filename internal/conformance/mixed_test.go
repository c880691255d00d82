package conformance

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestOlderReplicaOfANewerPrimary(t *testing.T) {
	t.Parallel()
	primary, replica := Start(t, Spec{Version: V91, Persistence: RDB}), Start(t, Spec{Version: V81, Guard: true})
	primary.Must("HSET", "hash", "field", "value")
	replica.Follow(primary)
	if replica.Must("HGET", "hash", "field") != "value" {
		t.Error("a full sync from 9.1 to 8.1 brings the data")
	}
	// Data that only 9.x knows: the next full sync fails, again and again.
	primary.Must("HSET", "hash", "short", "lived")
	primary.Must("HEXPIRE", "hash", "10000", "FIELDS", "1", "short")
	late := Start(t, Spec{Version: V81, Guard: true})
	before, start := primary.stat(t, "sync_full"), time.Now()
	if err := late.Node().ReplicaOf(context.Background(), primary.Host, primary.Port); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the sync has failed some times", func() bool { return primary.stat(t, "sync_full")-before >= 10 })
	rate := float64(primary.stat(t, "sync_full")-before) / time.Since(start).Seconds()
	info, _ := primary.Info()
	t.Logf("%.0f failed full syncs, and forks of the primary, a second; last bgsave ok %t", rate, info.LastBgsaveOK)
	if !primary.LogHas("BGSAVE child returned an error") {
		t.Errorf("the primary says it in other words:\n%s", primary.LogTail(6))
	}
	if got, _ := late.Info(); got.LinkUp {
		t.Error("an 8.1 replica cannot hold a hash field's time to live, yet its link is up")
	}
	// stop-writes-on-bgsave-error is on, as by default.
	if _, err := primary.Do("SET", "still", "writable"); err != nil {
		t.Errorf("the primary refuses writes since a replica of another version asks for a sync: %v", err)
	}
	if got := replica.Must("HGET", "hash", "short"); got != "lived" {
		t.Errorf("the 8.1 replica that was there before has %q", got)
	}
}

func TestOlderServerRefusesANewerDump(t *testing.T) {
	t.Parallel()
	newer := Start(t, Spec{Version: V91, Persistence: RDB})
	newer.Must("SET", "a", "b")
	newer.Must("SAVE")
	newer.Stop()
	older := New(t, Spec{Version: V81, Persistence: RDB})
	older.Dir = newer.Dir
	older.Launch()
	select {
	case <-older.exited:
	case <-time.After(startLimit):
		t.Fatal("8.1 runs on a dump of 9.1")
	}
	last := older.LogTail(2)
	t.Logf("its last words:\n%s", last)
	if !strings.Contains(last, "RDB format version 80") {
		t.Errorf("the reason has other words now: %s", last)
	}
}

func TestNewerServerLoadsAnOlderDumpAndGoesOnInItsHistory(t *testing.T) {
	t.Parallel()
	set := Set(t, Spec{Version: V81, Persistence: RDB}, Spec{Version: V81, Persistence: RDB})
	primary, replica := set[0], set[1]
	replica.WaitAcknowledged(primary)
	replica.Stop()
	full := primary.stat(t, "sync_full")
	replica.Spec.Version, replica.root = V91, Root(t, V91)
	replica.Start()
	replica.Follow(primary)
	if primary.stat(t, "sync_full") != full || replica.Must("GET", "first") != "write" {
		t.Error("an upgraded replica resynchronises partially from its 8.1 dump")
	}
}
