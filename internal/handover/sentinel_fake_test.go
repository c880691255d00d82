package handover

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// watchWorld is a world with Sentinels in it, which do what a row tells them.
type watchWorld struct {
	*world
	sentinels []*fakeSentinel
	// onCoordinated is what becomes of the servers once the asked Sentinel is elected;
	// events are what it tells.
	onCoordinated  func(*watchWorld)
	coordinatedErr error
	events         chan valkey.SentinelEvent
	deaf           bool // hellos change nothing
}

type fakeSentinel struct {
	*watchWorld
	number   int
	err      error // it does not answer
	version  string
	tilt     bool
	noQuorum bool
	primary  valkey.SentinelPrimary
	replicas []valkey.SentinelReplica
	peers    []valkey.SentinelPeer
	unknown  bool // it monitors nothing
}

func sentinelID(number int) string { return fmt.Sprintf("%040d", number) }

func newWatchWorld(version string) *watchWorld {
	w := &watchWorld{world: newWorld(), events: make(chan valkey.SentinelEvent, 16)}
	w.onCoordinated = func(w *watchWorld) {
		w.tell(valkey.EventNewEpoch, "8")
		w.tell(valkey.EventSelected, "slave 10.0.0.2:6379 10.0.0.2 6379 @ main 10.0.0.1 6379")
		w.old.PausedActions, w.old.PausedReason = "write", "client_pause"
		handOver(w.world)
	}
	for number := range 3 {
		s := &fakeSentinel{
			watchWorld: w, number: number, version: version,
			primary: valkey.SentinelPrimary{
				Name: "main", Host: "10.0.0.1", Port: 6379, RoleReported: valkey.RolePrimary,
				ConfigEpoch: 5, OtherSentinels: 2, Replicas: 1, Quorum: 2, DownAfter: 5e9, FailoverTimeout: 1e8, ParallelSyncs: 1,
			},
			replicas: []valkey.SentinelReplica{{Host: "10.0.0.2", Port: 6379, RoleReported: valkey.RoleReplica, Priority: 100, LinkUp: true}},
		}
		for other := range 3 {
			if other != number {
				s.peers = append(s.peers, valkey.SentinelPeer{ID: sentinelID(other), Host: fmt.Sprintf("10.0.1.%d", other), Port: 26379, VotedEpoch: 1})
			}
		}
		w.sentinels = append(w.sentinels, s)
	}
	return w
}

func (w *watchWorld) tell(kind, text string) {
	w.events <- valkey.SentinelEvent{Kind: kind, Text: text}
}

func (w *watchWorld) servers() []SentinelServer {
	var all []SentinelServer
	for _, s := range w.sentinels {
		all = append(all, s)
	}
	return all
}

func (w *watchWorld) pair() (old, target Server) { return w.world.servers() }

// options of a handover in this world.
func (w *watchWorld) options() SentinelOptions {
	return SentinelOptions{Options: quick, Name: "main"}
}

// sentBut is what was sent, without the kinds that the row does not care for.
func (w *watchWorld) sentBut(kinds ...string) string {
	return strings.Join(slices.DeleteFunc(w.commands(), func(c string) bool {
		return slices.ContainsFunc(kinds, func(k string) bool { return strings.Contains(c, k) })
	}), ", ")
}

func (s *fakeSentinel) Addr() string { return fmt.Sprintf("10.0.1.%d:26379", s.number) }

// ask guards what is read; it fails if the Sentinel does not answer.
func (s *fakeSentinel) ask(ctx context.Context, needsMonitor bool) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.err != nil:
		return s.err
	case needsMonitor && s.unknown:
		return fmt.Errorf("%w: %w", valkey.ErrReply, valkey.ErrNoSuchPrimary)
	}
	return nil
}

func read[T any](ctx context.Context, s *fakeSentinel, needsMonitor bool, what func() T) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ask(ctx, needsMonitor); err != nil {
		var none T
		return none, err
	}
	return what(), nil
}

