package conformance

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/valkeeper/valkeeper/internal/handover"
)

// pairs of versions, old primary first. Upgrades go from 8.1 to 9.1.
var pairs = [][2]Version{{V81, V81}, {V91, V91}, {V81, V91}}

func TestHandoverLosesNothingAndBothSaySo(t *testing.T) {
	for _, versions := range pairs {
		t.Run(fmt.Sprintf("%s to %s", versions[0], versions[1]), func(t *testing.T) {
			set := Set(t, Spec{Version: versions[0]}, Spec{Version: versions[1]})
			old, target := set[0], set[1]
			writers := StartWriters(t, 4, old, target)
			var points []string
			moved := 0
			writers.ResetGap()
			result, err := handover.Replication(context.Background(), old.Node(), target.Node(), handover.Options{
				OnPromoted: func(context.Context) error { moved++; return nil },
				At:         func(point string) { points = append(points, point) },
			})
			if err != nil || result.Outcome != handover.Done {
				t.Fatalf("%+v, %v", result, err)
			}
			writers.WaitFor(200)
			writers.Stop()
			t.Logf("switch %v, proof %v, total %v, %d GETACKs, gap %v, client errors %v",
				result.Switch, result.Proof, result.Total, result.GetAcks, writers.Gap(), writers.Errors())
			if lost := writers.Lost(target); lost != 0 {
				t.Errorf("lost %d of %d", lost, writers.Acknowledged())
			}
			want := []string{handover.PointBeforeFailover, handover.PointFailoverSent, handover.PointPromoted, handover.PointProved}
			if moved != 1 || !slices.Equal(points, want) || result.GetAckErr != nil {
				t.Errorf("traffic moved %d times, points %v, GETACK %v", moved, points, result.GetAckErr)
			}
			if !target.Writable() || old.Writable() {
				t.Error("the target alone takes writes")
			}
		})
	}
}

// The negative control: it shows that the writers would notice a loss.
func TestControlPromotionWithoutAPauseLosesWrites(t *testing.T) {
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			for try := range 5 {
				set := Set(t, Spec{Version: version}, Spec{Version: version})
				old, target := set[0], set[1]
				writers := StartWriters(t, 4, old, target)
				ctx := context.Background()
				from, to := old.Node(), target.Node()
				writers.ResetGap()
				if err := to.ReplicaOfNoOne(ctx); err != nil {
					t.Fatal(err)
				}
				if try > 0 {
					writers.WaitFor(300) // the old primary goes on acknowledging
				}
				if err := from.ReplicaOf(ctx, target.Host, target.Port); err != nil {
					t.Fatal(err)
				}
				writers.WaitFor(100)
				writers.Stop()
				lost := writers.Lost(target)
				t.Logf("try %d: gap %v, lost %d of %d", try, writers.Gap(), lost, writers.Acknowledged())
				if lost > 0 {
					return
				}
			}
			t.Error("nothing was ever lost: the measurement proves nothing")
		})
	}
}
