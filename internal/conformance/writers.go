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
	t      testing.TB
	prefix string
	// find is where a writer looks for the primary, at each attempt anew.
	find func(attempt int) *Server
	stop chan struct{}
	done sync.WaitGroup

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
	return startWriters(t, "w", n, func(attempt int) *Server { return servers[attempt%len(servers)] })
}

// startWriters starts writers whose keys have a prefix of their own, and that are
// told where to write.
func startWriters(t testing.TB, prefix string, n int, find func(attempt int) *Server) *Writers {
	t.Helper()
	w := &Writers{t: t, prefix: prefix, find: find, stop: make(chan struct{}), acked: make([][]int, n), kinds: map[string]int{}}
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
			conn, err = w.dial(next)
		}
		if err == nil {
			conn.Timeout = 2 * time.Second
			_, err = conn.Do("SET", w.key(id, number), strconv.Itoa(number))
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

func (w *Writers) dial(attempt int) (*Wire, error) {
	server := w.find(attempt)
	if server == nil {
		return nil, errors.New("nobody says where to write")
	}
	return DialWire(server, TestUser)
}

func (w *Writers) key(writer, number int) string {
	return fmt.Sprintf("%s%d:%d", w.prefix, writer, number)
}

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
				args = append(args, w.key(id, number))
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
