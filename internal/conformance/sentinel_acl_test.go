package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// What Sentinels do with SentinelACL is shown by every scenario here. This one takes
// one rule after the other away, and looks whether anything stops.
func TestSentinelsUserHasNothingToSpare(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(2, version), specs(3, version))
			for _, s := range w.Data {
				refusedToUser(t, s, SentinelUser, [][]string{
					{"GET", "a"}, {"SET", "a", "b"}, {"CONFIG", "GET", "*"}, {"CONFIG", "SET", "maxmemory", "1"}, {"ACL", "LIST"},
					{"FLUSHALL"}, {"SHUTDOWN"}, {"EVAL", "return 1", "0"}, {"CLIENT", "LIST"}, {"PUBLISH", "c", "m"},
					{"SUBSCRIBE", "c"}, {"KEYS", "*"}, {"DEBUG", "SLEEP", "0"}, {"PSYNC", "?", "-1"}, {"REPLCONF"}, {"ROLE"},
				})
			}
			// Not +multi: without it the same commands go one by one, and not atomically.
			for _, missing := range []string{"+exec", "+slaveof", "+config|rewrite", "+client|kill"} {
				w.setRules(t, without(valkey.SentinelACL, missing))
				if primary := w.plainFailoverWithin(t, 4*time.Second); primary != nil {
					t.Errorf("without %s a plain failover goes well", missing)
				}
				w.setRules(t, valkey.SentinelACL)
				w.calm(t)
			}
			if w.plainFailoverWithin(t, 10*time.Second) == nil {
				t.Error("with all rules a plain failover does not go well")
			}
		})
	}
}

func TestCoordinatedFailoverNeedsFailoverAndPause(t *testing.T) {
	t.Parallel()
	w := FormWatch(t, specs(2, V91), specs(3, V91))
	primary, target := w.Data[0], w.Data[1]
	for _, missing := range []string{"+failover", "+client|pause"} {
		w.setRules(t, without(valkey.SentinelACL, missing))
		opt := w.Options()
		opt.Way, opt.SettleTimeout = handover.WayCoordinated, 2*time.Second
		result, err := handover.Sentinel(context.Background(), primary.Node(), target.Node(), w.Servers(), opt)
		t.Logf("without %s: %s, %v", missing, result.Outcome, err)
		if !errors.Is(err, handover.ErrAborted) {
			t.Errorf("without %s: %s, %v", missing, result.Outcome, err)
		}
		notPaused(t, primary)
		w.setRules(t, valkey.SentinelACL)
		w.calm(t)
	}
	// Without what lifts the pause it works as long as we lift it.
	w.setRules(t, without(valkey.SentinelACL, "+client|unpause"))
	clients := &Clients{}
	result := w.HandOver(t, clients, primary, handover.WayCoordinated, true)
	notPaused(t, primary)
	t.Logf("without +client|unpause: %s, agreed after %v", result.Outcome, result.Agreed)
}

func without(rules []string, missing string) []string {
	return slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r == missing })
}

// setRules gives Sentinels' user other rules at all data nodes, at once: its
// connections stay.
func (w *Watch) setRules(t *testing.T, rules []string) {
	t.Helper()
	for _, s := range w.Data {
		s.Must(append([]string{"ACL", "SETUSER", SentinelUser}, rules...)...)
	}
}

// plainFailoverWithin asks for a plain failover, and returns who is primary of
// those who were not.
func (w *Watch) plainFailoverWithin(t *testing.T, limit time.Duration) *Server {
	t.Helper()
	before := w.names(w.Sentinels[0])
	must(t, w.Sentinels[0].Node().SentinelFailover(context.Background(), MonitorName))
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, s := range w.Data {
			if info, ok := s.Info(); ok && s != before && info.Role == valkey.RolePrimary {
				return s
			}
		}
	}
	return nil
}

// calm waits until no Sentinel has a failover under way.
func (w *Watch) calm(t *testing.T) {
	t.Helper()
	w.eventually("no failover is under way", func() string {
		for _, s := range w.Sentinels {
			if p := w.see(s); p.Flags.FailoverInProgress {
				return fmt.Sprintf("%+v", p)
			}
		}
		return ""
	})
}

func TestUsersOnASentinelMayDoWhatTheyNeedAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(2, version), specs(3, version))
			everySentinelMethodWorks(t, w)
			refusedToUser(t, w.Sentinels[0], OperatorUser, [][]string{
				{"ACL", "LIST"}, {"ACL", "SETUSER", "x"}, {"SHUTDOWN"}, {"CLIENT", "LIST"}, {"CLIENT", "KILL", "TYPE", "normal"},
				{"SENTINEL", "DEBUG"}, {"SENTINEL", "FLUSHCONFIG"}, {"SENTINEL", "SIMULATE-FAILURE", "HELP"},
				{"SENTINEL", "PENDING-SCRIPTS"}, {"SENTINEL", "INFO-CACHE", MonitorName},
				{"SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", "1", "0", "*"},
			})
			refusedToUser(t, w.Sentinels[0], PeerUser, [][]string{
				{"SENTINEL", "MASTER", MonitorName}, {"SENTINEL", "REMOVE", MonitorName}, {"SENTINEL", "FAILOVER", MonitorName},
				{"SENTINEL", "SET", MonitorName, "quorum", "1"}, {"SENTINEL", "RESET", "*"}, {"INFO"}, {"ACL", "LIST"}, {"SHUTDOWN"},
				{"PUBLISH", "c", "m"}, {"SUBSCRIBE", "+new-epoch"},
			})
		})
	}
}

