//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The environment of a test build: VALKEEPER_FAILPOINTS lists points, separated
// by commas; each kills the process once. VALKEEPER_FAILPOINTS_FIRED is a folder
// that outlives the process (a volume of its pod), which remembers those that
// have fired.
const (
	pointsEnv = "VALKEEPER_FAILPOINTS"
	firedEnv  = "VALKEEPER_FAILPOINTS_FIRED"
	exitCode  = 86
)

var mu sync.Mutex

// Reach ends the process, once, when the point is listed.
func Reach(point string) {
	if !slices.Contains(strings.Split(os.Getenv(pointsEnv), ","), point) {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	marker := filepath.Join(os.Getenv(firedEnv), point)
	file, err := os.OpenFile(marker, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		if !os.IsExist(err) {
			fmt.Fprintf(os.Stderr, "failpoint %s cannot be marked as fired, so it is passed: %v\n", point, err)
		}
		return
	}
	_ = file.Close()
	fmt.Fprintf(os.Stderr, "failpoint %s: the operator ends here\n", point)
	os.Exit(exitCode)
}
