package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Version of a server, major and minor: "9.1".
type Version string

// The versions that the scenarios run on.
const (
	V81 Version = "8.1"
	V91 Version = "9.1"
)

// Versions are all of them.
var Versions = []Version{V81, V91}

// EnvRequire makes missing servers a failure.
const EnvRequire = "VALKEEPER_REQUIRE_SERVERS"

func (v Version) env() string {
	return "VALKEY_ROOT_" + strings.ReplaceAll(string(v), ".", "_")
}

// Root is the root file system that holds version's server. Without one the
// test is skipped, or fails if servers are required.
func Root(t testing.TB, v Version) string {
	t.Helper()
	root := os.Getenv(v.env())
	if root != "" {
		if _, err := os.Stat(serverBinary(root)); err != nil {
			t.Fatalf("%s does not hold a server: %v", v.env(), err)
		}
		return root
	}
	if os.Getenv(EnvRequire) == "1" {
		t.Fatalf("%s is not set, and %s=1 asks for real servers: try testbed valkey-root %s", v.env(), EnvRequire, v)
	}
	t.Skipf("no Valkey %s server: set %s (testbed valkey-root %s prints the folder)", v, v.env(), v)
	return ""
}

func serverBinary(root string) string { return filepath.Join(root, "usr/bin/valkey-server") }

// serverCommand runs the server with the C library that it was built for, which
// may be newer than this machine's. A root without one uses the machine's.
func serverCommand(root string) []string {
	loader := filepath.Join(root, "usr/lib64/ld-linux-x86-64.so.2")
	if _, err := os.Stat(loader); err != nil {
		return []string{serverBinary(root)}
	}
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu") + ":" + filepath.Join(root, "lib/x86_64-linux-gnu")
	return []string{loader, "--library-path", libraries, serverBinary(root)}
}
