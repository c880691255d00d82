package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sentinelStart is a folder in which start-sentinel.sh is run as in a pod, with a
// server that writes down how it was started, and ends.
type sentinelStart struct {
	t   *testing.T
	dir string
	env []string
}

func newSentinelStart(t *testing.T) *sentinelStart {
	t.Helper()
	s := &sentinelStart{t: t, dir: t.TempDir()}
	s.write("bin/valkey-server", "#!/bin/sh\necho \"$*\" >>\"$FAKE_DIR/started\"\n", 0o755)
	s.write("start-sentinel.sh", sentinelStartScript, 0o400)
	s.write("conf/sentinel.conf", "port 26379\n", 0o400)
	s.write("conf/secret/sentinel-auth.conf", "sentinel sentinel-pass secret\n", 0o400)
	s.write("data/lost+found", "", 0o400)
	s.env = []string{"PATH=" + s.dir + "/bin:" + os.Getenv("PATH"), "FAKE_DIR=" + s.dir, "VALKEY_CONF=" + s.dir + "/conf",
		"VALKEY_DATA=" + s.dir + "/data", "POD_NAME=cart-sentinel-2", "ID_PREFIX=" + strings.Repeat("ab", 19),
		"ANNOUNCE_HOSTNAME=cart-sentinel-2.cart-sentinel-nodes.shop.svc"}
	return s
}

func (s *sentinelStart) write(name, content string, mode os.FileMode) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sentinelStart) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(s.dir, name))
	return string(text)
}

// run starts the container once, and gives what it says and whether it ended well.
func (s *sentinelStart) run(shell []string) (says string, ok bool) {
	s.t.Helper()
	cmd := exec.Command(shell[0], append(shell[1:], filepath.Join(s.dir, "start-sentinel.sh"))...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

const begun = `port 26379
sentinel sentinel-pass secret
sentinel announce-ip cart-sentinel-2.cart-sentinel-nodes.shop.svc
sentinel myid (prefix)02
`

func TestASentinelBeginsAsItsPodAndGoesOnWithWhatItKnew(t *testing.T) {
	begun := strings.Replace(begun, "(prefix)", strings.Repeat("ab", 19), 1)
	for _, shell := range shells() {
		s := newSentinelStart(t)
		if says, ok := s.run(shell); !ok || !strings.Contains(says, "begins anew") || s.read("data/sentinel.conf") != begun {
			t.Errorf("%s: it says %q, and begins with\n%s, want\n%s", shell, says, s.read("data/sentinel.conf"), begun)
		}
		if info, err := os.Stat(filepath.Join(s.dir, "data/sentinel.conf")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: others may read its passwords: %v, %v", shell, info, err)
		}
		written := begun + "sentinel current-epoch 7\nsentinel monitor mymaster cart-0.cart-nodes.shop.svc 6379 2\n"
		s.write("data/sentinel.conf", written, 0o600)
		s.write("data/sentinel.conf.new", "half of", 0o600)
		if says, ok := s.run(shell); !ok || !strings.Contains(says, "goes on") || s.read("data/sentinel.conf") != written {
			t.Errorf("%s: it says %q, and goes on with\n%s", shell, says, s.read("data/sentinel.conf"))
		}
		want := strings.Repeat(s.dir+"/data/sentinel.conf --sentinel\n", 2)
		if got := s.read("started"); got != want {
			t.Errorf("%s: started were\n%s, want\n%s", shell, got, want)
		}
	}
}

// A file that is only begun would be gone on with for ever.
func TestASentinelThatIsKilledAsItBeginsBeginsAgain(t *testing.T) {
	for _, shell := range shells() {
		s := newSentinelStart(t)
		if err := os.Remove(filepath.Join(s.dir, "conf/secret/sentinel-auth.conf")); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.run(shell); ok || exists(filepath.Join(s.dir, "data/sentinel.conf")) || s.read("started") != "" {
			t.Errorf("%s: it went well without its password: %q", shell, s.read("data/sentinel.conf"))
		}
		s.write("conf/secret/sentinel-auth.conf", "sentinel sentinel-pass secret\n", 0o400)
		if says, ok := s.run(shell); !ok || !strings.Contains(s.read("data/sentinel.conf"), "myid") {
			t.Errorf("%s: it says %q, and begins with\n%s", shell, says, s.read("data/sentinel.conf"))
		}
	}
}

func TestTheOrdinalEndsTheID(t *testing.T) {
	v := instance(t, `{topology: Sentinel}`)
	for ordinal, pod := range map[int]string{0: "cart-sentinel-0", 8: "cart-sentinel-8", 10: "cart-sentinel-10"} {
		for _, shell := range shells() {
			s := newSentinelStart(t)
			s.env = append(s.env, "POD_NAME="+pod, "ID_PREFIX="+v.SentinelIDPrefix())
			s.run(shell)
			if text := s.read("data/sentinel.conf"); !strings.Contains(text, "sentinel myid "+v.SentinelID(ordinal)+"\n") {
				t.Errorf("%s: %s should have the id %s:\n%s", shell, pod, v.SentinelID(ordinal), text)
			}
		}
	}
}
