package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// fakeCli stands in for valkey-cli: it writes down what it was asked for, and answers from
// files that the test, or a failover that it was asked for, changes.
const fakeCli = `#!/bin/sh
echo "$VALKEYCLI_AUTH $REDISCLI_AUTH $*" >>"$FAKE_DIR/asked"
case "$*" in
*'info replication clients') cat "$FAKE_DIR/info" ;;
*'client list type master') cat "$FAKE_DIR/link" ;;
*'client list') cat "$FAKE_DIR/clients" ;;
*failover*)
  [ ! -e "$FAKE_DIR/then" ] || mv "$FAKE_DIR/then" "$FAKE_DIR/info"
  cat "$FAKE_DIR/answer" ;;
esac
`

const (
	primaryInfo = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n" +
		"slave0:ip=10.0.0.1,port=6379,state=online,offset=900,lag=0,type=replica\r\n" +
		"slave1:ip=10.0.0.2,port=6380,state=online,offset=1000,lag=0,type=replica\r\n" +
		"slave2:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0,type=replica\r\n" +
		"master_failover_state:no-failover\r\n# Clients\r\npaused_reason:none\r\n"
	replicaInfo = "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n"

	ourClients = "id=3 addr=10.0.0.9:1 name= age=7 idle=0 flags=N capa= db=0 user=valkeeper lib-name=\r\n" +
		"id=4 addr=10.0.0.9:2 name= age=0 idle=0 flags=N capa= db=0 user=valkeeper-stop lib-name=\r\n" +
		"id=5 addr=10.0.0.2:3 name= age=1 idle=0 flags=M capa= db=0 user=(superuser) lib-name=\r\n"
	aUser = "id=6 addr=10.0.7.7:1 name= age=99 idle=0 flags=N capa= db=0 user=default lib-name=\r\n"
)

func linkFor(seconds string) string {
	return "id=5 addr=10.0.0.2:6379 laddr=10.0.0.1:1 fd=8 name= age=" + seconds + " idle=0 flags=M user=(superuser)\r\n"
}

// stopping is one run of stop.sh with a fake valkey-cli.
type stopping struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	began time.Time
}

func stop(t *testing.T, shell []string, files map[string]string, args ...string) *stopping {
	t.Helper()
	s := &stopping{t: t, dir: t.TempDir(), began: time.Now()}
	defaults := map[string]string{"bin/valkey-cli": fakeCli, "stop.sh": stopScript, "conf/secret/stop-password": "the password",
		"info": primaryInfo, "link": linkFor("99"), "clients": ourClients, "answer": "OK\n"}
	for name, content := range files {
		defaults[name] = content
	}
	for name, content := range defaults {
		s.write(name, content)
	}
	s.cmd = exec.Command(shell[0], append(append(slices.Clone(shell[1:]), filepath.Join(s.dir, "stop.sh")), args...)...)
	s.cmd.Env = []string{"PATH=" + s.dir + "/bin:" + os.Getenv("PATH"), "FAKE_DIR=" + s.dir, "VALKEY_CONF=" + s.dir + "/conf"}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// write changes a file at one stroke; without content it is none.
func (s *stopping) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if content == "" {
		_ = os.Remove(path)
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o755); err != nil { //nolint:gosec // scripts among them
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

// asked are the commands that were sent, without those that only look.
func (s *stopping) asked() []string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "asked"))
	var out []string
	for line := range strings.Lines(string(text)) {
		_, command, _ := strings.Cut(line, "--user valkeeper-stop ")
		if strings.Contains(command, "failover") {
			out = append(out, strings.TrimSpace(command))
		}
	}
	return out
}

func (s *stopping) looks() int {
	text, _ := os.ReadFile(filepath.Join(s.dir, "asked"))
	return strings.Count(string(text), "info replication clients")
}

// looked waits until the script has looked so many times.
func (s *stopping) looked(times int) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); s.looks() < times; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("it has looked %d times, not %d", s.looks(), times)
		}
	}
}

// ended waits for the end, which is a good one whatever was the matter, and says how long
// it took.
func (s *stopping) ended() time.Duration {
	s.t.Helper()
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("it ended with %v", err)
	}
	return time.Since(s.began)
}

func inEachShell(t *testing.T, test func(t *testing.T, shell []string)) {
	t.Helper()
	for _, shell := range shells() {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			test(t, shell)
		})
	}
}

func TestNobodyWaitsWhereThereIsNothingToHandOver(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a replica":                          {"info": replicaInfo, "clients": aUser},
		"a replica without a link":           {"info": strings.Replace(replicaInfo, ":up", ":down", 1), "link": "\n"},
		"a primary without replicas":         {"info": strings.Replace(primaryInfo, "slaves:2", "slaves:0", 1)},
		"a server that is not there":         {"info": "Could not connect to Valkey at 127.0.0.1:6379: Connection refused\n"},
		"a server that does not know us":     {"info": "NOAUTH Authentication required.\n"},
		"a Secret of an earlier operator":    {"conf/secret/stop-password": ""},
		"an image without valkey-cli":        {"bin/valkey-cli": "#!/bin/sh\nexit 127\n"},
		"a server that is at the end itself": {"info": "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEachShell(t, func(t *testing.T, shell []string) {
				s := stop(t, shell, files, "30", "Replication")
				if took := s.ended(); took > 10*time.Second || len(s.asked()) > 0 || s.looks() > 3 {
					t.Errorf("took %v and %d looks, asked for %v", took, s.looks(), s.asked())
				}
			})
		})
	}
}

