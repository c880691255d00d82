package handover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// ClusterServer is what a handover in a cluster needs of a node; *valkey.Node is one.
type ClusterServer interface {
	Seen
	ConfigGet(ctx context.Context, pattern string) (map[string]string, error)
	ClusterNodes(ctx context.Context) ([]valkey.ClusterNode, error)
	ClusterInfo(ctx context.Context) (valkey.ClusterInfo, error)
	ClusterFailover(ctx context.Context) error
	BumpEpoch(ctx context.Context) error
	Nudge(ctx context.Context, bytes int) error
}

const (
	// againAfter is how long an attempt may take before it is made anew. A lost
	// election, as when two shards hold one at the same moment, is not repeated by
	// the server within the time that it holds back writes; asked again, it holds
	// the next one at once (valkey 9.1 and 8.1 src/cluster_legacy.c
	// manualFailoverCanStart). Never more than half of the servers' limit.
	againAfter = 500 * time.Millisecond
	// attempts is how often it is asked for.
	attempts = 3
	// expiryMargin is on top of the servers' own time limit: they look ten times a
	// second whether it is over.
	expiryMargin = 300 * time.Millisecond
)

// clusterRun is one handover in a shard of a cluster.
type clusterRun struct {
	course
	old, target ClusterServer
	peers       []ClusterServer

	oldID, targetID string
	slots           string          // what old owned, written as one text
	voters          map[string]bool // ids of the primaries that own slots
	// limit is how long after the last request the servers go on with it.
	limit time.Duration
	sent  time.Time // the first request
	last  time.Time // the latest one
	// open: a request was not answered, so nobody knows whether it is yet to begin.
	open bool
	// election is the highest epoch that the target can have been elected in, once
	// that is known; fenced, that it would not be believed. See fence.
	election int64
	fenced   bool
}

// Cluster hands a shard's primary role over from old to target, a replica of it.
// The peers are all other nodes of the cluster, as far as they can be reached: they
// elect, and they have to agree afterwards. Cancelling ctx before the request is
// sent ends it; after that nothing can be called off, and it is seen to its end,
// within the servers' own time limit (cluster-manual-failover-timeout, which takes
// Options.Timeout's place) and SettleTimeout.
func Cluster(ctx context.Context, old, target ClusterServer, peers []ClusterServer, opt Options) (Result, error) {
	start := time.Now()
	h := &clusterRun{
		course: course{from: old, to: target, opt: opt.withDefaults()},
		old:    old, target: target, peers: peers,
	}
	err := h.perform(ctx)
	h.result.Total = time.Since(start)
	return h.result, err
}

func (h *clusterRun) perform(ctx context.Context) error {
	h.result.Outcome = Aborted
	if err := h.gate(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	if err := h.opt.Ready(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	h.opt.At(PointBeforeFailover)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	h.sent = time.Now()
	if err := h.request(ctx); errors.Is(err, valkey.ErrReply) {
		return fmt.Errorf("%w: %w", ErrAborted, err)
	}
	h.opt.At(PointFailoverSent)
	cause := h.await(ctx)
	if cause == nil {
		return h.finish(ctx)
	}
	return h.resolve(ctx, cause)
}

// gate asks the servers whether it may begin, and notes what it has to know later.
func (h *clusterRun) gate(ctx context.Context) error {
	if _, err := h.check(ctx); err != nil {
		return err
	}
	if err := h.readLimit(ctx); err != nil {
		return err
	}
	return h.checkCluster(ctx)
}

// readLimit asks both servers for their time limit: the old primary's ends its
// write pause, the target's ends its attempt.
func (h *clusterRun) readLimit(ctx context.Context) error {
	const name = "cluster-manual-failover-timeout"
	for _, s := range []ClusterServer{h.old, h.target} {
		settings, err := s.ConfigGet(ctx, name)
		if err != nil {
			return err
		}
		ms, err := strconv.ParseInt(settings[name], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %s is %q", s.Addr(), name, settings[name])
		}
		h.limit = max(h.limit, time.Duration(ms)*time.Millisecond)
	}
	return nil
}

// request sends CLUSTER FAILOVER to the target.
func (h *clusterRun) request(ctx context.Context) error {
	h.last = time.Now()
	h.result.Attempts++
	ctx, cancel := context.WithDeadline(ctx, h.fenceAt())
	defer cancel()
	err := h.target.ClusterFailover(ctx)
	h.open = err != nil && !errors.Is(err, valkey.ErrReply)
	return err
}

// await returns nil once the target has said that it is primary, else why it is
// not worth waiting for any longer.
func (h *clusterRun) await(ctx context.Context) error {
	again := min(againAfter, h.limit/2)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), again*attempts+h.limit+h.opt.SettleTimeout)
	defer cancel()
	nudger := newNudger(h)
	for {
		role, err := h.ask(ctx)
		switch {
		case err == nil && role.Role == valkey.RolePrimary:
			h.result.Switch = time.Since(h.sent)
			return nil
		case gone(err):
			return fmt.Errorf("target is gone: %w", err)
		case err == nil && time.Since(h.last) > again && h.result.Attempts < attempts:
			_ = h.request(ctx)
			nudger = newNudger(h)
		case time.Since(h.last) > h.limit+expiryMargin:
			return errors.Join(fmt.Errorf("target has not taken over within %v", h.limit), err)
		case err == nil:
			nudger.nudge(ctx)
		}
		if !sleep(ctx, askEvery) {
			return fmt.Errorf("target has not taken over: %w", context.Cause(ctx))
		}
	}
}

// ask returns the target's role. Once it is time to fence the old primary, a target that
// does not answer soon is taken for a frozen one.
func (h *clusterRun) ask(ctx context.Context) (valkey.RoleState, error) {
	until := h.fenceAt()
	if soon := time.Now().Add(answerTime); soon.After(until) {
		until = soon
	}
	bounded, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	role, err := h.target.Role(bounded)
	if err != nil && time.Now().After(h.fenceAt()) {
		h.fence(ctx)
	}
	return role, err
}

// finish does what follows a promotion. The old primary holds its writers until it
// has heard of it; the traffic is moved meanwhile.
func (h *clusterRun) finish(ctx context.Context) error {
	heard := make(chan time.Duration)
	go func() { heard <- h.spread(ctx) }()
	h.promoted(ctx)
	h.result.Demoted = <-heard
	if err := h.prove(ctx); err != nil {
		return h.conclude(Unproven, h.glance(context.WithoutCancel(ctx)), err)
	}
	return h.conclude(Done, pair{}, nil)
}
