package conformance

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A server that had no room for the whole of a write takes back what it had written of it,
// but not its place in the file (valkey 9.1 src/aof.c flushAppendOnlyFile; a file that a
// rewrite has begun is not opened for appending). What it writes once there is room again
// comes after a hole, and such a file it does not read when it starts: "Bad file format". A
// file that is written anew while it runs has all of it.
func TestALogThatWasFullIsNotReadAgainUnlessItIsWrittenAnew(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		for _, anew := range []bool{false, true} {
			t.Run(string(version)+" written anew "+strconv.FormatBool(anew), func(t *testing.T) {
				t.Parallel()
				s := startOnSmallDisk(t, Spec{Version: version, Persistence: AOF})
				s.rewrite()
				last := s.fillAndFree()
				if anew {
					s.rewrite()
				}
				s.Kill()
				s.Launch()
				if !anew {
					Eventually(t, "it refuses to start", func() bool { return !s.running() })
					if !s.LogHas("Bad file format reading the append only file") {
						t.Error(s.LogTail(5))
					}
					return
				}
				Eventually(t, "it answers", func() bool { _, ok := s.Info(); return ok })
				if s.Must("GET", last) == "" {
					t.Errorf("without %s", last)
				}
			})
		}
	}
}

// startOnSmallDisk starts a server whose folder has room for 8 MiB.
func startOnSmallDisk(t *testing.T, spec Spec) *Server {
	t.Helper()
	s := New(t, spec)
	if err := syscall.Mount("tmpfs", s.Dir, "tmpfs", 0, "size=8m,mode=0777"); err != nil {
		t.Skipf("a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(s.Dir, syscall.MNT_DETACH) })
	s.Start()
	return s
}

// rewrite has the append-only file written anew.
func (s *Server) rewrite() {
	s.t.Helper()
	s.Must("BGREWRITEAOF")
	Eventually(s.t, "the file is written anew", func() bool {
		info, ok := s.Info()
		return ok && !info.AOFRewriteInProgress && info.LastAOFRewriteOK
	})
}

// fillAndFree writes until there is no room, makes some, writes on, and gives the last key.
func (s *Server) fillAndFree() (last string) {
	s.t.Helper()
	filler := filepath.Join(s.Dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 7<<20), 0o600); err != nil {
		s.t.Fatal(err)
	}
	value := strings.Repeat("v", 10_001)
	n := 0
	write := func() error {
		n++
		_, err := s.Do("SET", "key-"+strconv.Itoa(n), value)
		return err
	}
	Eventually(s.t, "there is no room", func() bool { return write() != nil })
	if err := os.Remove(filler); err != nil {
		s.t.Fatal(err)
	}
	Eventually(s.t, "there is room again", func() bool { return write() == nil })
	for range 10 {
		if err := write(); err != nil {
			s.t.Fatal(err)
		}
	}
	return "key-" + strconv.Itoa(n)
}
