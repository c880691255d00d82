package conformance

import (
	"syscall"
	"testing"
	"time"
)

// SIGTERM to a primary is no handover, but it loses nothing that was
// acknowledged: the server holds writes back and waits, up to shutdown-timeout,
// until its replicas have everything.
func TestPrimaryThatIsAskedToEndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		for _, persistence := range []Persistence{NoPersistence, RDB, AOF} {
			t.Run(string(version)+" "+string(persistence), func(t *testing.T) {
				t.Parallel()
				spec := Spec{Version: version, Persistence: persistence}
				set := Set(t, spec, spec)
				primary, replica := set[0], set[1]
				primary.waitIdleDisk()
				writers := StartWriters(t, 2, primary)
				writers.WaitFor(500)
				primary.Stop()
				writers.Stop()
				if lost := writers.Lost(replica); lost != 0 {
					t.Errorf("lost %d of %d", lost, writers.Acknowledged())
				}
				info, _ := replica.Info()
				t.Logf("%d acknowledged, all on the replica; its link is up %t", writers.Acknowledged(), info.LinkUp)
			})
		}
	}
}

// While it writes its first AOF, as after every full sync, a server that is asked
// to end refuses and forgets that it was asked. In Kubernetes it then lives until
// the grace period is over and is killed: not before it is idle should its pod be
// restarted.
func TestServerThatWritesItsFirstAOFRefusesToEnd(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			s := Start(t, Spec{Version: version})
			for _, key := range []string{"a", "b", "c"} {
				s.Must("SET", key, "value")
			}
			s.Must("CONFIG", "SET", "rdb-key-save-delay", "200000") // µs for each key
			s.Must("CONFIG", "SET", "appendonly", "yes")
			Eventually(t, "it writes", func() bool {
				info, ok := s.Info()
				return ok && info.AOFRewriteInProgress
			})
			s.Signal(syscall.SIGTERM)
			Eventually(t, "it says that it cannot end", func() bool { return s.LogHas("Writing initial AOF, can't exit") })
			s.waitIdleDisk()
			time.Sleep(200 * time.Millisecond)
			if !s.running() {
				t.Error("it has ended by itself once it was idle: then no second SIGTERM is needed")
			}
			s.Stop()
		})
	}
}