func (s *fakeSentinel) SentinelInfo(ctx context.Context) (valkey.SentinelInfo, error) {
	return read(ctx, s, false, func() valkey.SentinelInfo { return valkey.SentinelInfo{Version: s.version, Tilt: s.tilt} })
}

func (s *fakeSentinel) SentinelID(ctx context.Context) (string, error) {
	return read(ctx, s, false, func() string { return sentinelID(s.number) })
}

func (s *fakeSentinel) SentinelPrimary(ctx context.Context, _ string) (valkey.SentinelPrimary, error) {
	return read(ctx, s, true, func() valkey.SentinelPrimary { return s.primary })
}

func (s *fakeSentinel) SentinelAddress(ctx context.Context, _ string) (string, int, error) {
	p, err := read(ctx, s, true, func() valkey.SentinelPrimary { return s.primary })
	return p.Host, p.Port, err
}

func (s *fakeSentinel) SentinelReplicas(ctx context.Context, _ string) ([]valkey.SentinelReplica, error) {
	return read(ctx, s, true, func() []valkey.SentinelReplica { return slices.Clone(s.replicas) })
}

func (s *fakeSentinel) SentinelPeers(ctx context.Context, _ string) ([]valkey.SentinelPeer, error) {
	return read(ctx, s, true, func() []valkey.SentinelPeer { return slices.Clone(s.peers) })
}

func (s *fakeSentinel) SentinelCheckQuorum(ctx context.Context, _ string) error {
	_, err := read(ctx, s, true, func() any { return nil })
	if err == nil && s.noQuorum {
		err = fmt.Errorf("%w: %w", valkey.ErrReply, valkey.ErrNoQuorum)
	}
	return err
}

func (s *fakeSentinel) SentinelEvents(context.Context, ...string) (<-chan valkey.SentinelEvent, func(), error) {
	return s.events, func() {}, nil
}

// change notes a command that changes something, and does it.
func (s *fakeSentinel) change(what string, effect func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.sent = append(s.sent, fmt.Sprintf("sentinel%d %s", s.number, what))
	effect()
	return nil
}

func (s *fakeSentinel) SentinelFailoverCoordinated(context.Context, string) error {
	if s.coordinatedErr != nil {
		return s.coordinatedErr
	}
	return s.change("COORDINATED", func() { s.onCoordinated(s.watchWorld) })
}

func (s *fakeSentinel) SentinelHello(_ context.Context, hello valkey.Hello) error {
	return s.change(fmt.Sprintf("HELLO %d", hello.Epoch), func() {
		known := slices.ContainsFunc(s.peers, func(p valkey.SentinelPeer) bool {
			return p.ID == hello.SentinelID && p.Host == hello.SentinelHost && p.Port == hello.SentinelPort
		})
		if !s.deaf && known && hello.Name == "main" && hello.Epoch > s.primary.ConfigEpoch {
			s.primary.ConfigEpoch, s.primary.Host, s.primary.Port = hello.Epoch, hello.PrimaryHost, hello.PrimaryPort
		}
	})
}

func (s *fakeSentinel) SentinelMonitor(_ context.Context, _, host string, port, quorum int) error {
	return s.change("MONITOR", func() {
		s.unknown = false
		s.primary.Host, s.primary.Port, s.primary.Quorum = host, port, quorum
	})
}

func (s *fakeSentinel) SentinelRemove(context.Context, string) error {
	if s.unknown {
		return fmt.Errorf("%w: %w", valkey.ErrReply, valkey.ErrNoSuchPrimary)
	}
	return s.change("REMOVE", func() { s.unknown = true })
}

func (s *fakeSentinel) SentinelSet(_ context.Context, _ string, settings ...valkey.Setting) error {
	var names []string
	for _, setting := range settings {
		names = append(names, setting.Name)
	}
	return s.change("SET "+strings.Join(names, "+"), func() {
		for _, setting := range settings {
			if quorum, err := strconv.Atoi(setting.Value); err == nil && setting.Name == "quorum" {
				s.primary.Quorum = quorum
			}
		}
	})
}
