package conformance

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
)

// The table in docs/handover.md.
func TestWhatClientsOfAClusterSeeOfAHandover(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			old, target := c.Shards[0][0], c.Shards[0][1]
			key := hashTag(c.SlotsOf(0), 0)
			old.Must("SET", key, "here")
			target.WaitAcknowledged(old)
			writer, reader, blocked, subscribed, sharded := dial(t, old), dial(t, old), dial(t, old), dial(t, old), dial(t, old)
			_, err := reader.Do("READONLY")
			must(t, err)
			must(t, blocked.Send("BLPOP", key+"nothing", "0"))
			_, err = subscribed.Do("SUBSCRIBE", "channel")
			must(t, err)
			_, err = sharded.Do("SSUBSCRIBE", key)
			must(t, err)
			opt := handover.Options{At: func(point string) {
				if point == handover.PointBeforeFailover {
					// Held back by a pause that ends with the role, so that it surely waits.
					old.Must("CLIENT", "PAUSE", "100", "WRITE")
					_ = writer.Send("SET", key+"paused", "write")
				}
			}}
			if result, err := c.handOver(old, target, opt); err != nil {
				t.Fatalf("%+v, %v", result, err)
			}
			sentOn(t, "writer that waited", writer, target)
			if version == V81 {
				if _, err := blocked.Receive(); err == nil || !strings.HasPrefix(err.Error(), "UNBLOCKED") {
					t.Errorf("the blocked client gets %v", err)
				}
				if _, err := blocked.Receive(); !errors.Is(err, io.EOF) {
					t.Errorf("and then %v, want the end of its connection", err)
				}
			} else {
				sentOn(t, "blocked client", blocked, target)
			}
			if reply, err := reader.Do("GET", key); err != nil || reply != "here" {
				t.Errorf("who reads from replicas gets %q, %v", reply, err)
			}
			if got := target.Must("EXISTS", key+"paused"); got != "0" {
				t.Error("the write that was moved has been carried out")
			}
			if reply, err := sharded.Receive(); err != nil || !strings.HasPrefix(reply, "sunsubscribe") {
				t.Errorf("who is subscribed to a shard's channel gets %q, %v", reply, err)
			}
			subscribed.Timeout = 200 * time.Millisecond
			if reply, err := subscribed.Receive(); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("the subscriber stays where it is; it got %q, %v", reply, err)
			}
		})
	}
}

// sentOn: the client is told where to go, and keeps its connection.
func sentOn(t *testing.T, name string, conn *Wire, target *Server) {
	t.Helper()
	if reply, err := conn.Receive(); err == nil || !strings.HasPrefix(err.Error(), "MOVED ") || !strings.HasSuffix(err.Error(), target.Addr()) {
		t.Errorf("the %s gets %q, %v", name, reply, err)
	}
	if reply, err := conn.Do("PING"); err != nil || reply != "PONG" {
		t.Errorf("the %s is not connected any more: %v", name, err)
	}
}
