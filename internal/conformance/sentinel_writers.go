package conformance

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Clients are both kinds of clients of a watched set, at the same time: those that
// ask Sentinels for the primary whenever a write has failed, and those that go
// through a name which is moved when the role does.
type Clients struct {
	Aware, ByName *Writers
	name          atomic.Pointer[Server]
}

// StartClients starts four writers of each kind.
func (w *Watch) StartClients(t testing.TB, primary *Server) *Clients {
	t.Helper()
	c := &Clients{}
	c.Move(primary)
	c.Aware = startWriters(t, "aware", 4, func(int) *Server { return w.ask() })
	c.ByName = startWriters(t, "named", 4, func(int) *Server { return c.name.Load() })
	return c
}

// Move lets the name stand for another server.
func (c *Clients) Move(to *Server) { c.name.Store(to) }

// All are both kinds.
func (c *Clients) All() []*Writers { return []*Writers{c.Aware, c.ByName} }

// ResetGap begins the measuring anew.
func (c *Clients) ResetGap() {
	for _, w := range c.All() {
		w.ResetGap()
	}
}

// WaitFor waits until each kind has so many more writes acknowledged.
func (c *Clients) WaitFor(more int) {
	for _, w := range c.All() {
		w.WaitFor(more)
	}
}

// Stop ends all writers.
func (c *Clients) Stop() {
	for _, w := range c.All() {
		w.Stop()
	}
}

// Lost counts the acknowledged writes of both that the server does not hold.
func (c *Clients) Lost(s *Server) int { return c.Aware.Lost(s) + c.ByName.Lost(s) }

// Acknowledged counts the writes of both.
func (c *Clients) Acknowledged() int { return c.Aware.Acknowledged() + c.ByName.Acknowledged() }

// ask asks a Sentinel for the primary, as a client does: any that answers.
func (w *Watch) ask() *Server {
	for _, i := range rand.Perm(len(w.Sentinels)) {
		conn, err := DialWire(w.Sentinels[i], TestUser)
		if err != nil {
			continue
		}
		conn.Timeout = time.Second
		reply, err := conn.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MonitorName)
		conn.Close()
		if host, port, ok := strings.Cut(reply, "\n"); err == nil && ok {
			return w.at(host, port)
		}
	}
	return nil
}

func (w *Watch) at(host, port string) *Server {
	for _, s := range w.Data {
		if strings.HasSuffix(s.Addr(), ":"+port) && s.Announced() == host {
			return s
		}
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
