package conformance

import (
	"fmt"
	"testing"
	"time"
)

// Sentinels tell an old primary that lives on of their failover last of all. What it
// takes between the promotion of another one and that moment is lost, unless it holds
// back writes from the moment in which they are seen to fail over.
func TestAPrimaryFromWhichSentinelsFailOverLosesWritesUnlessItHoldsThemBack(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		for _, fenced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s fenced %t", version, fenced), func(t *testing.T) {
				t.Parallel()
				w := FormWatch(t, specs(2, version), specs(3, version))
				old, next := w.Data[0], w.Data[1]
				writers := StartWriters(t, 2, old)
				writers.WaitFor(50)
				next.WaitAcknowledged(old)
				must(t, w.Sentinels[0].Node().SentinelFailover(t.Context(), MonitorName))
				writers.seeThrough(t, w, old, next, fenced)
				if lost := writers.Lost(next); (lost == 0) != fenced {
					t.Errorf("%d of %d acknowledged writes are lost", lost, writers.Acknowledged())
				}
			})
		}
	}
}

// seeThrough waits until every Sentinel names the next one, and demotes the old one as
// soon as that is so.
func (w *Writers) seeThrough(t *testing.T, watch *Watch, old, next *Server, fenced bool) {
	watch.eventually("all Sentinels name "+next.Addr(), func() string {
		missing := ""
		for _, s := range watch.Sentinels {
			seen := watch.see(s)
			if seen.Flags.FailoverInProgress && fenced {
				must(t, old.Node().PauseWrites(t.Context(), 2*time.Second))
			}
			if seen.Flags.FailoverInProgress || watch.names(s) != next {
				missing += s.Addr() + " does not "
			}
		}
		return missing
	})
	must(t, old.Node().ReplicaOf(t.Context(), next.Announced(), next.Port))
	must(t, old.Node().Unpause(t.Context()))
	w.Stop()
	old.WaitSynced(next)
}
