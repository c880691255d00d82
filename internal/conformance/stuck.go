package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Stuck is a server that stops between two lines of its own log: always at the same
// place of its program, where a signal would hit it anywhere.
//
// A server opens its log anew for each line. If the log is a pipe that nobody reads, it
// waits in that until somebody does. So each line gets a pipe of its own: the one for
// the next line takes the log's place before the one for this line is read.
type Stuck struct {
	t     testing.TB
	at    chan struct{} // closed when the line has been written
	log   string        // its path, as the server knows it
	kept  string        // what was its log, and will be again
	pipes int
	once  sync.Once
}

// StickAt lets a running server stop once it has logged a line with that text, until
// GoOn.
func (s *Server) StickAt(text string) *Stuck {
	s.t.Helper()
	log := filepath.Join(s.Dir, "log")
	k := &Stuck{t: s.t, at: make(chan struct{}), log: log, kept: log + ".kept"}
	if err := errors.Join(os.Link(k.log, k.kept), k.next()); err != nil {
		s.t.Fatal(err)
	}
	passed := make(chan error, 1)
	stop := make(chan struct{})
	go func() { passed <- k.pass(text, stop) }()
	s.t.Cleanup(func() {
		close(stop)
		if err := <-passed; err != nil {
			s.t.Error(err)
		}
		k.GoOn()
	})
	return k
}

func (k *Stuck) pipe() string { return fmt.Sprintf("%s.%d", k.log, k.pipes) }

// next puts a new pipe in the log's place, at one stroke.
func (k *Stuck) next() error {
	k.pipes++
	link := k.log + ".link"
	return errors.Join(syscall.Mkfifo(k.pipe(), 0o600), os.Link(k.pipe(), link), os.Rename(link, k.log))
}

// pass reads line after line until the one with the text.
func (k *Stuck) pass(text string, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(time.Millisecond):
		}
		pipe := k.pipe()
		if err := k.next(); err != nil {
			return err
		}
		line, err := readWaiting(pipe)
		if err == nil {
			err = k.keep(line)
		}
		if err != nil {
			return err
		}
		if strings.Contains(line, text) {
			close(k.at)
			return nil
		}
	}
}

// readWaiting returns what a writer that waits at the pipe has to write, or nothing if
// none waits there.
func readWaiting(pipe string) (string, error) {
	fd, err := syscall.Open(pipe, syscall.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = errors.Join(syscall.Close(fd), os.Remove(pipe)) }()
	var line []byte
	for {
		part := make([]byte, 4096)
		switch n, err := syscall.Read(fd, part); {
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR): // a writer is there
			time.Sleep(50 * time.Microsecond)
		case err != nil:
			return "", err
		case n == 0:
			return string(line), nil
		default:
			line = append(line, part[:n]...)
		}
	}
}

func (k *Stuck) keep(text string) error {
	log, err := os.OpenFile(k.kept, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = log.WriteString(text)
	return errors.Join(err, log.Close())
}

// Reached says whether the line has been written: the server waits at its next one.
func (k *Stuck) Reached() bool {
	select {
	case <-k.at:
		return true
	default:
		return false
	}
}

// GoOn lets a server that is stuck go on, with a file as its log again.
func (k *Stuck) GoOn() {
	k.once.Do(func() {
		if err := os.Rename(k.kept, k.log); err != nil {
			k.t.Error(err)
			return
		}
		line, err := readWaiting(k.pipe())
		if err != nil {
			k.t.Error(err)
		}
		k.t.Logf("it was stuck before: %s", line)
	})
}
