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

// watched is a primary under watch.
type watched struct {
	*Sentries
	hands  *hands
	server *servertest.Server
	// asked counts how often a sentry said its name: once when it comes, and whenever it
	// asks.
	asked atomic.Int32
}

// posted is one whose sentry stands.
func posted(t *testing.T) *watched {
	t.Helper()
	w := &watched{Sentries: NewSentries(), hands: newHands(), server: servertest.Listen(t, "127.0.0.1:0")}
	w.clock = w.hands.clock
	w.server.Then("CLIENT SETNAME", func() { w.asked.Add(1) })
	t.Cleanup(func() { w.Dismiss("shop/cart") })
	w.post(t, model.RolePrimary)
	w.stands(t)
	return w
}

// post tells the sentries what a look saw.
func (w *watched) post(t *testing.T, role model.Role) {
	t.Helper()
	w.Post(instance(t, "shop", `{topology: Replication, replicas: 1}`), servers.Credentials{}, seen(w.server.Addr(), role))
}

// stands waits until the sentry has asked: before that its connection may not stand, and
// its end is nothing to tell.
func (w *watched) stands(t *testing.T) {
	t.Helper()
	before := w.asked.Load()
	await(t, "the sentry to stand", func() bool { return w.asked.Load() >= before+2 })
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
	w := posted(t)
	if alarmed(t, w.Sentries, never) {
		t.Fatal("nothing has happened yet")
	}
	w.server.End()
	if !alarmed(t, w.Sentries, soon) {
		t.Error("nobody heard of it")
	}
}

func TestAPrimaryThatFallsSilentRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	w := posted(t)
	w.server.Silent()
	began := time.Now()
	if !alarmed(t, w.Sentries, soon) {
		t.Fatal("nobody heard of it")
	}
	if took := time.Since(began); took < 500*time.Millisecond || took > 3*time.Second {
		t.Errorf("after %v", took)
	}
}

// A server that loads its data, or runs a script for long, says so.
func TestAnErrorIsAnAnswer(t *testing.T) {
	t.Parallel()
	w := posted(t)
	for _, answer := range []string{"-BUSY Valkey is busy running a script\r\n", "-LOADING Valkey is loading the dataset in memory\r\n"} {
		w.server.Reply("CLIENT SETNAME", answer)
		w.stands(t)
	}
	if alarmed(t, w.Sentries, never) {
		t.Error("it has answered")
	}
}

func TestASentryIsRelievedOnlyAfterAWhile(t *testing.T) {
	w := posted(t)
	w.server.Break()
	if !alarmed(t, w.Sentries, soon) {
		t.Fatal("nobody heard of it")
	}
	w.post(t, model.RolePrimary)
	if w.server.Logins() != 1 {
		t.Error("a server that closes connections keeps the operator busy")
	}
	w.hands.at = w.hands.at.Add(relief)
	w.post(t, model.RolePrimary)
	w.stands(t)
	if w.server.Logins() != 2 {
		t.Fatal("there is no other sentry")
	}
	w.server.Break()
	if !alarmed(t, w.Sentries, soon) {
		t.Error("nobody heard of the second one")
	}
}

func TestWhoIsPrimaryNoMoreIsNotWatched(t *testing.T) {
	for name, end := range map[string]func(w *watched){
		"it has become a replica": func(w *watched) { w.post(t, model.RoleReplica) },
		"its instance is gone":    func(w *watched) { w.Dismiss("shop/cart") },
	} {
		t.Run(name, func(t *testing.T) {
			w := posted(t)
			w.Dismiss("shop/other")
			end(w)
			w.server.Break()
			if alarmed(t, w.Sentries, never) || len(w.posts) != 0 {
				t.Error("it is still watched")
			}
		})
	}
}

// It may come back as the primary that it was.
func TestASilentServerIsWatchedOn(t *testing.T) {
	w := posted(t)
	silent := seen(w.server.Addr(), model.RoleUnknown)
	silent.Shards[0].Nodes[0].Server = model.Server{}
	w.Post(&v1alpha1.Valkey{}, servers.Credentials{}, silent)
	w.server.Break()
	if !alarmed(t, w.Sentries, soon) {
		t.Error("nobody heard of it")
	}
}
