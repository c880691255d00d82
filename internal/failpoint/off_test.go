//go:build !failpoints

package failpoint

import (
	"os"
	"testing"
)

func TestAUsualBuildPassesEveryPoint(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("VALKEEPER_FAILPOINTS", Promoted)
	t.Setenv("VALKEEPER_FAILPOINTS_FIRED", folder)
	Reach(Promoted)
	if fired, err := os.ReadDir(folder); err != nil || len(fired) != 0 {
		t.Errorf("%v, %v", fired, err)
	}
}
