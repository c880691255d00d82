// Package fake is servers on loopback that say what a test tells them: for the
// states that a real server cannot be brought to on purpose. What real servers
// do is shown in internal/conformance.
package fake

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Server answers each command with what its table says, and anything else with
// OK. It takes any password but one that is told to be wrong.
type Server struct {
	listener net.Listener
	mu       sync.Mutex
	replies  map[string]string
	then     map[string]func()
	got      []string
	conns    []net.Conn
	silent   bool
}

// Listen starts a server at an address of loopback, such as "127.0.0.1:0". It
// ends with the test.
func Listen(t *testing.T, addr string) *Server {
	t.Helper()
	listener, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{listener: listener, replies: map[string]string{}, then: map[string]func(){}}
	go s.accept()
	t.Cleanup(s.End)
	return s
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// End closes the port and every connection: from now on it refuses.
func (s *Server) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.listener.Close()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// Silent takes connections and commands, and answers none.
func (s *Server) Silent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = true
}

// Speak ends a silence.
func (s *Server) Speak() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = false
}

// Break closes the connections that there are. New ones are taken.
func (s *Server) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// Reply sets the answer to commands that begin with these words, as it goes
// over the wire. The longest beginning counts.
func (s *Server) Reply(command, wire string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[command] = wire
}

// Then has something happen once a command that begins with these words has
// come, before it is answered.
func (s *Server) Then(command string, happens func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.then[command] = happens
}

// Info sets the fields of INFO on top of those that every server has.
func (s *Server) Info(fields map[string]string) { s.Reply("INFO", Bulk(InfoText(fields))) }

// Got are the commands so far, but for the logins.
func (s *Server) Got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// Logins counts the connections so far.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Bulk is a text as a reply.
func Bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		go s.serve(conn)
	}
}

func (s *Server) serve(conn net.Conn) {
	reader := bufio.NewReader(conn)
	for {
		args, err := command(reader)
		if err != nil {
			_ = conn.Close()
			return
		}
		s.follow(strings.Join(args, " "))
		if reply, ok := s.answer(args); ok {
			_, _ = io.WriteString(conn, reply)
		}
	}
}

func (s *Server) follow(line string) {
	s.mu.Lock()
	var due []func()
	for words, happens := range s.then {
		if strings.HasPrefix(line, words) {
			due = append(due, happens)
		}
	}
	s.mu.Unlock()
	for _, happens := range due {
		happens()
	}
}

func (s *Server) answer(args []string) (reply string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := strings.Join(args, " ")
	if args[0] != "AUTH" && args[0] != "HELLO" && !strings.HasPrefix(line, "CLIENT SETNAME") {
		s.got = append(s.got, line)
	}
	best := ""
	for words := range s.replies {
		if (line == words || strings.HasPrefix(line, words+" ")) && len(words) > len(best) {
			best = words
		}
	}
	switch {
	case s.silent, strings.HasPrefix(line, "REPLCONF GETACK"):
		return "", false
	case best == "":
		return "+OK\r\n", true
	}
	return s.replies[best], true
}

// command reads one, an array of bulk strings.
func command(r *bufio.Reader) ([]string, error) {
	n, err := length(r, '*')
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := length(r, '$')
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		args[i] = string(text[:size])
	}
	return args, nil
}

func length(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("%q where %c was due", line, kind)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
