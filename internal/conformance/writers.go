package conformance

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Writers write unique keys without a break and remember what was acknowledged.
// Each keeps its connection until it fails, and then looks for the next server
// that takes its writes. A failed write is not tried again: whether it was
// carried out is unknown.
type Writers struct {
	t       testing.TB
	servers []*Server
	stop    chan struct{}
	done    sync.WaitGroup

	mu    sync.Mutex
	last  time.Time     // of the last acknowledgement
	gap   time.Duration // longest time without one, over all writers
	acked [][]int       // by writer: numbers of acknowledged keys
	kinds map[string]int
}

// StartWriters starts n writers that begin at the first server, and waits until
// writes are acknowledged.
func StartWriters(t testing.TB, n int, servers ...*Server) *Writers {
	t.Helper()
	w := &Writers{t: t, servers: servers, stop: make(chan struct{}), acked: make([][]int, n), kinds: map[string]int{}}
	for id := range n {
		w.done.Go(func() { w.write(id) })
	}
	t.Cleanup(w.Stop)
	w.WaitFor(50)
	return w
}

// WaitFor waits until so many more writes have been acknowledged.
func (w *Writers) WaitFor(more int) {
	w.t.Helper()
	want := w.Acknowledged() + more
	Eventually(w.t, fmt.Sprintf("%d acknowledged writes", want), func() bool { return w.Acknowledged() >= want })
}

// Acknowledged counts the writes so far.
func (w *Writers) Acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := 0
	for _, numbers := range w.acked {
		sum += len(numbers)
	}
	return sum
}

// ResetGap begins the measuring of the longest gap anew.
func (w *Writers) ResetGap() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gap, w.last = 0, time.Now()
}

// Gap is the longest time without an acknowledged write since ResetGap.
func (w *Writers) Gap() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gap
}

// Errors tells how often which kind of error was seen.
func (w *Writers) Errors() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := map[string]int{}
	for kind, count := range w.kinds {
		kinds[kind] = count
	}
	return kinds
}

// Stop ends the writers.
func (w *Writers) Stop() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.done.Wait()
}

func (w *Writers) write(id int) {
	next := 0
	var conn *Wire
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for number := 0; ; number++ {
		select {
		case <-w.stop:
			return
		default:
		}
		var err error
		if conn == nil {
			conn, err = DialWire(w.servers[next%len(w.servers)], TestUser)
		}
		if err == nil {
			conn.Timeout = 2 * time.Second
			_, err = conn.Do("SET", key(id, number), strconv.Itoa(number))
		}
		if err == nil {
			w.acknowledge(id, number)
			continue
		}
		w.count(err)
		if conn != nil {
			conn.Close()
			conn = nil
		}
		next++
		time.Sleep(500 * time.Microsecond)
	}
}

func key(writer, number int) string { return fmt.Sprintf("w%d:%d", writer, number) }

func (w *Writers) acknowledge(id, number int) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() {
		w.gap = max(w.gap, now.Sub(w.last))
	}
	w.last = now
	w.acked[id] = append(w.acked[id], number)
}

func (w *Writers) count(err error) {
	kind := "connection"
	var reply ReplyError
	if errors.As(err, &reply) {
		kind, _, _ = strings.Cut(reply.Error(), " ")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kinds[kind]++
}

// Lost counts the acknowledged writes that the server does not hold.
func (w *Writers) Lost(s *Server) int {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	conn, err := DialWire(s, TestUser)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	lost := 0
	for id, numbers := range w.acked {
		for len(numbers) > 0 {
			batch := numbers[:min(len(numbers), 1000)]
			numbers = numbers[len(batch):]
			args := []string{"EXISTS"}
			for _, number := range batch {
				args = append(args, key(id, number))
			}
			reply, err := conn.Do(args...)
			if err != nil {
				w.t.Fatal(err)
			}
			found, _ := strconv.Atoi(reply)
			lost += len(batch) - found
		}
	}
	return lost
}
