package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// Seen is what both kinds of handover need of a node.
type Seen interface {
	Addr() string
	Info(ctx context.Context) (valkey.Info, error)
	Role(ctx context.Context) (valkey.RoleState, error)
	GetAck(ctx context.Context, times int) error
}

// Server is what a handover in a Replication set needs of a node; *valkey.Node is one.
type Server interface {
	Seen
	Failover(ctx context.Context, host string, port int, timeout time.Duration) error
	FailoverAbort(ctx context.Context) error
	ReplicaOf(ctx context.Context, host string, port int) error
	ReplicaOfNoOne(ctx context.Context) error
	PauseWrites(ctx context.Context, d time.Duration) error
	Unpause(ctx context.Context) error
}

// Outcome is how a handover ended.
type Outcome string

// The outcomes.
const (
	// Done: the target is primary and the old primary its replica, both by their own word.
	Done Outcome = "Done"
	// Aborted: the old primary is primary as before and takes writes.
	Aborted Outcome = "Aborted"
	// Unproven: neither could be shown. Nothing may be built on it: look again.
	Unproven Outcome = "Unproven"
)

// Why a handover did not end as Done.
var (
	// ErrGate: a gate did not hold, nothing was sent.
	ErrGate = errors.New("handover gate")
	// ErrAborted: it was begun, and the servers are as they were.
	ErrAborted = errors.New("handover aborted")
	// ErrUnproven: how it ended could not be shown.
	ErrUnproven = errors.New("handover unproven")
)

// The points at which Options.At is called.
const (
	PointBeforeFailover = "before-failover"
	PointFailoverSent   = "failover-sent"
	PointPromoted       = "promoted"
	PointProved         = "proved"
)

// Options of one handover. The zero value of each field means its default.
type Options struct {
	// TargetHost and TargetPort are the target as the old primary shows it;
	// default: the address that the target was dialled at.
	TargetHost string
	TargetPort int
	// MaxLag, bytes: how far the target may be behind when the handover begins;
	// default 1 MiB. What it is behind is time in which writes wait.
	MaxLag int64
	// Timeout bounds how long the server holds back writes while the target
	// catches up; default 1 s. In a cluster that is the servers' own setting.
	Timeout time.Duration
	// SettleTimeout bounds everything after that: the target's taking over, the
	// proof, and the resolving of what went wrong; default 5 s each.
	SettleTimeout time.Duration
	// OnPromoted is called once, as soon as the target says that it is primary:
	// the caller moves the traffic. Its context outlives the handover's and is
	// bounded by SettleTimeout.
	OnPromoted func(ctx context.Context) error
	// Ready is asked last, when every gate has held: an error leaves the servers alone
	// (ErrGate). nil for no such question.
	Ready func() error
	// At is called when one of the points above is reached.
	At func(point string)
}

// Result tells what happened, whatever the outcome.
type Result struct {
	Outcome Outcome
	// Promoted: the target was seen as primary, and OnPromoted called.
	Promoted bool
	// TrafficErr is what OnPromoted returned.
	TrafficErr error
	// OldRunID and TargetRunID are the processes between which it took place.
	OldRunID, TargetRunID string
	// Lag is how far the target was behind at the check, bytes.
	Lag int64
	// Switch is the time from sending FAILOVER until the target said it is
	// primary: about as long as writes had to wait, without the clients' way.
	Switch time.Duration
	// Traffic is how long OnPromoted took, Proof how long the proof took after it.
	Traffic, Proof time.Duration
	// Total is everything, from the first check on.
	Total time.Duration
	// Demoted, in a cluster, is the time from sending FAILOVER until the old primary
	// said that it is a replica: until then its writers wait.
	Demoted time.Duration
	// Attempts, in a cluster, is how often CLUSTER FAILOVER was sent, and Nudges how
	// often the target was made to say something that others need not answer.
	Attempts, Nudges int
	// NudgeErr is the last error of it: without, the switch still works, some 40 ms
	// slower.
	NudgeErr error
	// GetAcks is how many times the target was asked to acknowledge, and
	// GetAckErr the last error of it: without, the switch still works, up to a
	// second slower.
	GetAcks   int
	GetAckErr error
}

