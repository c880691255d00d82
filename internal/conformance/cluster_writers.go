package conformance

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// ClusterWriters are Writers that know a cluster: each writes keys of one slot and
// goes where it is sent (MOVED, ASK).
type ClusterWriters struct {
	Writers
	servers []*Server
	tags    []string // by writer
}

// StartClusterWriters starts n writers with keys in slots of the range, and waits
// until writes are acknowledged.
func StartClusterWriters(t testing.TB, n int, c *Cluster, slots valkey.SlotRange) *ClusterWriters {
	t.Helper()
	w := &ClusterWriters{servers: c.Servers(), Writers: Writers{
		t: t, stop: make(chan struct{}), acked: make([][]int, n), kinds: map[string]int{},
	}}
	for id := range n {
		w.tags = append(w.tags, hashTag(slots, id))
		w.done.Go(func() { w.write(id) })
	}
	t.Cleanup(w.Stop)
	w.WaitFor(50)
	return w
}

func (w *ClusterWriters) key(id, number int) string { return fmt.Sprintf("%s:%d", w.tags[id], number) }

func (w *ClusterWriters) write(id int) {
	route := &route{servers: w.servers, timeout: 2 * time.Second}
	defer route.close()
	for number := 0; ; number++ {
		select {
		case <-w.stop:
			return
		default:
		}
		// Not tried again, even if it was surely not carried out: the next one is.
		if _, err := route.do("SET", w.key(id, number), strconv.Itoa(number)); err != nil {
			w.count(err)
			route.follow(err)
			continue
		}
		w.acknowledge(id, number)
	}
}

// Lost counts the acknowledged writes that the slots' owners do not hold.
func (w *ClusterWriters) Lost() int {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := 0
	for id, numbers := range w.acked {
		route := &route{servers: w.servers, timeout: 10 * time.Second}
		for len(numbers) > 0 {
			batch := numbers[:min(len(numbers), 1000)]
			numbers = numbers[len(batch):]
			args := []string{"EXISTS"}
			for _, number := range batch {
				args = append(args, w.key(id, number))
			}
			found, _ := strconv.Atoi(route.must(w.t, args...))
			lost += len(batch) - found
		}
		route.close()
	}
	return lost
}

// route is one client's way to the owner of a slot.
type route struct {
	servers []*Server
	timeout time.Duration

	conn   *Wire
	next   int     // of the servers, when nobody has said where to go
	moved  *Server // where the last answer said
	asking bool    // for the next command only
}

func (r *route) do(args ...string) (string, error) {
	if r.conn == nil {
		to := r.moved
		if to == nil {
			to = r.servers[r.next%len(r.servers)]
			r.next++
		}
		conn, err := DialWire(to, TestUser)
		if err != nil {
			return "", err
		}
		conn.Timeout = r.timeout
		r.conn = conn
	}
	if r.asking {
		r.asking = false
		if _, err := r.conn.Do("ASKING"); err != nil {
			return "", err
		}
	}
	return r.conn.Do(args...)
}

// follow goes where the error says, or on to the next server.
func (r *route) follow(err error) {
	var reply ReplyError
	if errors.As(err, &reply) {
		kind, rest, _ := strings.Cut(reply.Error(), " ")
		_, addr, _ := strings.Cut(rest, " ")
		switch kind {
		case "MOVED", "ASK":
			r.close()
			r.moved, r.asking = r.server(addr), kind == "ASK"
			return
		case "TRYAGAIN":
			return
		}
	}
	r.close()
	r.moved = nil
	time.Sleep(500 * time.Microsecond)
}

func (r *route) server(addr string) *Server {
	for _, s := range r.servers {
		if s.Addr() == addr {
			return s
		}
	}
	return nil
}

func (r *route) close() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// must follows until the command succeeds.
func (r *route) must(t testing.TB, args ...string) string {
	t.Helper()
	var last error
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); {
		reply, err := r.do(args...)
		if err == nil {
			return reply
		}
		last = err
		r.follow(err)
	}
	t.Fatalf("%s: %v", args[0], last)
	return ""
}
