package conformance

import (
	"flag"
	"os"
	"testing"
)

// Scenarios mostly wait for servers, so more of them run at once than there are
// processors. Those that measure run alone.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
