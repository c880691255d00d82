package conformance

import (
	"strconv"
	"strings"
	"testing"
)

// stat is a number from INFO stats.
func (s *Server) stat(t testing.TB, name string) int {
	t.Helper()
	for line := range strings.Lines(s.Must("INFO", "stats")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			number, err := strconv.Atoi(value)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return number
		}
	}
	t.Fatalf("INFO stats has no %s", name)
	return 0
}

// waitIdleDisk waits until no child writes a dump or an AOF. A server that is
// asked to end (SIGTERM) while it writes its first AOF, as it does after a full
// sync, refuses and goes on: "Writing initial AOF, can't exit"
// (valkey 9.1 src/server.c finishShutdown).
func (s *Server) waitIdleDisk() {
	s.t.Helper()
	Eventually(s.t, s.Addr()+" writes no file", func() bool {
		info, ok := s.Info()
		return ok && !info.BgsaveInProgress && !info.AOFRewriteInProgress
	})
}
