package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// Sentinels hear of replicas from the primary alone: one that has ended before that is
// never told of. They can be told whom to name all the same.
func TestSentinelsNeverHearOfAReplicaWhosePrimaryHasEndedBefore(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(2, version), specs(3, version))
			known := w.Data[1]
			joined := Start(t, Spec{Version: version, Watched: true, Guard: true})
			must(t, known.Node().SetReplicaPriority(t.Context(), 0))
			w.haveSeen(known, 0)
			w.joinsUnheard(joined)
			w.eventually("they find the primary down, and nobody to promote", func() string {
				for _, s := range w.Sentinels {
					err := s.Node().SentinelFailover(t.Context(), MonitorName)
					if !w.see(s).Flags.Down || !errors.Is(err, valkey.ErrNoGoodReplica) {
						return fmt.Sprint(s.Addr(), ": ", err)
					}
				}
				return ""
			})
			must(t, joined.Node().ReplicaOfNoOne(t.Context()))
			must(t, joined.Node().SetReplicaPriority(t.Context(), model.UsualPriority))
			w.Data = []*Server{joined, known}
			opt := w.Options()
			opt.OldHost, opt.OldPort, opt.TargetHost, opt.TargetPort = joined.Announced(), joined.Port, joined.Announced(), joined.Port
			opt.Timeout = 2 * time.Second
			if _, err := handover.TellSentinels(t.Context(), joined.Node(), w.Servers(), opt); err != nil {
				t.Fatal(err)
			}
			known.Follow(joined)
			for _, s := range w.Sentinels {
				if w.names(s) != joined {
					t.Errorf("%s names %v", s.Addr(), w.names(s))
				}
			}
			if joined.Must("GET", "last") != "write" {
				t.Error("without its data")
			}
		})
	}
}

// joinsUnheard lets a replica join the primary, and hold more than the others, while the
// Sentinels stand still, and ends the primary.
func (w *Watch) joinsUnheard(joined *Server) {
	w.t.Helper()
	for _, s := range w.Sentinels {
		s.Freeze()
	}
	joined.Follow(w.Data[0])
	w.Data[0].Must("SET", "last", "write")
	joined.WaitAcknowledged(w.Data[0])
	w.Data[0].Kill()
	for _, s := range w.Sentinels {
		s.Thaw()
	}
}
