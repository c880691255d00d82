package conformance

import (
	"errors"
	"testing"

	"github.com/valkeeper/valkeeper/internal/handover"
)

// A target that has been elected tells nobody before it has written that to its disk. If
// it freezes in between it looks at no clock when it thaws: it says that it is primary.
// By then the old primary has long taken writes again.
func TestClusterTargetThatFreezesElectedCostsNoWrites(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name  string
		shard int
	}{
		{"in the first shard", 0},
		{"in the last shard, whose epoch was the highest", 2},
	}
	for _, version := range Versions {
		for _, row := range rows {
			t.Run(string(version)+" "+row.name, func(t *testing.T) {
				t.Parallel()
				spec := Spec{Version: version, Config: []string{"cluster-manual-failover-timeout 1000", "cluster-node-timeout 10000"}}
				c := FormCluster(t, spec, 3, 1)
				old, target := c.Shards[row.shard][0], c.Shards[row.shard][1]
				w := StartClusterWriters(t, 4, c, c.SlotsOf(row.shard))
				stuck := target.StickAt("Failover election won")
				w.ResetGap()
				result, err := c.handOver(old, target, handover.Options{})
				if !errors.Is(err, handover.ErrAborted) || result.Promoted || !stuck.Reached() {
					t.Fatalf("stuck: %t, %+v, %v", stuck.Reached(), result, err)
				}
				w.WaitFor(500)
				t.Logf("%s, %s: writes were held back for %v, all in all %v", version, row.name, w.Gap(), result.Total)
				stuck.GoOn()
				target.WaitAnswers()
				c.WaitOK()
				target.WaitSynced(old)
				w.Stop()
				if lost := w.Lost(); lost > 0 {
					t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
				}
				if result, err = c.handOver(old, target, handover.Options{}); err != nil {
					t.Errorf("the next handover: %+v, %v", result, err)
				}
			})
		}
	}
}
