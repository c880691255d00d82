package ledger

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
)

// These name root file systems with Valkey in them, as the test bed builds them.
// The tests with real servers are skipped without.
const (
	root91 = "VALKEY_ROOT_9_1"
	root81 = "VALKEY_ROOT_8_1"
)

// server is a real Valkey on a port of its own on loopback.
type server struct {
	t    *testing.T
	addr string
	bus  string // port of the cluster's bus
	cred client.Credentials
	cmd  *exec.Cmd
}

func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	return startServerOf(t, root91, args...)
}

func startServerOf(t *testing.T, rootEnv string, args ...string) *server {
	t.Helper()
	s := startProcess(t, rootEnv, append([]string{
		"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--enable-debug-command", "local",
	}, args...))
	s.await("it answers", func() bool { return s.info("server")["run_id"] != "" })
	return s
}

// startProcess starts what every kind of server is: a process with a port and a
// folder of its own.
func startProcess(t *testing.T, rootEnv string, args []string) *server {
	t.Helper()
	root := os.Getenv(rootEnv)
	if root == "" {
		t.Skipf("%s is not set: no Valkey to test with", rootEnv)
	}
	port := freePort(t)
	command := append([]string{
		"--library-path", filepath.Join(root, "usr/lib/x86_64-linux-gnu") + ":" + filepath.Join(root, "lib/x86_64-linux-gnu"),
		filepath.Join(root, "usr/bin/valkey-server"),
	}, args...)
	command = append(command, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir())
	s := &server{t: t, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	s.cmd = exec.Command(filepath.Join(root, "usr/lib64/ld-linux-x86-64.so.2"), command...)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start a server: %v", err)
	}
	t.Cleanup(s.kill)
	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// replicaOf starts a replica and waits until it is in sync.
func startReplica(t *testing.T, of *server, args ...string) *server {
	t.Helper()
	_, port, _ := net.SplitHostPort(of.addr)
	s := startServer(t, append(args, "--replicaof", "127.0.0.1 "+port)...)
	s.await("its link is up", func() bool { return s.info("replication")["master_link_status"] == "up" })
	return s
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// do sends commands on one connection; it fails the test if one fails.
func (s *server) do(commands ...[]string) {
	s.t.Helper()
	w, err := client.Connect(context.Background(), s.addr, s.cred, 5*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for _, c := range commands {
		if _, err := w.Do(c...); err != nil {
			s.t.Fatalf("%v: %v", c, err)
		}
	}
}

// ask sends one command and returns its answer, "" if there is none.
func (s *server) ask(command ...string) string {
	w, err := client.Connect(context.Background(), s.addr, s.cred, time.Second)
	if err != nil {
		return ""
	}
	defer func() { _ = w.Close() }()
	text, _ := w.Do(command...)
	return text
}

// info returns no fields if the server does not answer.
func (s *server) info(section string) map[string]string {
	w, err := client.Connect(context.Background(), s.addr, s.cred, time.Second)
	if err != nil {
		return nil
	}
	defer func() { _ = w.Close() }()
	fields, _ := w.Info(section)
	return fields
}

func (s *server) await(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	s.t.Fatalf("server %s: waited in vain until %s", s.addr, what)
}

// service stands for the primary Service: one address, moved at once for new
// connections, while those that exist stay where they are.
type service struct {
	listener net.Listener
	mu       sync.Mutex
	to       string
}

func startService(t *testing.T, to *server) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{listener: l, to: to.addr}
	t.Cleanup(func() { _ = l.Close() })
	go s.accept()
	return s
}

func (s *service) addr() string { return s.listener.Addr().String() }

func (s *service) move(to *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to.addr
}

func (s *service) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		to := s.to
		s.mu.Unlock()
		go forward(conn, to)
	}
}

func forward(conn net.Conn, to string) {
	defer func() { _ = conn.Close() }()
	back, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = back.Close() }()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{conn, back}, {back, conn}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}

func port(t *testing.T, s *server) string {
	t.Helper()
	_, p, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// writer returns the id of one writer's connection: the go-redis library names
// itself, and our own questions do not.
func (s *server) writer() string {
	s.t.Helper()
	w, err := client.Connect(context.Background(), s.addr, s.cred, time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	text, err := w.Do("CLIENT", "LIST", "TYPE", "normal")
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if id, _, ok := strings.Cut(strings.TrimPrefix(line, "id="), " "); ok && strings.Contains(line, "lib-name=go-redis") {
			return id
		}
	}
	s.t.Fatalf("no writer among the clients of %s:\n%s", s.addr, text)
	return ""
}
