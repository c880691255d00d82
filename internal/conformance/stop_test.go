package conformance

import (
	"context"
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

// stopScript is what a pod runs before its server is told to stop.
const stopScript = "../render/stop.sh"

// StopUser is the user of that script.
const StopUser = "valkeeper-stop"

// allowStop makes the user of the script on these servers, as their ACL file would.
func allowStop(rules []string, servers ...*Server) {
	for _, s := range servers {
		s.Must(append([]string{"ACL", "SETUSER", StopUser, "reset", "on", ">" + Password}, append(append([]string{}, valkey.StopACL...), rules...)...)...)
	}
}

// hook is one run of the script beside a server, with its own valkey-cli.
type hook struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   *strings.Builder
	began time.Time
	took  time.Duration
	done  chan struct{}
}

func startHook(t *testing.T, s *Server, patience int, topology string) *hook {
	t.Helper()
	dir := t.TempDir()
	command := serverCommand(s.root)
	command[len(command)-1] = filepath.Join(s.root, "usr/bin/valkey-cli")
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("bin/valkey-cli", "#!/bin/sh\nexec '"+strings.Join(command, "' '")+"' \"$@\"\n", 0o755)
	write("conf/secret/stop-password", Password, 0o400)
	h := &hook{t: t, out: &strings.Builder{}, began: time.Now(), done: make(chan struct{})}
	h.cmd = exec.Command("sh", stopScript, strconv.Itoa(patience), topology)
	h.cmd.Env = []string{"STOP_LOG=/dev/stdout", "PATH=" + dir + "/bin:" + os.Getenv("PATH"), "VALKEY_CONF=" + dir + "/conf",
		"VALKEY_HOST=" + s.Host, "VALKEY_PORT=" + strconv.Itoa(s.Port)}
	h.cmd.Stdout, h.cmd.Stderr = h.out, h.out
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(h.done)
		_ = h.cmd.Wait()
		h.took = time.Since(h.began)
	}()
	return h
}

// ended waits for the script's end.
func (h *hook) ended() {
	h.t.Helper()
	select {
	case <-h.done:
	case <-time.After(time.Minute):
		h.t.Fatalf("it does not end: %s", h.out)
	}
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		h.t.Errorf("it ended with %d: %s", code, h.out)
	}
}

func (s *Server) role(t *testing.T) valkey.Role {
	t.Helper()
	info, ok := s.Info()
	if !ok {
		t.Fatalf("%s does not answer", s.Addr())
	}
	return info.Role
}

// Without an operator the step hands over itself, and nothing is lost when the server is
// told to stop afterwards.
func TestTheStopStepHandsOverWhenNobodyElseDoes(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			set := Set(t, Spec{Version: version}, Spec{Version: version}, Spec{Version: version})
			allowStop(valkey.FailoverACL, set...)
			writers := StartWriters(t, 2, set...)
			writers.WaitFor(500)
			h := startHook(t, set[0], 1, "Replication")
			h.ended()
			if set[0].role(t) != valkey.RoleReplica {
				t.Fatalf("it is still primary: %s", h.out)
			}
			set[0].Stop()
			writers.WaitFor(500)
			writers.Stop()
			for _, s := range set[1:] {
				if s.role(t) == valkey.RolePrimary {
					if lost := writers.Lost(s); lost != 0 {
						t.Errorf("lost %d of %d", lost, writers.Acknowledged())
					}
				}
			}
			t.Logf("%d acknowledged, 0 lost; the step took %v", writers.Acknowledged(), h.took.Round(time.Millisecond))
		})
	}
}

func TestTheStopStepLetsAReplicaGoAtOnce(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			set := Set(t, Spec{Version: version}, Spec{Version: version})
			allowStop(valkey.FailoverACL, set...)
			Eventually(t, "the link is no news", func() bool {
				list, err := set[1].Do("CLIENT", "LIST", "TYPE", "master")
				_, age, ok := strings.Cut(list, " age=")
				seconds, _, _ := strings.Cut(age, " ")
				n, errAge := strconv.Atoi(seconds)
				return err == nil && ok && errAge == nil && n >= 2
			})
			h := startHook(t, set[1], 30, "Replication")
			h.ended()
			if h.took > 15*time.Second {
				t.Errorf("took %v", h.took)
			}
			if set[0].role(t) != valkey.RolePrimary {
				t.Error("the role has moved")
			}
			t.Logf("took %v", h.took.Round(time.Millisecond))
		})
	}
}

