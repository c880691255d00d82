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
