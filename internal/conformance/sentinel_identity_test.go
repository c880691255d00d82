package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
)

func TestSentinelThatLostItsStateIsKnownAgainByItsIdentity(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(3, version), specs(3, version))
			clients := &Clients{}
			result := w.HandOver(t, clients, w.Data[0], handover.WayDirect, false)
			primary := w.at(result.TargetHost, itoa(result.TargetPort))
			w.repoint(primary)
			w.WaitComplete(primary)
			epoch := w.see(w.Sentinels[0]).ConfigEpoch
			if epoch != result.Epoch || epoch == 0 {
				t.Fatalf("epoch %d after %+v", epoch, result)
			}
			// At the same address, and then at another one, as a new pod has it; and
			// told of a primary that is none any more.
			lost := w.Sentinels[0]
			for _, told := range []*Server{primary, w.Data[0]} {
				lost.Stop()
				if told != primary {
					lost.Host, lost.Port = freeAddress(t)
				}
				lost.Start()
				start := time.Now()
				w.Monitor(lost, told)
				w.WaitComplete(primary)
				w.eventually("it has learned the epoch", func() string {
					if got := w.see(lost).ConfigEpoch; got != epoch {
						return fmt.Sprint(got)
					}
					return ""
				})
				t.Logf("complete, and all exact, %v after it was told", time.Since(start).Round(10*time.Millisecond))
			}
			if id := lost.Must("SENTINEL", "MYID"); id != lost.Spec.Sentinel.ID {
				t.Errorf("its id is %s", id)
			}
		})
	}
}

// The same without a fixed identity: what others do about it.
func TestSentinelWithoutAFixedIdentityLeavesAnEntryBehind(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			sentinels := specs(3, version)
			sentinels[2].Sentinel = &SentinelSpec{}
			w := FormWatch(t, specs(2, version), sentinels)
			lost := w.Sentinels[2]
			lost.Stop()
			lost.Host, lost.Port = freeAddress(t)
			lost.Start()
			w.Monitor(lost, w.Data[0])
			w.eventually("the others count one too many", func() string {
				if got := w.see(w.Sentinels[0]).OtherSentinels; got != 3 {
					return fmt.Sprint(got)
				}
				return ""
			})
			// A minute later it would be the same: nobody forgets a Sentinel.
			reply := w.Sentinels[0].Must("SENTINEL", "CKQUORUM", MonitorName)
			t.Logf("with one too many: %s", reply)
			// RESET is the cure: at one Sentinel at a time, each complete before the next.
			for _, s := range w.Sentinels[:2] {
				start := time.Now()
				must(t, s.Node().SentinelReset(t.Context(), MonitorName))
				after := w.see(s)
				if after.Replicas != 0 || after.OtherSentinels != 0 {
					t.Errorf("after RESET it still knows %d replicas and %d Sentinels", after.Replicas, after.OtherSentinels)
				}
				w.eventually("it is complete again", func() string { return w.incomplete(s, w.Data[0]) })
				t.Logf("complete %v after RESET", time.Since(start).Round(10*time.Millisecond))
			}
		})
	}
}

func TestResetForgetsAReplicaThatHasGoneAndKeepsTheEpoch(t *testing.T) {
	t.Parallel()
	w := FormWatch(t, specs(3, V91), specs(3, V91))
	gone := w.Data[2]
	gone.Kill()
	w.eventually("the Sentinels see it down", func() string {
		replicas, err := w.Sentinels[0].Node().SentinelReplicas(t.Context(), MonitorName)
		for _, r := range replicas {
			if r.Port == gone.Port && r.Flags.Down {
				return ""
			}
		}
		return fmt.Sprint(replicas, err)
	})
	w.Data = w.Data[:2]
	for _, s := range w.Sentinels {
		before := w.see(s)
		if before.Replicas != 2 {
			t.Errorf("%d replicas: somebody has forgotten one by itself", before.Replicas)
		}
		must(t, s.Node().SentinelReset(t.Context(), MonitorName))
		if err := s.Node().SentinelCheckQuorum(t.Context(), MonitorName); err == nil || !strings.Contains(err.Error(), "NOQUORUM") {
			t.Errorf("quorum right after RESET: %v", err)
		}
		start := time.Now()
		w.eventually("it is complete again", func() string { return w.incomplete(s, w.Data[0]) })
		after := w.see(s)
		if after.ConfigEpoch != before.ConfigEpoch || after.DownAfter != before.DownAfter || after.Quorum != before.Quorum {
			t.Errorf("RESET has changed more: %+v, before %+v", after, before)
		}
		t.Logf("complete %v after RESET", time.Since(start).Round(10*time.Millisecond))
	}
}
