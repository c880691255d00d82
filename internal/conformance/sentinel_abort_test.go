package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// misfortune is what befalls a handover under Sentinel at one of its points.
type misfortune struct {
	name  string
	point string
	// strike is told who is asked, and who is to take over.
	strike  func(w *Watch, target *Server)
	outcome handover.Outcome
	longest time.Duration // without an acknowledged write
}

var misfortunes = []misfortune{
	{
		name: "the asked Sentinel dies before it is elected", point: handover.PointFailoverSent,
		strike:  func(w *Watch, _ *Server) { w.Sentinels[0].Kill() },
		outcome: handover.Aborted, longest: 500 * time.Millisecond,
	},
	{
		name: "the asked Sentinel dies as the target takes over", point: handover.PointPromoted,
		strike:  func(w *Watch, _ *Server) { w.Sentinels[0].Kill() },
		outcome: handover.Done, longest: 500 * time.Millisecond,
	},
	{
		name: "the target freezes before it has everything", point: handover.PointFailoverSent,
		strike:  func(_ *Watch, target *Server) { target.Freeze() },
		outcome: handover.Aborted, longest: 3 * time.Second,
	},
	{
		name: "the target dies before it has everything", point: handover.PointFailoverSent,
		strike:  func(_ *Watch, target *Server) { target.Kill() },
		outcome: handover.Aborted, longest: 3 * time.Second,
	},
}

func TestCoordinatedHandoverThatMeetsWithMisfortune(t *testing.T) {
	t.Parallel()
	for _, m := range misfortunes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(2, V91), specs(3, V91))
			primary, target := w.Data[0], w.Data[1]
			clients := w.StartClients(t, primary)
			clients.ResetGap()
			opt := w.Options()
			opt.Way, opt.SettleTimeout = handover.WayCoordinated, 3*time.Second
			opt.At = func(point string) {
				if point == m.point {
					m.strike(w, target)
				}
			}
			opt.OnPromoted = func(context.Context) error { clients.Move(target); return nil }
			result, err := handover.Sentinel(t.Context(), primary.Node(), target.Node(), w.Servers(), opt)
			t.Logf("%s after %v, %d agree, gap %v: %v", result.Outcome, result.Total, result.Agreeing, clients.ByName.Gap(), err)
			if result.Outcome != m.outcome || (err == nil) != (m.outcome == handover.Done) {
				t.Errorf("%s, %v", result.Outcome, err)
			}
			notPaused(t, primary)
			took := primary
			if m.outcome == handover.Done {
				took = target
			}
			clients.WaitFor(100)
			target.Thaw()
			clients.Stop()
			if lost := clients.Lost(took); lost != 0 {
				t.Errorf("%d lost", lost)
			}
			if gap := clients.ByName.Gap(); gap > m.longest {
				t.Errorf("no write was acknowledged for %v", gap)
			}
		})
	}
}

// The next operator tells whom the servers have made primary.
func TestSentinelsThatADeadOperatorHasNotToldAreToldByTheNext(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(3, version), specs(3, version))
			primary, target := w.Data[0], w.Data[1]
			must(t, primary.Node().Failover(t.Context(), target.Host, target.Port, time.Second))
			target.waitPrimary()
			result, err := handover.TellSentinels(t.Context(), target.Node(), w.Servers(), w.Options())
			if err != nil || result.Agreeing != 3 {
				t.Errorf("%+v, %v", result, err)
			}
			w.repoint(target)
			w.WaitComplete(target)
		})
	}
}

// The operator dies, then the Sentinel that it has asked, and the target stands still: the
// primary's pause is nobody's to lift, and ends by itself.
func TestAPrimaryThatWasLeftPausedTakesWritesAgain(t *testing.T) {
	t.Parallel()
	w := FormWatch(t, specs(2, V91), specs(3, V91))
	primary, target := w.Data[0], w.Data[1]
	asked := w.Sentinels[0].Node()
	events, stop, err := asked.SentinelEvents(t.Context(), valkey.EventSelected)
	must(t, err)
	defer stop()
	must(t, asked.SentinelFailoverCoordinated(t.Context(), MonitorName))
	<-events
	target.Freeze()
	Eventually(t, "the primary hands over", func() bool {
		info, ok := primary.Info()
		return ok && info.Failover != valkey.FailoverNone
	})
	left := time.Now()
	w.Sentinels[0].Kill()
	Eventually(t, "the primary takes writes again", func() bool {
		info, ok := primary.Info()
		return ok && info.Role == valkey.RolePrimary && info.Failover == valkey.FailoverNone && primary.Writable()
	})
	t.Logf("writes waited for %v", time.Since(left))
	target.Thaw()
	notPaused(t, primary)
}

// Names that servers announce and Sentinels do not: COORDINATED names an address
// that the primary does not know, which is then left paused. The gates see it.
func TestNamesThatOnlyServersAnnounce(t *testing.T) {
	t.Parallel()
	data := specs(2, V91)
	for i := range data {
		data[i].Name = "localhost"
	}
	sentinels := specs(3, V91)
	for i := range sentinels {
		sentinels[i].Config = []string{"sentinel resolve-hostnames yes"}
	}
	w := formWatch(t, data, sentinels)
	primary, target := w.Data[0], w.Data[1]
	w.eventually("the Sentinels know the replica", func() string {
		for _, s := range w.Sentinels {
			if p := w.see(s); p.Replicas != 1 || p.OtherSentinels != 2 || p.InfoAge == 0 {
				return s.Addr()
			}
			if missing := unconnected(t.Context(), s.Node()); missing != "" { // the asked one needs their votes
				return s.Addr() + ": " + missing
			}
		}
		return ""
	})
	opt := w.Options()
	opt.OldHost, opt.OldPort = "127.0.0.1", primary.Port
	opt.TargetHost, opt.TargetPort = "localhost", target.Port
	_, err := handover.Sentinel(t.Context(), primary.Node(), target.Node(), w.Servers(), opt)
	if !errors.Is(err, handover.ErrGate) {
		t.Errorf("the gates let it through: %v", err)
	}
	t.Log(err)
	must(t, w.Sentinels[0].Node().SentinelFailoverCoordinated(t.Context(), MonitorName))
	Eventually(t, "the primary is paused and does not fail over", func() bool {
		info, ok := primary.Info()
		return ok && info.PausedReason == "client_pause" && info.Failover == valkey.FailoverNone
	})
	Eventually(t, "the pause ends by itself", func() bool {
		info, ok := primary.Info()
		return ok && info.PausedActions == "none"
	})
	notPaused(t, primary)
}

// Names throughout: servers announce them, Sentinels resolve and announce them.
func TestNamesThroughout(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			data := specs(3, version)
			for i := range data {
				data[i].Name = "localhost"
			}
			sentinels := specs(3, version)
			for i := range sentinels {
				sentinels[i].Config = []string{"sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"}
			}
			w := FormWatch(t, data, sentinels)
			clients := w.StartClients(t, w.Data[0])
			primary := w.Data[0]
			for range 2 {
				result := w.HandOver(t, clients, primary, "", false)
				primary = w.at(result.TargetHost, itoa(result.TargetPort))
				t.Logf("%s to %s:%d", result.Way, result.TargetHost, result.TargetPort)
				w.repoint(primary)
				w.WaitComplete(primary)
			}
			clients.Stop()
			if lost := clients.Lost(primary); lost != 0 {
				t.Errorf("%d lost", lost)
			}
		})
	}
}