const (
	defaultMaxLag        = 1 << 20
	defaultTimeout       = time.Second
	defaultSettleTimeout = 5 * time.Second
)

func (o Options) withDefaults() Options {
	if o.MaxLag <= 0 {
		o.MaxLag = defaultMaxLag
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.SettleTimeout <= 0 {
		o.SettleTimeout = defaultSettleTimeout
	}
	if o.OnPromoted == nil {
		o.OnPromoted = func(context.Context) error { return nil }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.At == nil {
		o.At = func(string) {}
	}
	return o
}

// course is what both kinds of handover have in common: the way from one server
// to the other.
type course struct {
	from, to Seen
	opt      Options
	before   pair // as seen by the check
	result   Result
}

// run is one handover in a Replication set.
type run struct {
	course
	old, target Server
	// demoted is when the old primary was first seen to have given up its role
	// for the target, to which it goes on to apply until it is let in.
	demoted time.Time
}

// pair is what both servers said, side by side.
type pair struct {
	old, target       valkey.Info
	oldErr, targetErr error
}

// Replication hands the primary's role over from old to target. Cancelling ctx
// ends it early but not half-way: the servers are brought to a proven state
// first, within Timeout and SettleTimeout.
func Replication(ctx context.Context, old, target Server, opt Options) (Result, error) {
	start := time.Now()
	h := newRun(old, target, opt)
	err := h.perform(ctx)
	h.result.Total = time.Since(start)
	return h.result, err
}

func newRun(old, target Server, opt Options) *run {
	return &run{course: course{from: old, to: target, opt: opt.withDefaults()}, old: old, target: target}
}

func (h *run) perform(ctx context.Context) error {
	h.result.Outcome = Aborted
	line, err := h.check(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	if err := h.opt.Ready(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	h.opt.At(PointBeforeFailover)
	sent := time.Now()
	err = h.old.Failover(ctx, line.Host, line.Port, h.opt.Timeout)
	if errors.Is(err, valkey.ErrReply) {
		return fmt.Errorf("%w: %w", ErrAborted, err)
	}
	// Any other error leaves open whether the server has begun.
	h.opt.At(PointFailoverSent)
	cause := err
	if cause == nil {
		cause = h.await(ctx)
	}
	if cause == nil {
		h.result.Switch = time.Since(sent)
		h.promoted(ctx)
		cause = h.prove(ctx)
	}
	if cause == nil {
		h.result.Outcome = Done
		h.opt.At(PointProved)
		return nil
	}
	return h.resolve(ctx, cause)
}

// promoted runs once, when the target has been seen as primary.
func (h *course) promoted(ctx context.Context) {
	if h.result.Promoted {
		return
	}
	h.result.Promoted = true
	h.opt.At(PointPromoted)
	ctx, cancel := h.settle(ctx)
	defer cancel()
	start := time.Now()
	h.result.TrafficErr = h.opt.OnPromoted(ctx)
	h.result.Traffic = time.Since(start)
}

// demotedTooLong is told each sighting of the old primary, and says whether the
// target has had its time to take over.
func (h *run) demotedTooLong(old valkey.Info) bool {
	if old.Failover != valkey.FailoverInProgress {
		return false
	}
	if h.demoted.IsZero() {
		h.demoted = time.Now()
	}
	return time.Since(h.demoted) > promoteGrace
}

// settle is a context that outlives the caller's, for what must not stay half done.
func (h *course) settle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), h.opt.SettleTimeout)
}

// look asks both servers at the same time; a frozen one must not hide the other.
func (h *course) look(ctx context.Context) pair {
	var p pair
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.target, p.targetErr = h.to.Info(ctx)
	}()
	p.old, p.oldErr = h.from.Info(ctx)
	<-done
	return p
}

// sleep waits for d or the context, and says whether the context is still good.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
