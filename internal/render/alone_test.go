package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// fakeWorker stands in for a server on a volume: it runs until a file with its name is
// there. The one named parent has a child, which runs until a file named child is.
const fakeWorker = `#!/bin/sh
until_there() { while [ ! -e "$FAKE_DIR/$1" ]; do sleep 0.01; done; }
echo "$* as $$" >>"$FAKE_DIR/log"
if [ "$1" = parent ]; then
  { echo child >>"$FAKE_DIR/log"; until_there child; } &
fi
until_there "$1"
`

// volume is one that several pods work on.
type volume struct {
	t     *testing.T
	dir   string
	shell []string
	path  string
}

func newVolume(t *testing.T, shell []string) *volume {
	t.Helper()
	v := &volume{t: t, dir: t.TempDir(), shell: shell, path: os.Getenv("PATH")}
	for name, content := range map[string]string{"worker": fakeWorker, "alone.sh": aloneScript} {
		if err := os.WriteFile(filepath.Join(v.dir, name), []byte(content), 0o700); err != nil { //nolint:gosec // to be run
			t.Fatal(err)
		}
	}
	return v
}

// pod starts one that works on it under that name.
func (v *volume) pod(name string) *start {
	v.t.Helper()
	s := &start{t: v.t, dir: v.dir, out: &strings.Builder{}}
	args := slices.Concat(v.shell[1:], []string{filepath.Join(v.dir, "alone.sh"), filepath.Join(v.dir, "worker"), name, "two words"})
	shell, err := exec.LookPath(v.shell[0])
	if err != nil {
		v.t.Fatal(err)
	}
	s.cmd = exec.Command(shell, args...)
	s.cmd.Env = []string{"PATH=" + v.path, "FAKE_DIR=" + v.dir, "VALKEY_DATA=" + v.dir}
	out, err := os.Create(filepath.Join(v.dir, name+".out"))
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = out.Close() })
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	return s
}

func (v *volume) read(file string) string {
	text, _ := os.ReadFile(filepath.Join(v.dir, file))
	return string(text)
}

// await waits until a file says that.
func (v *volume) await(file, text string) {
	v.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(v.read(file), text); {
		if time.Now().After(deadline) {
			v.t.Fatalf("%s does not say %q:\n%s", file, text, v.read(file))
		}
		time.Sleep(time.Millisecond)
	}
}

// end lets the one of that name come to its end.
func (v *volume) end(name string) {
	v.t.Helper()
	if err := os.WriteFile(filepath.Join(v.dir, name), nil, 0o600); err != nil {
		v.t.Fatal(err)
	}
}

func onAVolume(t *testing.T, test func(t *testing.T, v *volume)) {
	t.Helper()
	inEachShell(t, func(t *testing.T, shell []string) { test(t, newVolume(t, shell)) })
}

func TestASecondServerWaitsUntilTheFirstOneHasEnded(t *testing.T) {
	onAVolume(t, func(t *testing.T, v *volume) {
		first := v.pod("first")
		v.await("log", "first two words")
		second := v.pod("second")
		v.await("second.out", "waits for another server")
		if strings.Contains(v.read("log"), "second") {
			t.Fatal("two servers work on one volume")
		}
		if err := first.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		first.ended()
		v.await("log", "second two words")
		v.await("second.out", "the other server has ended")
		v.end("second")
		if code := second.ended(); code != 0 {
			t.Errorf("it ended with %d: %s", code, v.read("second.out"))
		}
		if said := v.read("first.out"); said != "" {
			t.Errorf("one that is alone has nothing to say, and said %s", said)
		}
	})
}

// A server that saves has a child, which may outlive it.
func TestTheLockOutlivesItsServerForAsLongAsAChildDoes(t *testing.T) {
	onAVolume(t, func(t *testing.T, v *volume) {
		first := v.pod("parent")
		v.await("log", "child")
		v.end("parent")
		first.ended()
		second := v.pod("second")
		v.await("second.out", "waits for another server")
		v.end("child")
		v.await("log", "second")
		v.end("second")
		second.ended()
	})
}

func TestWhoWaitsForAVolumeEndsWhenItIsAskedTo(t *testing.T) {
	onAVolume(t, func(t *testing.T, v *volume) {
		first := v.pod("first")
		v.await("log", "first")
		second := v.pod("second")
		v.await("second.out", "waits for another server")
		if err := second.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := second.ended(); code != 0 || strings.Contains(v.read("log"), "second") {
			t.Errorf("it ended with %d: %s", code, v.read("log"))
		}
		v.end("first")
		first.ended()
	})
}

// The server is the container's first process: signals are meant for it.
func TestTheServerTakesThePlaceOfTheShell(t *testing.T) {
	onAVolume(t, func(_ *testing.T, v *volume) {
		first := v.pod("first")
		v.await("log", "first two words as "+strconv.Itoa(first.cmd.Process.Pid))
		v.end("first")
		first.ended()
	})
}

func TestAnImageWithoutFlockStartsAndSaysWhatIsMissing(t *testing.T) {
	onAVolume(t, func(t *testing.T, v *volume) {
		if v.shell[0] == "busybox" {
			t.Skip("it has its own")
		}
		v.path = filepath.Join(v.dir, "bin")
		if err := os.Mkdir(v.path, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, tool := range []string{"sh", "sleep"} {
			at, err := exec.LookPath(tool)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(at, filepath.Join(v.path, tool)); err != nil {
				t.Fatal(err)
			}
		}
		first := v.pod("first")
		v.await("log", "first")
		v.await("first.out", "no flock in this image")
		v.end("first")
		first.ended()
	})
}

// Nor does a lock keep a server from starting that cannot be had, as on a volume without room.
func TestAServerStartsThoughThereCanBeNoLock(t *testing.T) {
	onAVolume(t, func(t *testing.T, v *volume) {
		if err := os.Mkdir(filepath.Join(v.dir, "lock"), 0o700); err != nil {
			t.Fatal(err)
		}
		first := v.pod("first")
		v.await("log", "first")
		v.await("first.out", "cannot be written to")
		v.await("first.out", "would not be kept out")
		v.end("first")
		first.ended()
	})
}

func TestOnlyWhoHasAVolumeLocksIt(t *testing.T) {
	for topology, starts := range map[v1alpha1.Topology]string{
		v1alpha1.TopologyStandalone: "valkey-server", v1alpha1.TopologyReplication: "valkey-server",
		v1alpha1.TopologySentinel: "valkey-server", v1alpha1.TopologyCluster: "sh",
	} {
		spec := v1alpha1.ValkeySpec{Topology: topology}
		c := corev1.Container{Command: []string{starts, "x"}}
		if aloneOnItsVolume(&spec, &c); !slices.Equal(c.Command, []string{starts, "x"}) {
			t.Errorf("%s in memory: %v", topology, c.Command)
		}
		spec.Storage = &v1alpha1.Storage{}
		if aloneOnItsVolume(&spec, &c); !slices.Equal(c.Command, []string{"sh", "/etc/valkey/alone.sh", starts, "x"}) {
			t.Errorf("%s with volumes: %v", topology, c.Command)
		}
	}
}