// The operator's handover and the step at the same time: one failover, and the step ends
// when it has.
func TestTheStopStepWaitsForTheOperator(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			set := Set(t, Spec{Version: version}, Spec{Version: version})
			allowStop(valkey.FailoverACL, set...)
			h := startHook(t, set[0], 45, "Replication")
			Eventually(t, "the step has logged in", func() bool {
				list, _ := set[0].Do("ACL", "LOG")
				info, _ := set[0].Do("INFO", "commandstats")
				return list == "" || strings.Contains(info, "cmdstat_info:calls=")
			})
			if err := set[0].Node().Failover(context.Background(), set[1].Host, set[1].Port, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			h.ended()
			if h.took > 40*time.Second {
				t.Errorf("took %v", h.took)
			}
			info, _ := set[0].Do("INFO", "commandstats")
			if !strings.Contains(info, "cmdstat_failover:calls=1,") {
				t.Errorf("FAILOVER was not asked for once: %s", info)
			}
			t.Logf("took %v", h.took.Round(time.Millisecond))
		})
	}
}

// A failover whose target is frozen holds writes back; the step does not begin another.
func TestTheStopStepBeginsNothingWhileAFailoverRuns(t *testing.T) {
	t.Parallel()
	set := Set(t, Spec{Version: V91}, Spec{Version: V91})
	allowStop(valkey.FailoverACL, set...)
	set[1].Freeze()
	set[0].Must("SET", "a", "write that the target lacks")
	if err := set[0].Node().Failover(context.Background(), set[1].Host, set[1].Port, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	h := startHook(t, set[0], 0, "Replication")
	h.ended()
	set[1].Thaw()
	info, _ := set[0].Do("INFO", "commandstats")
	if !strings.Contains(info, "cmdstat_failover:calls=1,") {
		t.Errorf("FAILOVER was asked for again: %s", info)
	}
}

func TestTheStopStepHandsOverInACluster(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			allowStop(valkey.ClusterFailoverACL, c.Servers()...)
			old, heir := c.Shards[0][0], c.Shards[0][1]
			h := startHook(t, old, 1, "Cluster")
			h.ended()
			if heir.role(t) != valkey.RolePrimary || old.role(t) != valkey.RoleReplica {
				t.Errorf("the role has not moved: %s", h.out)
			}
			t.Logf("took %v", h.took.Round(time.Millisecond))
		})
	}
}

func TestTheStopStepLeavesThePrimaryOfSentinelsToThem(t *testing.T) {
	t.Parallel()
	set := Set(t, Spec{Version: V91}, Spec{Version: V91})
	allowStop(nil, set...)
	h := startHook(t, set[0], 1, "Sentinel")
	h.ended()
	if set[0].role(t) != valkey.RolePrimary {
		t.Error("the role has moved")
	}
}

func TestTheStopUserMayDoNothingElse(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		s := Start(t, Spec{Version: version})
		allowStop(valkey.FailoverACL, s)
		refusedToUser(t, s, StopUser, [][]string{
			{"GET", "a"}, {"SET", "a", "b"}, {"KEYS", "*"}, {"CONFIG", "GET", "*"}, {"CONFIG", "SET", "maxmemory", "1"},
			{"REPLICAOF", "NO", "ONE"}, {"CLIENT", "KILL", "TYPE", "normal"}, {"CLIENT", "PAUSE", "1"}, {"SHUTDOWN"},
			{"ACL", "LIST"}, {"PSYNC", "?", "-1"}, {"FLUSHALL"}, {"CLUSTER", "FAILOVER"}, {"DEBUG", "SLEEP", "0"},
		})
	}
}
