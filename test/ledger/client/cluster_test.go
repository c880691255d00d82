package client

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// An acknowledgement belongs to the server that gave it, whatever way the key went
// before. acked is its run id, or "-" and the kind of the error; sent is who got
// the write, in order. The first of two is go-redis, the second valkey-go.
func TestAnAcknowledgementBelongsToTheLastServerThatTheLibraryAsked(t *testing.T) {
	for _, c := range []struct {
		name        string
		a, b        []string
		acked, sent [2]string
	}{
		{"straight", []string{"ok"}, nil, [2]string{"A0", "A0"}, [2]string{"A0", "A0"}},
		{"moved", []string{"moved 1"}, []string{"ok"}, [2]string{"B0", "B0"}, [2]string{"A0 B0", "A0 B0"}},
		{"asked", []string{"ask 1"}, []string{"ok"}, [2]string{"B0", "B0"}, [2]string{"A0 B0", "A0 B0"}},
		{"there and back", []string{"moved 1", "ok"}, []string{"moved 0"}, [2]string{"A0", "A0"}, [2]string{"A0 B0 A0", "A0 B0 A0"}},
		{"hung up, then there", []string{"close", "ok"}, nil,
			[2]string{"A0", "-connection-closed"}, [2]string{"A0 A0", "A0"}},
		{"another process after it hung up", []string{"restart", "ok"}, nil,
			[2]string{"A1", "-connection-closed"}, [2]string{"A0 A1", "A0"}},
		{"hung up, then moved", []string{"close", "moved 1"}, []string{"ok"},
			[2]string{"B0", "-connection-closed"}, [2]string{"A0 A0 B0", "A0"}},
		{"moved to one that hangs up", []string{"moved 1", "ok"}, []string{"close"},
			[2]string{"A0", "-connection-closed"}, [2]string{"A0 B0 A0", "A0 B0"}},
		{"no answer, then there", []string{"silent", "ok"}, nil,
			[2]string{"A0", "-timeout"}, [2]string{"A0 A0", "A0"}},
		{"not yet", []string{"TRYAGAIN Multiple keys", "ok"}, nil,
			[2]string{"A0", "-tryagain"}, [2]string{"A0 A0", "A0"}},
		{"down for a moment", []string{"CLUSTERDOWN The cluster is down", "ok"}, nil,
			[2]string{"A0", "-clusterdown"}, [2]string{"A0 A0", "A0"}},
		{"refused for good", []string{"NOPERM No permissions"}, nil,
			[2]string{"-noperm", "-noperm"}, [2]string{"A0", "A0"}},
		{"restarted twice, moved, and restarted", []string{"restart", "restart", "moved 1"}, []string{"ok"},
			[2]string{"B0", "-connection-closed"}, [2]string{"A0 A1 A2 B0", "A0"}},
	} {
		for i, library := range []string{"go-redis", "valkey-go"} {
			t.Run(library+", "+c.name, func(t *testing.T) {
				all := startFakes(t, slices.Clone(c.a), slices.Clone(c.b))
				settings := &Settings{
					Addr: all.nodes[0].addr(), Cluster: true,
					DialTimeout: 5 * time.Second, Timeout: 500 * time.Millisecond, Registry: NewRegistry(),
				}
				acked := attempt(t, settings, library)
				all.mu.Lock()
				defer all.mu.Unlock()
				if sent := strings.Join(all.order, " "); acked != c.acked[i] || sent != c.sent[i] {
					t.Errorf("acknowledged by %s, want %s; sent to %s, want %s", acked, c.acked[i], sent, c.sent[i])
				}
			})
		}
	}
}

// attempt writes one key and says who acknowledged it.
func attempt(t *testing.T, settings *Settings, library string) string {
	t.Helper()
	session, err := settings.Open(library)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	server, err := session.Set(context.Background(), "ledger:t:{0}:1:1", "value")
	switch {
	case err != nil:
		return "-" + Kind(err)
	case server == history.Unattributed:
		return "nobody"
	default:
		return settings.Registry.Servers()[server].RunID
	}
}

func TestAServerIsAskedForItsShardOnceItHasAcknowledged(t *testing.T) {
	all := startFakes(t, []string{"ok", "ok", "ok"})
	settings := &Settings{
		Addr: all.nodes[0].addr(), Cluster: true, DialTimeout: 5 * time.Second, Timeout: 5 * time.Second, Registry: NewRegistry(),
	}
	early := settings.Registry.Number(ServerInfo{RunID: "A0", Shard: "that of a node that nobody has met"})
	if acked := attempt(t, settings, "go-redis"); acked != "A0" {
		t.Fatalf("acknowledged by %s", acked)
	}
	settled := func() bool {
		settings.Registry.mu.Lock()
		defer settings.Registry.mu.Unlock()
		return settings.Registry.servers[early].settled
	}
	for deadline := time.Now().Add(10 * time.Second); !settled(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not asked")
		}
	}
	if s := settings.Registry.Servers()[early]; s.Shard != "shard of A" || !settings.Registry.HasAcknowledged("A0") {
		t.Errorf("server %+v", s)
	}
	settings.Registry.Number(ServerInfo{RunID: "A0", Shard: "shard of B"})
	if moved := settings.Registry.Moved(); len(moved) != 1 || moved[0].Shard != "shard of A" {
		t.Errorf("moved %+v, want the server in the shard that it acknowledged in", moved)
	}
}