func everySentinelMethodWorks(t *testing.T, w *Watch) {
	t.Helper()
	ctx, s := context.Background(), w.Sentinels[0]
	node := s.Node()
	info, infoErr := node.SentinelInfo(ctx)
	id, idErr := node.SentinelID(ctx)
	peers, peersErr := node.SentinelPeers(ctx, MonitorName)
	_, _, nobody := node.SentinelAddress(ctx, "nobody")
	events, stop, eventsErr := node.SentinelEvents(ctx, valkey.EventNewEpoch)
	_, unknown := node.SentinelPrimary(ctx, "nobody")
	settings := []valkey.Setting{{Name: "sentinel-pass", Value: Password}}
	coordinated := node.SentinelFailoverCoordinated(ctx, "nobody")
	want := valkey.ErrNoSuchPrimary
	if s.Spec.Version == V81 {
		want = valkey.ErrUnsupported
	}
	rows := []struct {
		what string
		err  error
		want error // nil: it works
	}{
		{"SentinelInfo", infoErr, nil},
		{"SentinelID", idErr, nil},
		{"SentinelPeers", peersErr, nil},
		{"SentinelAddress of nobody", nobody, valkey.ErrNoSuchPrimary},
		{"SentinelEvents", eventsErr, nil},
		{"SentinelPrimary of nobody", unknown, valkey.ErrNoSuchPrimary},
		{"SentinelReset of nobody", node.SentinelReset(ctx, "nobody"), valkey.ErrNoSuchPrimary},
		{"SentinelRemove of nobody", node.SentinelRemove(ctx, "nobody"), valkey.ErrNoSuchPrimary},
		{"SentinelMonitor again", node.SentinelMonitor(ctx, MonitorName, "127.0.0.1", 1, 2), valkey.ErrPrimaryExists},
		{"SentinelMonitor of a name", node.SentinelMonitor(ctx, "other", "no-such-host.invalid", 1, 2), valkey.ErrUnresolved},
		{"SentinelConfigSet", node.SentinelConfigSet(ctx, settings...), nil},
		{"SentinelFailoverCoordinated of nobody", coordinated, want},
		{"SentinelHello about nobody", node.SentinelHello(ctx, valkey.Hello{Name: "nobody"}), nil},
	}
	for _, row := range rows {
		if row.want == nil && row.err != nil || row.want != nil && !errors.Is(row.err, row.want) {
			t.Errorf("%s: %v, want %v", row.what, row.err, row.want)
		}
	}
	if !strings.HasPrefix(info.Version, string(s.Spec.Version)) || info.Primaries != 1 || id != s.Spec.Sentinel.ID || len(peers) != 2 {
		t.Errorf("%+v, id %s, peers %+v", info, id, peers)
	}
	must(t, node.SentinelFailover(ctx, MonitorName))
	if again := node.SentinelFailover(ctx, MonitorName); !errors.Is(again, valkey.ErrSentinelBusy) {
		t.Errorf("a second failover: %v", again)
	}
	select {
	case e := <-events:
		if e.Epoch() != 1 {
			t.Errorf("event %+v", e)
		}
	case <-time.After(waitLimit):
		t.Error("no event")
	}
	stop()
	if _, open := <-events; open {
		t.Error("the events go on after stop")
	}
}

// Without a user that they know, Sentinels do not see each other, though every one of
// them monitors.
func TestSentinelsThatDoNotLetEachOtherInReachNoQuorum(t *testing.T) {
	t.Parallel()
	sentinels := specs(3, V91)
	for i := range sentinels {
		sentinels[i].Sentinel = &SentinelSpec{
			ID:        fmt.Sprintf("%040x", i+1),
			PeerRules: without(valkey.SentinelPeerACL, "+sentinel|is-master-down-by-addr"),
		}
	}
	w := FormWatch(t, specs(2, V91), sentinels)
	w.Data[0].Kill()
	time.Sleep(watchDownAfter + 5*time.Second)
	if p := w.see(w.Sentinels[0]); !p.Flags.Down || p.Flags.AgreedDown {
		t.Errorf("they agree although they may not ask each other: %+v", p)
	}
	for _, s := range w.Sentinels {
		s.Must(append([]string{"ACL", "SETUSER", PeerUser}, valkey.SentinelPeerACL...)...)
	}
	w.anyPrimary(t, w.Data[0])
}
