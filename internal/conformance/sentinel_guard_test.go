package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestReplicaOfPriorityZeroIsNeverChosen(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			data := specs(2, version)
			data[1].Config = []string{"replica-priority 0"}
			w := FormWatch(t, data, specs(3, version))
			primary, replica := w.Data[0], w.Data[1]
			asked := w.Sentinels[0].Node()
			if err := asked.SentinelFailover(t.Context(), MonitorName); !errors.Is(err, valkey.ErrNoGoodReplica) {
				t.Fatalf("failover to priority 0: %v", err)
			}
			if version != V81 {
				if err := asked.SentinelFailoverCoordinated(t.Context(), MonitorName); !errors.Is(err, valkey.ErrNoGoodReplica) {
					t.Fatalf("coordinated failover to priority 0: %v", err)
				}
			}
			if info, _ := replica.Info(); info.ReplicaPriority != 0 {
				t.Errorf("it says %d", info.ReplicaPriority)
			}
			start := time.Now()
			must(t, replica.Node().SetReplicaPriority(t.Context(), 100))
			for _, s := range w.Sentinels {
				w.eventually("the Sentinel has seen it", func() string {
					replicas, err := s.Node().SentinelReplicas(t.Context(), MonitorName)
					if err == nil && len(replicas) == 1 && replicas[0].Priority == 100 {
						return ""
					}
					return fmt.Sprint(replicas, err)
				})
			}
			t.Logf("all have seen it after %v", time.Since(start).Round(10*time.Millisecond))
			primary.Kill()
			w.eventually("the replica is promoted", func() string {
				if info, ok := replica.Info(); !ok || info.Role != valkey.RolePrimary {
					return fmt.Sprintf("%+v", w.see(w.Sentinels[0]))
				}
				return ""
			})
			t.Logf("promoted %v after that", time.Since(start).Round(10*time.Millisecond))
		})
	}
}

// A primary's process that ends and comes back within down-after is a replica of
// nobody, with no data: nobody has its data copied, and nobody writes to it.
func TestPrimaryRebornAsAReplicaOfNobody(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		for _, helped := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s helped %t", version, helped), func(t *testing.T) {
				t.Parallel()
				data := specs(3, version)
				data[0].Config = []string{"replica-priority 0"}
				w := FormWatch(t, data, specs(3, version))
				reborn := w.Data[0]
				for _, s := range w.Data[1:] {
					s.WaitAcknowledged(reborn)
				}
				reborn.Kill()
				start := time.Now()
				reborn.Start()
				if helped {
					w.helpReborn(t)
				}
				took := w.anyPrimary(t, reborn)
				t.Logf("another one is primary after %v", time.Since(start).Round(10*time.Millisecond))
				if got := took.Must("GET", "first"); got != "write" {
					t.Errorf("its data: %q", got)
				}
				limit := watchDownAfter + 2*10*time.Second
				if since := time.Since(start); helped && since > 8*time.Second || !helped && (since < limit-5*time.Second || since > limit+12*time.Second) {
					t.Errorf("it took %v", since)
				}
				w.eventually("the Sentinels make the reborn one a replica", func() string {
					info, _ := reborn.Info()
					if info.Role == valkey.RoleReplica && info.PrimaryPort == took.Port && info.LinkUp {
						return ""
					}
					return fmt.Sprintf("%s of %s:%d", info.Role, info.PrimaryHost, info.PrimaryPort)
				})
				t.Logf("the reborn one follows it after %v", time.Since(start).Round(10*time.Millisecond))
				if reborn.Must("GET", "first") != "write" {
					t.Error("without its data")
				}
			})
		}
	}
}

// helpReborn is what an operator does: a plain failover, as there is nobody who
// takes writes.
func (w *Watch) helpReborn(t *testing.T) {
	t.Helper()
	w.eventually("a Sentinel lets it begin", func() string {
		err := w.Sentinels[0].Node().SentinelFailover(context.Background(), MonitorName)
		if err != nil && !errors.Is(err, valkey.ErrSentinelBusy) {
			return err.Error()
		}
		return ""
	})
}

// anyPrimary waits until one of the others is primary.
func (w *Watch) anyPrimary(t *testing.T, but *Server) *Server {
	t.Helper()
	var took *Server
	w.eventually("one of the others is primary", func() string {
		for _, s := range w.Data {
			if info, ok := s.Info(); ok && s != but && info.Role == valkey.RolePrimary {
				took = s
				return ""
			}
		}
		return fmt.Sprintf("%+v", w.see(w.Sentinels[0]))
	})
	return took
}
