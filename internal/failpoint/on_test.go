//go:build failpoints

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// pass names the points that the process of a test passes, one after another.
const pass = "VALKEEPER_TEST_PASS"

func TestMain(m *testing.M) {
	if points := os.Getenv(pass); points != "" {
		for point := range strings.SplitSeq(points, ",") {
			Reach(point)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// exitOf is the exit code of an operator that passes these points.
func exitOf(t *testing.T, folder string, listed, passed []string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), pass+"="+strings.Join(passed, ","),
		pointsEnv+"="+strings.Join(listed, ","), firedEnv+"="+folder)
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func TestEachPointEndsTheProcessOnce(t *testing.T) {
	folder := t.TempDir()
	for range Points {
		if code := exitOf(t, folder, Points, Points); code != exitCode {
			t.Fatalf("exit code %d", code)
		}
	}
	if code := exitOf(t, folder, Points, Points); code != 0 {
		t.Errorf("exit code %d once all have fired", code)
	}
	fired, err := os.ReadDir(folder)
	if err != nil || len(fired) != len(Points) {
		t.Errorf("%d of %d have fired (%v)", len(fired), len(Points), err)
	}
}

func TestAPointThatIsNotListedIsPassed(t *testing.T) {
	if code := exitOf(t, t.TempDir(), []string{Promoted}, []string{HandoverSent}); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAPointThatCannotBeRememberedIsPassed(t *testing.T) {
	if code := exitOf(t, "/nowhere/at/all", Points, Points); code != 0 {
		t.Errorf("exit code %d: it would end every operator that follows", code)
	}
}
