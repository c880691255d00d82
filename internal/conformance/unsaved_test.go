package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// fillDisk lets the append-only file of a running server lie on a device that is full.
func (s *Server) fillDisk() {
	s.t.Helper()
	written := func() bool {
		info, ok := s.Info()
		return ok && info.AOFEnabled && !info.AOFRewriteInProgress
	}
	Eventually(s.t, "its own file is written", written)
	s.Must("CONFIG", "SET", "appendonly", "no")
	if err := os.Symlink("/dev/full", filepath.Join(s.Dir, "appendonlydir", "temp-appendonly.aof.incr")); err != nil {
		s.t.Fatal(err)
	}
	s.Must("CONFIG", "SET", "appendonly", "yes")
	Eventually(s.t, "the other one is in use", written)
}

func (s *Server) misconfigured(command ...string) bool {
	_, err := s.Do(command...)
	return err != nil && strings.Contains(err.Error(), "MISCONF")
}

// What the operator takes from INFO (observe/unsaved.go).
func TestAPrimaryThatCannotWriteItsLogSaysSoAndRefusesWrites(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			s := Start(t, Spec{Version: version, Persistence: AOF})
			s.fillDisk()
			if info, _ := s.Info(); !info.LastAOFWriteOK || !info.LastAOFRewriteOK {
				t.Error("nothing has been written yet")
			}
			s.Must("SET", "one", "write")
			Eventually(t, "it says so", func() bool {
				info, ok := s.Info()
				return ok && !info.LastAOFWriteOK
			})
			if !s.misconfigured("SET", "another", "write") || s.Must("GET", "one") != "write" {
				t.Error("it is expected to refuse writes, and to answer reads")
			}
			// Sentinels ask this way.
			if !s.misconfigured("PING") {
				t.Error("it is expected to refuse PING, too")
			}
		})
	}
}

func TestAPrimaryWhoseSnapshotFailedSaysSoAndRefusesWritesUntilOneSucceeds(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			s := Start(t, Spec{Version: version, Persistence: RDB})
			inTheWay := filepath.Join(s.Dir, "dump.rdb", "folder")
			if err := os.MkdirAll(inTheWay, 0o700); err != nil {
				t.Fatal(err)
			}
			s.Must("SET", "one", "write")
			s.Must("BGSAVE")
			Eventually(t, "it says so", func() bool {
				info, ok := s.Info()
				return ok && !info.LastBgsaveOK
			})
			if !s.misconfigured("SET", "another", "write") {
				t.Error("it is expected to refuse writes")
			}
			s.Must("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
			s.Must("SET", "another", "write")
			s.Must("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
			if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
				t.Fatal(err)
			}
			s.Must("BGSAVE")
			Eventually(t, "it says that all is well", func() bool {
				info, ok := s.Info()
				return ok && info.LastBgsaveOK
			})
			s.Must("SET", "a third", "write")
		})
	}
}

// So nobody may hand over to one, and its copy lasts only until the next write.
func TestAReplicaThatCannotWriteItsLogEndsAtTheNextWrite(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			spec := Spec{Version: version, Persistence: AOF, Config: pinging}
			set := Set(t, spec, spec)
			primary, replica := set[0], set[1]
			replica.fillDisk()
			primary.Must("SET", "one", "write")
			// Its primary's pings do not end it.
			Eventually(t, "it says so", func() bool {
				info, ok := replica.Info()
				return ok && !info.LastAOFWriteOK
			})
			primary.Must("SET", "another", "write")
			Eventually(t, "it ends", func() bool { return !replica.running() })
			if !replica.LogHas("Replica was unable to write command to disk") {
				t.Errorf("it ended for another cause: %s", replica.lastWords())
			}
		})
	}
}

// Sentinels take MISCONF for no answer: a full disk is a loss to them.
func TestSentinelsFailOverAPrimaryThatCannotWriteItsLog(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			data := specs(2, version)
			for i := range data {
				data[i].Persistence = AOF
			}
			w := FormWatch(t, data, specs(3, version))
			primary, replica := w.Data[0], w.Data[1]
			primary.fillDisk()
			primary.Must("SET", "one", "write")
			w.eventually("the replica is promoted", func() string {
				if info, ok := replica.Info(); !ok || info.Role != valkey.RolePrimary {
					return "it is a replica still"
				}
				return ""
			})
		})
	}
}
