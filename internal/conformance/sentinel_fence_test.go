package conformance

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
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
				w := FormWatch(t, specs(3, version), specs(3, version))
				old := w.Data[0]
				writers := StartWriters(t, 2, old)
				for _, s := range w.Data[1:] {
					s.WaitAcknowledged(old)
				}
				must(t, w.Sentinels[0].Node().SentinelFailover(t.Context(), MonitorName))
				next := w.seeThrough(t, old, fenced)
				must(t, old.Node().ReplicaOf(t.Context(), next.Announced(), next.Port))
				must(t, old.Node().Unpause(t.Context()))
				writers.Stop()
				if lost := writers.Lost(next); (lost == 0) != fenced {
					t.Errorf("%d of %d acknowledged writes are lost", lost, writers.Acknowledged())
				}
			})
		}
	}
}

// seeThrough is who has taken over, once the Sentinels that do not fail over name it. The
// one that does has its epoch by then, whether it has ended or not.
func (w *Watch) seeThrough(t *testing.T, old *Server, fenced bool) (next *Server) {
	w.eventually("two Sentinels name another primary", func() string {
		first := w.see(w.Sentinels[0])
		if first.Flags.FailoverInProgress && fenced {
			must(t, old.Node().PauseWrites(t.Context(), 2*time.Second))
		}
		second, third := w.see(w.Sentinels[1]), w.see(w.Sentinels[2])
		if second.Port == old.Port || third.Port != second.Port {
			return "not yet"
		}
		next = w.at(second.Host, itoa(second.Port))
		first = w.see(w.Sentinels[0])
		if first.ConfigEpoch != second.ConfigEpoch {
			t.Errorf("the Sentinel that fails over has epoch %d, those whom it has told have %d", first.ConfigEpoch, second.ConfigEpoch)
		}
		if ended := first.Port == next.Port; ended == first.Flags.FailoverInProgress {
			t.Errorf("its failover has ended: %t, and it names %d", !first.Flags.FailoverInProgress, first.Port)
		}
		if first.Flags.FailoverInProgress && !w.chosen(w.Sentinels[0], next) {
			t.Error("it does not say whom it has chosen")
		}
		t.Logf("its failover has ended already: %t", !first.Flags.FailoverInProgress)
		return ""
	})
	return next
}

// chosen says that a Sentinel which fails over says that it has chosen a replica.
func (w *Watch) chosen(sentinel, replica *Server) bool {
	node := sentinel.Node()
	defer node.Close()
	replicas, err := node.SentinelReplicas(context.Background(), MonitorName)
	return err == nil && slices.ContainsFunc(replicas, func(r valkey.SentinelReplica) bool { return r.Port == replica.Port && r.Flags.Promoted })
}
