package conformance

import (
	"context"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// migrationEnds waits until the newest migration of the source has ended.
func (s *Server) migrationEnds() valkey.SlotMigration {
	s.t.Helper()
	node := s.Node()
	var job valkey.SlotMigration
	Eventually(s.t, "the migration ends", func() bool {
		jobs, err := node.SlotMigrations(context.Background())
		if err != nil || len(jobs) == 0 {
			s.t.Fatalf("%d migrations, %v", len(jobs), err)
		}
		job = jobs[0]
		return job.Ended()
	})
	return job
}

// The users have the rights that the operator gives them, and no more.
func TestSlotsMoveAtomicallyUnderWriters(t *testing.T) {
	t.Parallel()
	c := FormCluster(t, Spec{Version: V91}, 3, 1)
	source := c.Shards[0][0]
	slots := valkey.SlotRange{First: 0, Last: 999}
	w := StartClusterWriters(t, 4, c, slots)
	const each = 5000
	w.fill(source, each)
	w.ResetGap()
	if _, err := do(context.Background(), c.moves(0, 1, true, slots)); err != nil {
		t.Fatal(err)
	}
	if job := source.migrationEnds(); job.State != valkey.MigrationSuccess {
		t.Fatalf("%+v", job)
	}
	w.WaitFor(100)
	Eventually(t, "all know the new owner", func() bool { return c.owns(1, slots) })
	w.Stop()
	t.Logf("longest gap %v, clients saw %v", w.Gap(), w.Errors())
	if lost := w.Lost(); lost > 0 {
		t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
	}
	if found := w.filled(each); found != 4*each {
		t.Errorf("%d of %d other keys are there", found, 4*each)
	}
	// Nobody is sent to the target as long as the slots are not all there.
	if w.Errors()["ASK"] > 0 || w.Errors()["MOVED"] == 0 {
		t.Errorf("clients saw %v", w.Errors())
	}
}

func TestAtomicMigrationThatIsCalledOffLeavesTheSlotsWhereTheyWere(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := FormCluster(t, Spec{Version: V91}, 3, 1)
	source, target := c.Shards[0][0], c.Shards[1][0]
	slots := valkey.SlotRange{First: 0, Last: 999}
	w := StartClusterWriters(t, 4, c, slots)
	w.fill(source, 1000)
	// The source does not pause for the end of it, so that there is time.
	source.Must("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", "1")
	if _, err := do(ctx, c.moves(0, 1, true, slots)); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "all but the pause is done", func() bool {
		jobs, err := source.Node().SlotMigrations(ctx)
		return err == nil && jobs[0].State == "waiting-to-pause"
	})
	w.WaitFor(100)
	out, err := do(ctx, c.moves(0, 1, true, slots))
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.SlotsMoving {
		t.Errorf("the same slots once more: %+v, %v", out, err)
	}
	perform(t, model.CancelMoves{Node: source.ref()})
	if job := source.migrationEnds(); job.State != valkey.MigrationCancelled {
		t.Fatalf("%+v", job)
	}
	perform(t, model.CancelMoves{Node: source.ref()}) // nothing to call off is no error
	source.Must("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", "0")
	w.WaitFor(100)
	w.Stop()
	if lost := w.Lost(); lost > 0 || !c.owns(0, slots) {
		t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
	}
	if job := target.migrationEnds(); job.State == valkey.MigrationSuccess {
		t.Errorf("%+v", job)
	}
	// And it can be begun again.
	perform(t, c.moves(0, 1, true, slots))
	if job := source.migrationEnds(); job.State != valkey.MigrationSuccess {
		t.Fatalf("%+v", job)
	}
	Eventually(t, "all know the new owner", func() bool { return c.owns(1, slots) })
	if lost := w.Lost(); lost > 0 {
		t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
	}
}

// A target whose user may do less refuses, and nothing is lost: that is how a
// server answers that was started with the users of an older operator.
func TestAtomicMigrationToATargetThatRefusesItIsNoLoss(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]string{"writes": "-@write", "the handshake": "-cluster|syncslots"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: V91}, 3, 1)
			source, target := c.Shards[0][0], c.Shards[1][0]
			slots := valkey.SlotRange{First: 0, Last: 999}
			w := StartClusterWriters(t, 4, c, slots)
			target.Must("ACL", "SETUSER", ReplicationUser, rule)
			perform(t, c.moves(0, 1, true, slots))
			job := source.migrationEnds()
			if job.State != valkey.MigrationFailed {
				t.Errorf("%+v", job)
			}
			t.Logf("refused %s: %s", name, job.Message)
			w.WaitFor(100)
			w.Stop()
			if lost := w.Lost(); lost > 0 || !c.owns(0, slots) {
				t.Errorf("lost %d of %d acknowledged writes", lost, w.Acknowledged())
			}
		})
	}
}
