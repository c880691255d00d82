package conformance

import (
	"testing"
	"time"
)

func TestSentinelWithoutAMonitorIsToldAtRunTime(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			w := FormWatch(t, specs(3, version), specs(3, version))
			p := w.see(w.Sentinels[0])
			t.Logf("complete after %v: %+v", time.Since(start).Round(10*time.Millisecond), p)
			if p.DownAfter != watchDownAfter || p.FailoverTimeout != watchFailoverTimeout || p.ParallelSyncs != 1 || p.Quorum != 2 {
				t.Errorf("settings: %+v", p)
			}
		})
	}
}
