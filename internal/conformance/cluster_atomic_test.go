package conformance

import (
	"context"
	"testing"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestSlotsMoveAtomicallyUnderWriters(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := FormCluster(t, Spec{Version: V91}, 2, 1)
	source, target := c.Shards[0][0], c.Shards[1][0]
	slots := valkey.SlotRange{First: 0, Last: 999}
	w := StartClusterWriters(t, 4, c, slots)
	if err := source.Node().MigrateSlots(ctx, []valkey.SlotRange{slots}, target.ID()); err != nil {
		t.Fatal(err)
	}
	var job valkey.SlotMigration
	Eventually(t, "migration ends", func() bool {
		jobs, err := source.Node().SlotMigrations(ctx)
		if err != nil {
			t.Fatal(err)
		}
		job = jobs[0]
		return job.Ended()
	})
	t.Logf("%+v", job)
	w.WaitFor(100)
	w.Stop()
	t.Log(w.Gap(), w.Lost(), w.Errors())
	t.Log(target.LogTail(20))
}
