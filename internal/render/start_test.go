package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeServer stands in for valkey-server: it tells its version, writes down how
// it was started, and, held back, runs until a file says how it ends.
const fakeServer = `#!/bin/sh
[ "$1" != --version ] || { echo "Valkey server v=$FAKE_VERSION sha=00000000:0 malloc=libc bits=64 build=1"; exit; }
case "$*" in
*'--cluster-enabled no'*)
  trap 'echo told to end >>"$FAKE_DIR/started"; exit 0' TERM
  echo "$*" >>"$FAKE_DIR/started" # once it can be told
  while [ ! -e "$FAKE_DIR/end" ]; do sleep 0.01; done
  exit "$(cat "$FAKE_DIR/end")" ;;
esac
echo "$*" >>"$FAKE_DIR/started"
`

// start is one run of start.sh with a fake server.
type start struct {
	t       *testing.T
	dir     string
	cmd     *exec.Cmd
	out     *strings.Builder
	started string // file
}

// shells are those of this machine that an image may have; there is always one.
func shells() [][]string {
	var out [][]string
	for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"sh"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			out = append(out, shell)
		}
	}
	return out
}

// run starts the script with the files in the data folder: a name that ends in a
// slash is a folder.
func run(t *testing.T, shell []string, files map[string]string, env ...string) *start {
	t.Helper()
	s := &start{t: t, dir: t.TempDir(), out: &strings.Builder{}}
	s.started = filepath.Join(s.dir, "started")
	write := func(name, content string, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("bin/valkey-server", fakeServer, 0o755)
	write("start.sh", startScript, 0o400)
	write("data/lost+found", "", 0o400)
	for name, content := range files {
		write("data/"+name, content, 0o600)
	}
	s.cmd = exec.Command(shell[0], append(shell[1:], filepath.Join(s.dir, "start.sh"))...)
	s.cmd.Env = append([]string{"PATH=" + s.dir + "/bin:" + os.Getenv("PATH"), "FAKE_DIR=" + s.dir, "FAKE_VERSION=9.1.2",
		"VALKEY_CONF=/conf", "VALKEY_DATA=" + s.dir + "/data", "PERSISTENCE=RDB", "POD_IP=10.0.0.7",
		"ANNOUNCE_HOSTNAME=cart-shard-0-0.cart-nodes.shop.svc"}, env...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// ended waits for the end of the script and gives its exit code.
func (s *start) ended() int {
	s.t.Helper()
	done := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-done
		s.t.Fatalf("it does not end:\n%s", s.out)
	}
	return s.cmd.ProcessState.ExitCode()
}

// servers are the command lines that servers were started with.
func (s *start) servers() []string {
	text, _ := os.ReadFile(s.started)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// held waits until the server is held back.
func (s *start) held() {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.servers()[0], "--cluster-enabled no"); {
		if time.Now().After(deadline) {
			s.t.Fatalf("no server is held back: %v\n%s", s.servers(), s.out)
		}
		time.Sleep(time.Millisecond)
	}
}

// end ends the held server with that exit code.
func (s *start) end(code string) {
	s.t.Helper()
	tmp := filepath.Join(s.dir, "end.tmp")
	if err := os.WriteFile(tmp, []byte(code), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, "end")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *start) has(file string) bool { return exists(filepath.Join(s.dir, "data", file)) }

const (
	nodesOf = "07c2567fa71f2d87f87927ceee851d1b011c29dd 10.0.0.1:6379@16379,a.x.svc,tls-port=0,shard-id=f8ba master - 0 1795569692448 1 connected 0-5460\n"
	self    = "f7f772b1b27dcf8589e8a9902958cdf1a4301f76 10.0.0.7:6379@16379,b.x.svc,tls-port=0,shard-id=f8ba "
	vars    = "vars currentEpoch 4 lastVoteEpoch 0\n"

	primaryBefore = nodesOf + self + "myself,master - 0 0 2 connected 5461-10922\n" + vars
	replicaBefore = nodesOf + self + "myself,slave 07c2567fa71f2d87f87927ceee851d1b011c29dd 0 0 1 connected\n" + vars
)

func TestWhoJoinsAtOnceAndWhoIsHeldBack(t *testing.T) {
	rows := []struct {
		name  string
		files map[string]string
		env   []string
		held  bool
		gone  []string
		says  string
	}{
		{name: "a new server", says: "there is no identity and there are no data"},
		{name: "a replica", files: map[string]string{"nodes.conf": replicaBefore, "dump.rdb": "x"}, says: "joins as the replica"},
		{name: "a replica, in other words", files: map[string]string{"nodes.conf": strings.Replace(replicaBefore, "slave", "replica", 1)}, says: "joins as the replica"},
		{name: "a replica that never takes over", files: map[string]string{"nodes.conf": strings.Replace(replicaBefore, "myself,slave", "myself,slave,nofailover", 1)}, says: "joins as the replica"},
		{name: "a primary", files: map[string]string{"nodes.conf": primaryBefore, "dump.rdb": "x"}, held: true, says: "it was a primary"},
		{name: "a primary with a log", files: map[string]string{"nodes.conf": primaryBefore, "appendonlydir/appendonly.aof.manifest": "x"}, held: true, says: "it was a primary"},
		{name: "a primary that has saved nothing", files: map[string]string{"nodes.conf": primaryBefore}, held: true, says: "it was a primary"},
		{name: "a primary without slots", files: map[string]string{"nodes.conf": self + "myself,master - 0 0 0 connected\n" + vars}, held: true, says: "it was a primary"},
		{name: "a primary beside a replica", files: map[string]string{"nodes.conf": strings.Replace(primaryBefore, " master ", " slave ", 1)}, held: true, says: "it was a primary"},
		{name: "nobody in particular", files: map[string]string{"nodes.conf": nodesOf + vars}, held: true, says: "it was a primary"},
		{name: "a snapshot of somebody", files: map[string]string{"dump.rdb": "x"}, held: true, gone: []string{"dump.rdb"}, says: "no identity"},
		{name: "a log of somebody", files: map[string]string{"appendonlydir/appendonly.aof.manifest": "x", "nodes.conf": ""}, held: true, gone: []string{"appendonlydir"}, says: "no identity"},
		{name: "a primary without persistence", files: map[string]string{"nodes.conf": primaryBefore, "dump.rdb": "x", "appendonlydir/a": "x"}, env: []string{"PERSISTENCE=None"},
			held: true, gone: []string{"nodes.conf", "dump.rdb", "appendonlydir"}, says: "its identity ends with its data"},
		{name: "a replica without persistence", files: map[string]string{"nodes.conf": replicaBefore, "dump.rdb": "x"}, env: []string{"PERSISTENCE=None"},
			gone: []string{"dump.rdb"}, says: "joins as the replica"},
		{name: "nobody without persistence", files: map[string]string{"dump.rdb": "x"}, env: []string{"PERSISTENCE=None"}, gone: []string{"dump.rdb"}, says: "joins as a new server"},
	}
	const joined = "/conf/valkey.conf --cluster-announce-ip 10.0.0.7 --cluster-announce-hostname cart-shard-0-0.cart-nodes.shop.svc" +
		" --aclfile /conf/secret/users-9.acl --shutdown-on-sigterm failover"
	for _, shell := range shells() {
		for _, row := range rows {
			t.Run(shell[0]+" "+row.name, func(t *testing.T) {
				t.Parallel()
				s := run(t, shell, row.files, row.env...)
				if row.held {
					s.held()
					s.end("0")
				}
				if code := s.ended(); code != 0 {
					t.Errorf("ended with %d", code)
				}
				servers := s.servers()
				if last := servers[len(servers)-1]; last != joined || (len(servers) == 2) != row.held {
					t.Errorf("held back should be %t, and was started:\n%s", row.held, strings.Join(servers, "\n"))
				}
				if !strings.Contains(s.out.String(), row.says) {
					t.Errorf("says %q, want %q in it", s.out, row.says)
				}
				for name := range row.files {
					top, _, _ := strings.Cut(name, "/")
					gone := strings.Contains(strings.Join(row.gone, " "), top)
					if s.has(top) == gone {
						t.Errorf("%s is there: %t", top, s.has(top))
					}
				}
			})
		}
	}
}

// An older server does not start on a nodes.conf in which a replica has another
// shard id than its primary.
func TestAReplicaInNodesConfGetsItsPrimarysShardIDForAnOlderServer(t *testing.T) {
	other := "11c2567fa71f2d87f87927ceee851d1b011c29dd 10.0.0.9:6379@16379,,tls-port=0,shard-id=0bad slave "
	open := strings.Replace(nodesOf, "0-5460\n", "0-5460 [77->-"+other[:40]+"] [78-<-"+other[:40]+"]\n", 1)
	rest := other + "99c2567fa71f2d87f87927ceee851d1b011c29dd 0 0 1 connected\n" + vars // of a primary that is not known
	diverged := other + nodesOf[:40] + " 0 0 1 connected\n" + open +
		strings.Replace(self, "f8ba", "0bad", 1) + "myself,slave " + nodesOf[:40] + " 0 0 1 connected\n" + rest
	for _, shell := range shells() {
		for version, want := range map[string]string{"8.1.1": strings.Replace(diverged, "0bad", "f8ba", 2), "9.1.2": diverged} {
			s := run(t, shell, map[string]string{"nodes.conf": diverged}, "FAKE_VERSION="+version)
			if code := s.ended(); code != 0 {
				t.Errorf("%s: ended with %d: %s", shell, code, s.out)
			}
			have, err := os.ReadFile(filepath.Join(s.dir, "data/nodes.conf"))
			if err != nil || string(have) != want {
				t.Errorf("%s %s: %v\n%s\nwant\n%s", shell, version, err, have, want)
			}
		}
	}
}

// Killed while it is held back, it has to be held back again.
func TestAPrimaryWithoutPersistenceKeepsItsIdentityUntilItIsLetGo(t *testing.T) {
	s := run(t, []string{"sh"}, map[string]string{"nodes.conf": primaryBefore, "dump.rdb": "x"}, "PERSISTENCE=None")
	s.held()
	if !s.has("nodes.conf") || s.has("dump.rdb") {
		t.Errorf("it has its identity: %t, and old data: %t", s.has("nodes.conf"), s.has("dump.rdb"))
	}
	s.end("0")
	s.ended()
}

func TestDataWithoutAnIdentityAreKeptAside(t *testing.T) {
	s := run(t, []string{"sh"}, map[string]string{"dump.rdb": "newer", "aside/dump.rdb": "older", "aside/appendonlydir/a": "older"})
	s.held()
	if !s.has("dump.rdb") {
		t.Error("the server that is held back has no data to compare")
	}
	s.end("0")
	s.ended()
	if text, _ := os.ReadFile(filepath.Join(s.dir, "data/aside/dump.rdb")); string(text) != "newer" {
		t.Errorf("aside is %q", text)
	}
	if !s.has("aside/appendonlydir/a") {
		t.Error("what was aside before is lost, and nothing took its place")
	}
}

func TestAServerThatIsHeldBackWritesNothingAndServesNobody(t *testing.T) {
	for version, newer := range map[string]bool{"8.1.1": false, "9.0.0": true, "9.1.2-rc1": true, "10.0.0": true, "unknown": false} {
		s := run(t, []string{"sh"}, map[string]string{"nodes.conf": primaryBefore}, "FAKE_VERSION="+version)
		s.held()
		s.end("0")
		s.ended()
		servers := s.servers()
		const want = "/conf/valkey.conf --aclfile /conf/secret/users-held.acl --cluster-enabled no --replicaof 127.0.0.1 1" +
			" --replica-serve-stale-data no --save  --auto-aof-rewrite-percentage 0"
		if servers[0] != want {
			t.Errorf("%s is held back as\n%s, want\n%s", version, servers[0], want)
		}
		if got := strings.Contains(servers[1], "--shutdown-on-sigterm failover"); got != newer {
			t.Errorf("%s joins with\n%s", version, servers[1])
		}
	}
}

func TestAServerThatIsHeldBackEndsWhenItIsAskedTo(t *testing.T) {
	for _, shell := range shells() {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(shell[0]+" "+signal.String(), func(t *testing.T) {
				t.Parallel()
				s := run(t, shell, map[string]string{"nodes.conf": primaryBefore})
				s.held()
				if err := s.cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				if code := s.ended(); code != 0 {
					t.Errorf("ended with %d", code)
				}
				servers := s.servers()
				if servers[len(servers)-1] != "told to end" || len(servers) != 2 {
					t.Errorf("the server was not told to end, or another was started:\n%s", strings.Join(servers, "\n"))
				}
			})
		}
	}
}

func TestAServerThatIsHeldBackAndFailsDoesNotJoin(t *testing.T) {
	for _, shell := range shells() {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			s := run(t, shell, map[string]string{"nodes.conf": primaryBefore})
			s.held()
			s.end("1")
			if code := s.ended(); code != 1 {
				t.Errorf("ended with %d, want the server's own code", code)
			}
			if servers := s.servers(); len(servers) != 1 {
				t.Errorf("it joins after a failure:\n%s", strings.Join(servers, "\n"))
			}
		})
	}
}
