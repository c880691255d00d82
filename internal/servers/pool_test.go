package servers_test

import (
	"sync"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

const loopback = "127.0.0.1:0"

var creds = servers.Credentials{Username: "valkeeper", Password: "one"}

func get(t *testing.T, p *servers.Pool, uid, addr string, c servers.Credentials) *valkey.Node {
	t.Helper()
	node, err := p.Get(t.Context(), "default/cart", uid, addr, c)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func TestAPodIsDialledAnewOnlyWhenItsConnectionIsOfNoMoreUse(t *testing.T) {
	s, moved := fake.Listen(t, loopback), fake.Listen(t, loopback)
	p := servers.NewPool()
	t.Cleanup(func() { p.Keep("default/cart", nil) })
	first := get(t, p, "uid", s.Addr(), creds)
	if get(t, p, "uid", s.Addr(), creds) != first || s.Logins() != 1 {
		t.Errorf("%d logins for two looks", s.Logins())
	}
	rotated := servers.Credentials{Username: "valkeeper", Password: "two"}
	if get(t, p, "uid", s.Addr(), rotated) == first {
		t.Error("a new password does not make a new connection")
	}
	if get(t, p, "uid", moved.Addr(), rotated).Addr() != moved.Addr() {
		t.Error("a pod with a new address is asked at the old one")
	}
	before := get(t, p, "uid", moved.Addr(), rotated)
	p.Drop("uid")
	if get(t, p, "uid", moved.Addr(), rotated) == before {
		t.Error("a dropped connection is given again")
	}
	before = get(t, p, "uid", moved.Addr(), rotated)
	if get(t, p, "another-uid", moved.Addr(), rotated) == before {
		t.Error("a pod that took another's address got its connection")
	}
}

func TestOnlyTheInstancesOwnPodsAreForgotten(t *testing.T) {
	s := fake.Listen(t, loopback)
	p := servers.NewPool()
	kept, gone := get(t, p, "kept", s.Addr(), creds), get(t, p, "gone", s.Addr(), creds)
	other, err := p.Get(t.Context(), "default/shop", "other", s.Addr(), creds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Keep("default/cart", nil); p.Keep("default/shop", nil) })
	p.Keep("default/cart", map[string]bool{"kept": true})
	if get(t, p, "kept", s.Addr(), creds) != kept || get(t, p, "gone", s.Addr(), creds) == gone {
		t.Error("the wrong connection was closed")
	}
	if again, _ := p.Get(t.Context(), "default/shop", "other", s.Addr(), creds); again != other {
		t.Error("another instance's connection was closed")
	}
}

func TestASilentPodKeepsNobodyElseWaiting(t *testing.T) {
	silent, speaking := fake.Listen(t, loopback), fake.Listen(t, loopback)
	silent.Silent()
	p := servers.NewPool()
	t.Cleanup(func() { p.Keep("default/cart", nil) })
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = p.Get(t.Context(), "default/cart", "silent", silent.Addr(), creds) })
	start := time.Now()
	get(t, p, "speaking", speaking.Addr(), creds)
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	wg.Wait()
}
