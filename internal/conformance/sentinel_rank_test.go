package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Who comes last is promoted only when there is no other, though it holds as much and
// would be the first among equals.
func TestAReplicaThatComesLastIsChosenOnlyWhenThereIsNoOther(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(3, version), specs(3, version))
			primary, last, other := w.Data[0], w.Data[1], w.Data[2]
			for _, s := range w.Data[1:] {
				s.WaitAcknowledged(primary)
			}
			if a, b := runID(t, last), runID(t, other); a > b { // among equals the lowest is chosen
				last, other = other, last
			}
			must(t, last.Node().SetReplicaPriority(t.Context(), model.LastPriority))
			w.haveSeen(last, model.LastPriority)
			if took := w.plainFailoverWithin(t, 10*time.Second); took != other {
				t.Fatalf("promoted is %v", took)
			}
			w.WaitComplete(other)
			primary.Kill()
			other.Kill()
			start := time.Now()
			if w.anyPrimary(t, other) != last {
				t.Error("another one is primary")
			}
			t.Logf("it is primary %v after the others have ended", time.Since(start).Round(10*time.Millisecond))
		})
	}
}

func runID(t *testing.T, s *Server) string {
	t.Helper()
	info, ok := s.Info()
	if !ok {
		t.Fatal("it does not answer")
	}
	return info.RunID
}

// haveSeen waits until every Sentinel has seen the priority of a replica.
func (w *Watch) haveSeen(replica *Server, priority int) {
	for _, s := range w.Sentinels {
		w.eventually("the Sentinel has seen it", func() string {
			replicas, err := s.Node().SentinelReplicas(context.Background(), MonitorName)
			for _, r := range replicas {
				if r.Host == replica.Host && r.Port == replica.Port && r.Priority == priority {
					return ""
				}
			}
			return fmt.Sprint(replicas, err)
		})
	}
}
