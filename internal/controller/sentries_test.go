package controller

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	servertest "github.com/valkeeper/valkeeper/internal/servers/fake"
)

// seen is a shard with one server in that role at that address.
func seen(address string, role model.Role) model.Snapshot {
	n := model.Node{Ref: model.Ref{Name: "cart-0", UID: "uid-0", Address: address}, Server: model.Server{Answered: true, Role: role}}
	return model.Snapshot{Instance: "shop/cart", Shards: []model.Shard{{Nodes: []model.Node{n}}}}
}

// alarmed says whether an alarm comes.
func alarmed(t *testing.T, s *Sentries, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	select {
	case e := <-s.Alarms():
		if e.Object.GetNamespace() != "shop" || e.Object.GetName() != "cart" {
			t.Errorf("the alarm is of %s/%s", e.Object.GetNamespace(), e.Object.GetName())
		}
		return true
	case <-ctx.Done():
		return false
	}
}

const (
	soon  = 5 * time.Second
	never = 200 * time.Millisecond
)

// posted is a primary under watch.
func posted(t *testing.T) (*Sentries, *hands, *servertest.Server, func(role model.Role)) {
	t.Helper()
	s, h, server := NewSentries(), newHands(), servertest.Listen(t, "127.0.0.1:0")
	s.clock = h.clock
	v := instance(t, "shop", `{topology: Replication, replicas: 1}`)
	post := func(role model.Role) { s.Post(v, servers.Credentials{}, seen(server.Addr(), role)) }
	t.Cleanup(func() { s.Dismiss("shop/cart") })
	post(model.RolePrimary)
	await(t, "the sentry to stand", func() bool { return server.Logins() == 1 })
	return s, h, server, post
}

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond) // polled: the fake server has no bell
	}
}

func TestTheEndOfAPrimarysConnectionRaisesTheAlarm(t *testing.T) {
	s, _, server, _ := posted(t)
	if alarmed(t, s, never) {
		t.Fatal("nothing has happened yet")
	}
	server.End()
	if !alarmed(t, s, soon) {
		t.Error("nobody heard of it")
	}
}

func TestAPrimaryThatFallsSilentRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	s, _, server, _ := posted(t)
	server.Silent()
	began := time.Now()
	if !alarmed(t, s, soon) {
		t.Fatal("nobody heard of it")
	}
	if took := time.Since(began); took < 500*time.Millisecond || took > 3*time.Second {
		t.Errorf("after %v", took)
	}
}

// A server that loads its data, or runs a script for long, says so.
func TestAnErrorIsAnAnswer(t *testing.T) {
	t.Parallel()
	s, _, server, _ := posted(t)
	var asked atomic.Int32
	server.Then("CLIENT SETNAME", func() { asked.Add(1) })
	for _, answer := range []string{"-BUSY Valkey is busy running a script\r\n", "-LOADING Valkey is loading the dataset in memory\r\n"} {
		server.Reply("CLIENT SETNAME", answer)
		before := asked.Load()
		await(t, "a question after one that was answered so", func() bool { return asked.Load() >= before+2 })
	}
	if alarmed(t, s, never) {
		t.Error("it has answered")
	}
}

func TestASentryIsRelievedOnlyAfterAWhile(t *testing.T) {
	s, h, server, post := posted(t)
	server.Break()
	if !alarmed(t, s, soon) {
		t.Fatal("nobody heard of it")
	}
	post(model.RolePrimary)
	if server.Logins() != 1 {
		t.Error("a server that closes connections keeps the operator busy")
	}
	h.at = h.at.Add(relief)
	post(model.RolePrimary)
	await(t, "another sentry", func() bool { return server.Logins() == 2 })
	server.Break()
	if !alarmed(t, s, soon) {
		t.Error("nobody heard of the second one")
	}
}

func TestWhoIsPrimaryNoMoreIsNotWatched(t *testing.T) {
	for name, end := range map[string]func(s *Sentries, post func(model.Role)){
		"it has become a replica": func(_ *Sentries, post func(model.Role)) { post(model.RoleReplica) },
		"its instance is gone":    func(s *Sentries, _ func(model.Role)) { s.Dismiss("shop/cart") },
	} {
		t.Run(name, func(t *testing.T) {
			s, _, server, post := posted(t)
			s.Dismiss("shop/other")
			end(s, post)
			server.Break()
			if alarmed(t, s, never) || len(s.posts) != 0 {
				t.Error("it is still watched")
			}
		})
	}
}

// It may come back as the primary that it was.
func TestASilentServerIsWatchedOn(t *testing.T) {
	s, _, server, _ := posted(t)
	silent := seen(server.Addr(), model.RoleUnknown)
	silent.Shards[0].Nodes[0].Server = model.Server{}
	s.Post(&v1alpha1.Valkey{}, servers.Credentials{}, silent)
	server.Break()
	if !alarmed(t, s, soon) {
		t.Error("nobody heard of it")
	}
}
