package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// pinging is what the operator sets: a replica then knows within seconds that its
// primary is silent.
var pinging = []string{"repl-ping-replica-period 1", "repl-timeout 60"}

// trio is a primary and two replicas in step.
func trio(t *testing.T, version Version) (primary *Server, replicas []*Server) {
	t.Helper()
	spec := Spec{Version: version, Config: pinging}
	set := Set(t, spec, spec, spec)
	for _, r := range set[1:] {
		r.WaitAcknowledged(set[0])
	}
	return set[0], set[1:]
}

// What the operator's witnesses are expected to say (topology/witness.go).
func TestReplicasOfAFrozenPrimaryKeepTheirLinkAndCountItsSilence(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			primary, replicas := trio(t, version)
			for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(50 * time.Millisecond) { // what is seen at rest
				for _, r := range replicas {
					if info, ok := r.Info(); ok && info.LastIOSeconds > 2 {
						t.Fatalf("at rest a replica has heard nothing for %d s", info.LastIOSeconds)
					}
				}
			}
			primary.Freeze()
			t.Cleanup(primary.Thaw)
			began := time.Now()
			for _, r := range replicas {
				Eventually(t, "the replica counts 6 s", func() bool {
					info, ok := r.Info()
					if ok && !info.LinkUp {
						t.Fatalf("its link is down after %v", time.Since(began))
					}
					return ok && info.LastIOSeconds >= 6
				})
			}
			took := time.Since(began)
			t.Logf("both replicas count 6 s after %v", took)
			// They heard from it up to a second before it was frozen.
			if took < 4*time.Second || took > 8*time.Second {
				t.Errorf("a silence of 5 s, counted as 6, is one of %v", took)
			}
			if _, err := primary.dialNode(); err == nil || errors.Is(err, valkey.ErrRefused) {
				t.Errorf("a frozen server is expected to take a connection and say nothing: %v", err)
			}
		})
	}
}

func TestAKilledPrimaryRefusesAtOnceAndItsReplicasLoseTheirLink(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			primary, replicas := trio(t, version)
			ended := make(chan error, 1)
			dialer := valkey.Dialer{Username: OperatorUser, Password: Password}
			go func() {
				_, err := dialer.Vigil(t.Context(), primary.Addr())
				ended <- err
			}()
			awaitVigil(t, primary)
			primary.Kill()
			began := time.Now()
			if err := <-ended; !errors.Is(err, valkey.ErrClosed) {
				t.Errorf("the vigil ended with %v", err)
			}
			heard := time.Since(began)
			if _, err := primary.dialNode(); !errors.Is(err, valkey.ErrRefused) {
				t.Errorf("the address of an ended process answers %v", err)
			}
			for _, r := range replicas {
				Eventually(t, "the replica knows", func() bool {
					info, ok := r.Info()
					return ok && !info.LinkUp
				})
			}
			t.Logf("the operator hears of it after %v, the replicas after %v", heard, time.Since(began))
		})
	}
}

// It does not close its connections, and is noticed all the same (valkey/vigil.go).
func TestTheVigilEndsWhenThePrimaryIsFrozen(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			primary := Start(t, Spec{Version: version})
			ended := make(chan error, 1)
			dialer := valkey.Dialer{Username: OperatorUser, Password: Password}
			go func() {
				_, err := dialer.Vigil(t.Context(), primary.Addr())
				ended <- err
			}()
			select {
			case err := <-ended:
				t.Fatalf("it ended with %v while the server answered", err)
			case <-time.After(3 * time.Second): // some questions
			}
			if denied := primary.Must("ACL", "LOG"); denied != "" {
				t.Errorf("the operator asked what it may not: %s", denied)
			}
			primary.Freeze()
			t.Cleanup(primary.Thaw)
			began := time.Now()
			if err := <-ended; !errors.Is(err, valkey.ErrTimeout) {
				t.Errorf("the vigil ended with %v", err)
			}
			took := time.Since(began)
			t.Logf("noticed after %v", took)
			// The server answered up to a second before the question that it did not.
			if took < 900*time.Millisecond || took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// awaitVigil waits until a vigil stands: its greeting has been answered.
func awaitVigil(t *testing.T, s *Server) {
	t.Helper()
	Eventually(t, "the vigil is held", func() bool {
		return strings.Contains(s.Must("CLIENT", "LIST"), "cmd=client|setname")
	})
}

// It answers with an error (-BUSY), and that is an answer.
func TestTheVigilStandsWhileAScriptRuns(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			primary := Start(t, Spec{Version: version, Config: []string{"busy-reply-threshold 100"}})
			ended := make(chan error, 1)
			dialer := valkey.Dialer{Username: OperatorUser, Password: Password}
			go func() {
				_, err := dialer.Vigil(t.Context(), primary.Addr())
				ended <- err
			}()
			awaitVigil(t, primary)
			go func() { _, _ = primary.Do("EVAL", "while true do end", "0") }()
			select {
			case err := <-ended:
				t.Errorf("it ended with %v", err)
			case <-time.After(4 * time.Second): // some questions
			}
			if _, err := primary.Do("PING"); err == nil {
				t.Error("the server is not busy")
			}
			primary.Must("SCRIPT", "KILL")
		})
	}
}

// The whole of an unplanned loss: the primary is frozen under writes, replaced, and
// thawed. It is a primary again until it is told otherwise.
func TestAThawedPrimaryIsDemotedAndResynchronised(t *testing.T) {
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			old, replicas := trio(t, version)
			heir, other := replicas[0], replicas[1]
			writers := StartWriters(t, 4, old, heir)
			writers.WaitFor(500)
			old.Freeze()
			t.Cleanup(old.Thaw)
			ctx := context.Background()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(heir.Node().ReplicaOfNoOne(ctx))
			must(other.Node().ReplicaOf(ctx, heir.Host, heir.Port))
			other.WaitSynced(heir)
			writers.WaitFor(500)
			old.Thaw()
			Eventually(t, "the old one answers again", func() bool {
				info, ok := old.Info()
				return ok && info.Role == valkey.RolePrimary
			})
			stray := dial(t, old)
			node := old.Node()
			began := time.Now()
			must(node.ReplicaOf(ctx, heir.Host, heir.Port))
			_, err := node.KillClients(ctx, ReplicationUser)
			must(err)
			t.Logf("demoted, and its clients sent away, within %v", time.Since(began))
			if _, err := stray.Do("PING"); err == nil {
				t.Error("a client of the old primary is left there")
			}
			old.WaitSynced(heir)
			writers.WaitFor(200)
			writers.Stop()
			old.WaitAcknowledged(heir)
			for _, s := range []*Server{old, other} {
				if got, want := s.Must("DBSIZE"), heir.Must("DBSIZE"); got != want || got == "0" {
					t.Errorf("%s holds %s keys, the primary %s", s.Addr(), got, want)
				}
			}
			t.Logf("lost %d of %d; full synchronisations from the new primary: %d", writers.Lost(heir), writers.Acknowledged(), heir.stat(t, "sync_full"))
			// The writers wait for each answer: what was on its way is all that can be lost,
			// and what the old one took in the moments after it was thawed.
			if lost := writers.Lost(heir); lost > writers.Acknowledged()/2 {
				t.Errorf("lost %d of %d", lost, writers.Acknowledged())
			}
		})
	}
}