func TestAPrimaryWaitsForTheOperatorAndAsksForNothingWhenItComes(t *testing.T) {
	inEachShell(t, func(t *testing.T, shell []string) {
		s := stop(t, shell, nil, "30", "Replication")
		s.looked(3)
		s.write("link", linkFor("0"))
		s.write("info", replicaInfo)
		if took := s.ended(); took > 20*time.Second || len(s.asked()) > 0 {
			t.Errorf("took %v, asked for %v", took, s.asked())
		}
	})
}

func TestAPrimaryDoesItItselfWhenNobodyComes(t *testing.T) {
	for topology, want := range map[string]string{
		"Replication": "-h 127.0.0.1 -p 6379 failover timeout 5000",
		"Standalone":  "-h 127.0.0.1 -p 6379 failover timeout 5000",
		"Cluster":     "-h 10.0.0.2 -p 6380 cluster failover", // it has the most
		"Sentinel":    "",
	} {
		t.Run(topology, func(t *testing.T) {
			t.Parallel()
			inEachShell(t, func(t *testing.T, shell []string) {
				s := stop(t, shell, map[string]string{"then": replicaInfo}, "1", topology)
				s.ended()
				if got := strings.Join(s.asked(), "; "); got != want {
					t.Errorf("asked for %q, want %q", got, want)
				}
			})
		})
	}
}

func TestTheNextReplicaIsAskedWhenOneRefuses(t *testing.T) {
	s := stop(t, []string{"sh"}, map[string]string{"answer": "NOPERM this user has no permissions\n"}, "0", "Cluster")
	s.ended()
	if got := s.asked(); !slices.Equal(got, []string{"-h 10.0.0.2 -p 6380 cluster failover", "-h 10.0.0.1 -p 6379 cluster failover"}) {
		t.Errorf("asked for %v", got)
	}
}

func TestAFailoverThatRunsIsWaitedFor(t *testing.T) {
	for name, info := range map[string]string{
		"by FAILOVER": strings.Replace(primaryInfo, "no-failover", "waiting-for-sync", 1),
		"by CLUSTER FAILOVER, once the new primary has been elected": strings.Replace(
			strings.Replace(primaryInfo, "slaves:2", "slaves:0", 1), "paused_reason:none", "paused_reason:failover_in_progress", 1),
		"by CLUSTER FAILOVER": strings.Replace(primaryInfo, "paused_reason:none", "paused_reason:failover_in_progress", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEachShell(t, func(t *testing.T, shell []string) {
				s := stop(t, shell, map[string]string{"info": info}, "0", "Replication")
				s.looked(4) // who does not wait for it looks once
				s.write("info", replicaInfo)
				s.ended()
				if got := s.asked(); len(got) > 0 {
					t.Errorf("asked for %v beside it", got)
				}
			})
		})
	}
}

func TestAServerThatWasDemotedJustNowStaysWhileItHasClients(t *testing.T) {
	inEachShell(t, func(t *testing.T, shell []string) {
		s := stop(t, shell, map[string]string{"info": replicaInfo, "link": linkFor("1"), "clients": ourClients + aUser}, "30", "Replication")
		s.looked(10)
		s.write("clients", ourClients)
		if took := s.ended(); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestOneLookThatFailsIsNoReasonToGo(t *testing.T) {
	s := stop(t, []string{"sh"}, nil, "30", "Replication")
	s.looked(2)
	s.write("info", "Error: Server closed the connection\n")
	s.looked(3)
	s.write("info", primaryInfo)
	s.looked(8)
	s.write("info", replicaInfo)
	s.ended()
}

func TestThePasswordIsInNoCommandLine(t *testing.T) {
	s := stop(t, []string{"sh"}, nil, "0", "Replication")
	s.ended()
	text, err := os.ReadFile(filepath.Join(s.dir, "asked"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "the password the password "); !ok || strings.Contains(rest, "password") {
			t.Errorf("asked with %q", line)
		}
	}
}

// The two go together: the step in a template, and what it logs in with, which may be
// missing.
func TestEveryServersPodHasTheStepAndItsLogin(t *testing.T) {
	for _, topology := range []string{"Standalone", "Replication", "Sentinel", "Cluster"} {
		r := rendered(t, instance(t, `{topology: `+topology+`}`), fixed())
		pod := r.StatefulSets[0].Spec.Template.Spec
		if got := strings.Join(pod.Containers[0].Lifecycle.PreStop.Exec.Command, " "); got != "sh /etc/valkey/stop.sh 12 "+topology {
			t.Errorf("%s: %s", topology, got)
		}
		if r.ConfigMap.Data[stopFile] == "" || len(r.SystemSecret.Data[v1alpha1.StopPasswordKey]) == 0 {
			t.Errorf("%s: the script or the password is missing", topology)
		}
		for _, source := range pod.Volumes[0].Projected.Sources {
			if s := source.Secret; s != nil && slices.ContainsFunc(s.Items, isStopPassword) && (s.Optional == nil || !*s.Optional) {
				t.Errorf("%s: a pod does not start without the password", topology)
			}
		}
		if grace := *pod.TerminationGracePeriodSeconds; grace < 21+10+10 {
			t.Errorf("%s: %d s are too short for the step and the server", topology, grace)
		}
	}
}

func isStopPassword(item corev1.KeyToPath) bool { return item.Key == v1alpha1.StopPasswordKey }
