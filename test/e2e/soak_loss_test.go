//go:build soak

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/bed"
)

// servedAgainMs is the median within which writes go on after a primary was killed.
const servedAgainMs = 3000

// Each killed pod is replaced afterwards: the kubelet would wait longer each time
// before it starts the container again.
func TestSoakFiftyKilledPrimariesAreReplacedWithinSeconds(t *testing.T) {
	w := enter(t)
	w.onTestbed()
	kills := killedRolls(t, 50)
	i := w.make("cache", bed.InMemory())
	ledger := w.write(i, bed.Light)
	for k := range kills {
		old := w.primary(i)
		w.must(i.Process(w.ctx, "kill", old))
		heir, after := w.replacedPrimary(i, old)
		w.must(ledger.AwaitWrites(w.ctx, 100))
		for _, p := range w.pods(i) {
			if p.Name == old {
				w.must(cluster.Delete(w.ctx, &p))
			}
		}
		w.must(i.AwaitReady(w.ctx, toRoll))
		say("kill %d of %d: %s took the place of %s, seen after %s", k+1, kills, heir, old, after.Round(10*time.Millisecond))
	}
	w.sameEverywhere(i)
	run := w.read(ledger)
	var gaps []float64
	for _, h := range run.Handovers {
		gaps = append(gaps, h.GapMs)
	}
	slices.Sort(gaps)
	if len(gaps) < kills {
		t.Fatalf("the ledger saw the role move %d times, and %d primaries were killed", len(gaps), kills)
	}
	median, worst := gaps[len(gaps)/2], gaps[len(gaps)-1]
	w.Logf("gap of %d losses: median %.0f ms, worst %.0f ms; lost %d of %d, interleaved %d", len(gaps), median, worst,
		run.Lost, run.Acknowledged, run.Interleaved)
	if median > servedAgainMs || run.Lost > kills*bed.Light.Writers {
		t.Errorf("wanted a median of %d ms, and no more lost than each writer's last write", servedAgainMs)
	}
}

func TestSoakRebornEmptyPrimariesWipeNobody(t *testing.T) {
	for _, c := range rebornCases() {
		t.Run(c.name, func(t *testing.T) { enter(t).reborn(c, killedRolls(t, 20)) })
	}
}
