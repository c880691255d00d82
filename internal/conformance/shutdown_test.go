package conformance

import (
	"testing"
)

// SIGTERM to a primary is no handover, but it loses nothing that was
// acknowledged: the server holds writes back and waits, up to shutdown-timeout,
// until its replicas have everything.
func TestPrimaryThatIsAskedToEndLosesNothing(t *testing.T) {
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
