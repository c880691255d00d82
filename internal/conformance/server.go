package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// The users of every server here, as the operator makes them, and one for the
// tests that may do everything. All have the same password.
const (
	OperatorUser    = "valkeeper"
	ReplicationUser = "replication"
	MigrationUser   = "migration"
	TestUser        = "test"
	Password        = "loopback-only"
)

// Persistence of a server.
type Persistence string

// The kinds.
const (
	NoPersistence Persistence = "none"
	RDB           Persistence = "rdb"
	AOF           Persistence = "aof"
)

// Spec is what a server is started with.
type Spec struct {
	Version     Version
	Persistence Persistence // default: none
	// Guard boots it as a replica of nobody, as the operator does.
	Guard bool
	// Cluster makes it a node of one, see FormCluster.
	Cluster bool
	// Watched makes it a data node that Sentinels may watch, see FormSentinels.
	Watched bool
	// Sentinel makes it a Sentinel.
	Sentinel *SentinelSpec
	// Name is what it announces to others instead of its address; it has to resolve
	// to 127.0.0.1.
	Name string
	// NoFile has it read its settings from elsewhere than a file, so that it cannot
	// rewrite them.
	NoFile bool
	// Config are more lines of valkey.conf.
	Config []string
}

// Server is one server process, or what is left of it.
type Server struct {
	Spec Spec
	Host string
	Port int
	// Dir holds its data, settings and log; it outlives restarts.
	Dir string

	t      testing.TB
	root   string
	cmd    *exec.Cmd
	exited chan struct{}
}

// startLimit is generous: the machine may be busy.
const startLimit = 20 * time.Second

// New prepares a server without starting it.
func New(t testing.TB, spec Spec) *Server {
	t.Helper()
	s := &Server{Spec: spec, t: t, root: Root(t, spec.Version), Dir: t.TempDir()}
	s.Host, s.Port = freeAddress(t)
	if spec.Name != "" {
		s.Host = "127.0.0.1"
	}
	if spec.Sentinel != nil && !spec.Sentinel.OnDisk {
		s.Dir = memoryDir(t)
	}
	t.Cleanup(s.Kill)
	return s
}

// Start starts a new server and waits until it answers.
func Start(t testing.TB, spec Spec) *Server {
	t.Helper()
	s := New(t, spec)
	s.Start()
	return s
}

// Addr is "host:port".
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Announced is the host under which others know it.
func (s *Server) Announced() string {
	if s.Spec.Name != "" {
		return s.Spec.Name
	}
	return s.Host
}

// Start starts the process and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.Launch()
	deadline := time.Now().Add(startLimit)
	for {
		if conn, err := DialWire(s, TestUser); err == nil {
			reply, err := conn.Do("PING")
			conn.Close()
			if err == nil && reply == "PONG" {
				return
			}
		}
		select {
		case <-s.exited:
			s.t.Fatalf("valkey %s ended at its start:\n%s", s.Spec.Version, s.lastWords())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("valkey %s does not answer after %v:\n%s", s.Spec.Version, startLimit, s.LogTail(10))
		}
	}
}

// Launch starts the process and does not wait for anything.
func (s *Server) Launch() {
	s.t.Helper()
	conf := filepath.Join(s.Dir, "valkey.conf")
	if err := os.WriteFile(conf, []byte(s.config()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	command := append(serverCommand(s.root), conf)
	if s.Spec.Sentinel != nil {
		command = append(command, "--sentinel")
	}
	var stdin io.Reader
	if s.Spec.NoFile {
		command[len(command)-1], stdin = "-", strings.NewReader(s.config())
	}
	s.cmd = exec.Command(command[0], command[1:]...)
	s.cmd.Stdin = stdin
	// The server ends with this process, even if that is killed.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
}

func (s *Server) config() string {
	sum := sha256.Sum256([]byte(Password))
	hash := hex.EncodeToString(sum[:])
	if s.Spec.Sentinel != nil {
		return s.sentinelConfig(hash)
	}
	lines := []string{
		"bind " + s.Host,
		// A replica's connections come from its own address, as a pod's do.
		"bind-source-addr " + s.Host,
		fmt.Sprintf("port %d", s.Port),
		"dir " + s.Dir,
		"logfile " + filepath.Join(s.Dir, "log"),
		"user default off",
		"user " + valkey.ACLLine(OperatorUser, hash, s.Spec.operatorACL()),
		"user " + valkey.ACLLine(ReplicationUser, hash, s.Spec.replicationACL()),
		"user " + valkey.ACLLine(TestUser, hash, []string{"~*", "&*", "+@all"}),
		"primaryuser " + ReplicationUser,
		"primaryauth " + Password,
		"repl-diskless-sync-delay 0",
		"enable-debug-command yes",
	}
	switch s.Spec.Persistence {
	case RDB:
		lines = append(lines, "save 3600 1 300 100")
	case AOF:
		lines = append(lines, `save ""`, "appendonly yes")
	default:
		lines = append(lines, `save ""`)
	}
	if s.Spec.Guard {
		lines = append(lines, "replicaof 127.0.0.1 1")
	}
	if s.Spec.Cluster {
		lines = append(lines, s.clusterConfig(hash)...)
	}
	if s.Spec.Name != "" {
		lines = append(lines, "replica-announce-ip "+s.Spec.Name)
	}
	if s.Spec.Watched {
		lines = append(lines, "user "+valkey.ACLLine(SentinelUser, hash, valkey.SentinelACL))
	}
	return strings.Join(append(lines, s.Spec.Config...), "\n") + "\n"
}

func (s *Server) running() bool {
	if s.exited == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the process, if it runs.
func (s *Server) Signal(signal syscall.Signal) {
	if s.running() {
		_ = s.cmd.Process.Signal(signal)
	}
}

// Kill ends the process at once (SIGKILL), with the children that write its
// files, and waits until all have gone.
func (s *Server) Kill() {
	if !s.running() {
		return
	}
	group := -s.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-s.exited
	for deadline := time.Now().Add(startLimit); syscall.Kill(group, 0) == nil && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// Stop ends the process as Kubernetes does (SIGTERM) and waits until it has gone.
func (s *Server) Stop() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(startLimit):
		s.t.Fatalf("%s has not ended %v after SIGTERM:\n%s", s.Addr(), startLimit, s.LogTail(10))
	}
}

// Freeze stops the process without ending it: its address accepts and says nothing.
func (s *Server) Freeze() { s.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (s *Server) Thaw() { s.Signal(syscall.SIGCONT) }

// LogTail is the end of the server's log.
func (s *Server) LogTail(lines int) string {
	text, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// lastWords are the end of the log of a server that has ended by itself: if it has
// crashed, from where it says so.
func (s *Server) lastWords() string {
	all := s.LogTail(1000)
	if at := strings.Index(all, "VALKEY BUG REPORT START"); at >= 0 {
		before := strings.Split(all[:at], "\n")
		return strings.Join(before[max(0, len(before)-10):], "\n") + all[at:min(len(all), at+4000)]
	}
	return s.LogTail(10)
}

// LogHas says whether the server has logged that text.
func (s *Server) LogHas(text string) bool {
	log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	return strings.Contains(string(log), text)
}
