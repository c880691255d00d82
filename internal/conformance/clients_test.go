package conformance

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
)

func TestKillingClientsSparesTheOperatorAndTheReplicas(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			set := Set(t, Spec{Version: version}, Spec{Version: version}, Spec{Version: version})
			primary := set[0]
			ours, ours2 := primary.Node(), primary.Node()
			before, err := ours2.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			normal, blocked, subscribed := dial(t, primary), dial(t, primary), dial(t, primary)
			if _, err := subscribed.Do("SUBSCRIBE", "channel"); err != nil {
				t.Fatal(err)
			}
			if err := blocked.Send("BLPOP", "nothing", "0"); err != nil {
				t.Fatal(err)
			}
			Eventually(t, "three clients are seen, one of them blocked", func() bool {
				clients, err := ours.Clients(ctx, ReplicationUser)
				flags := ""
				for _, c := range clients {
					flags += c.Flags
				}
				return err == nil && len(clients) == 3 && strings.Contains(flags, "b") && strings.Contains(flags, "P")
			})
			syncs := primary.stat(t, "sync_full") + primary.stat(t, "sync_partial_ok")
			killed, err := ours.KillClients(ctx, ReplicationUser)
			if err != nil || killed < 3 {
				t.Errorf("killed %d, %v", killed, err)
			}
			for name, conn := range map[string]*Wire{"normal": normal, "blocked": blocked, "subscribed": subscribed} {
				if _, err := conn.Receive(); err == nil {
					t.Errorf("the %s client is still there", name)
				}
			}
			after, err := ours2.Info(ctx)
			if err != nil || after.RunID != before.RunID || len(after.Replicas) != 2 {
				t.Errorf("our other connection: %v; replicas %v", err, after.Replicas)
			}
			// A killed link would have come back with another sync.
			primary.Must("SET", "still", "here")
			Eventually(t, "the replicas go on", func() bool {
				return set[1].Must("GET", "still") == "here" && set[2].Must("GET", "still") == "here"
			})
			if now := primary.stat(t, "sync_full") + primary.stat(t, "sync_partial_ok"); now != syncs {
				t.Errorf("replicas have synchronised again: %d, before %d", now, syncs)
			}
		})
	}
}

func dial(t *testing.T, s *Server) *Wire {
	t.Helper()
	conn, err := DialWire(s, TestUser)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func TestPausedBlockedAndSubscribedClientsAtAHandover(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			set := Set(t, Spec{Version: version}, Spec{Version: version})
			old, target := set[0], set[1]
			blocked, subscribed, writer := dial(t, old), dial(t, old), dial(t, old)
			if err := blocked.Send("BLPOP", "nothing", "0"); err != nil {
				t.Fatal(err)
			}
			if _, err := subscribed.Do("SUBSCRIBE", "channel"); err != nil {
				t.Fatal(err)
			}
			opt := handover.Options{At: func(point string) {
				if point == handover.PointBeforeFailover {
					// The write meets the pause: a client pause first, so that it surely does.
					_ = old.Node().PauseWrites(ctx, 150*time.Millisecond)
					_ = writer.Send("SET", "paused", "write")
				}
			}}
			if _, err := handover.Replication(ctx, old.Node(), target.Node(), opt); err != nil {
				t.Fatal(err)
			}
			if _, err := writer.Receive(); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
				t.Errorf("the paused writer gets %v", err)
			}
			if _, err := blocked.Receive(); err == nil || !strings.HasPrefix(err.Error(), "UNBLOCKED") {
				t.Errorf("the blocked client gets %v", err)
			}
			if _, err := blocked.Receive(); !errors.Is(err, io.EOF) {
				t.Errorf("and then %v, want the end of its connection", err)
			}
			subscribed.Timeout = 100 * time.Millisecond
			if reply, err := subscribed.Receive(); err == nil || strings.Contains(err.Error(), "EOF") {
				t.Errorf("the subscriber stays on the old node and hears nothing; it got %q, %v", reply, err)
			}
			drained, err := handover.Drain(ctx, old.Node(), handover.DrainOptions{Spare: []string{ReplicationUser}, Every: 5 * time.Millisecond})
			// The blocked one was closed by the server itself.
			if err != nil || drained.Killed != 2 || len(drained.Left) != 0 {
				t.Errorf("drained %+v, %v", drained, err)
			}
			old.WaitSynced(target)
		})
	}
}

func TestDrainTellsWhoDoesNotLeave(t *testing.T) {
	t.Parallel()
	s := Start(t, Spec{Version: V91})
	node := s.Node()
	stop := make(chan struct{})
	left := make(chan struct{})
	go func() {
		defer close(left)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if conn, err := DialWire(s, TestUser); err == nil {
				_, _ = conn.Do("PING")
				_, _ = conn.Receive() // until it is killed
				conn.Close()
			}
		}
	}()
	result, err := handover.Drain(context.Background(), node, handover.DrainOptions{Every: 5 * time.Millisecond, Timeout: 300 * time.Millisecond})
	close(stop)
	s.Kill()
	<-left
	if err == nil || result.Killed < 2 {
		t.Errorf("drained %+v, %v", result, err)
	}
}
