package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// beginEvery: how often the old primary is asked whether it has been told to hand
	// over. Writes wait from then on.
	beginEvery = time.Millisecond
	// askAgain: how often the asked Sentinel is looked at, for what its events do not
	// tell. An election takes a quarter of a second.
	askAgain = time.Second
	// electionLimit is how long a Sentinel goes on with an election at most (valkey 9.1
	// src/sentinel.c sentinel_election_timeout); its failover-timeout if that is less.
	electionLimit = 10 * time.Second
)

var coordinatedEvents = []string{
	valkey.EventNewEpoch, valkey.EventSelected,
	valkey.EventAbortElection, valkey.EventAbortNoReplica, valkey.EventAbortReplica, valkey.EventAbortPrimary,
}

// coordinated asks one Sentinel to hand over, and hastens what follows.
func (h *sentinelRun) coordinated(ctx context.Context) error {
	events, stop, err := h.asked.server.SentinelEvents(ctx, coordinatedEvents...)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	defer stop()
	if err := h.opt.Ready(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	h.opt.At(PointBeforeFailover)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	err = h.asked.server.SentinelFailoverCoordinated(ctx, h.sopt.Name)
	if errors.Is(err, valkey.ErrReply) {
		// Busy: somebody else's failover. Nothing of ours has begun.
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	// Any other error leaves open whether it has begun.
	h.opt.At(PointFailoverSent)
	defer h.letGo(ctx)
	cause := h.awaitBegin(ctx, events)
	begun := time.Now()
	if cause == nil {
		cause = h.awaitTarget(ctx)
	}
	if cause == nil {
		h.result.Switch = time.Since(begun)
		h.promoted(ctx)
		cause = h.prove(ctx)
	}
	if cause == nil {
		h.result.Outcome = Done
		h.opt.At(PointProved)
		return nil
	}
	return h.resolveCoordinated(ctx, cause)
}

// awaitBegin returns nil once the old primary hands over, or has done so. Nobody
// waits for it: writes go on.
func (h *sentinelRun) awaitBegin(ctx context.Context, events <-chan valkey.SentinelEvent) error {
	ctx, cancel := context.WithTimeout(ctx, min(h.asked.primary.FailoverTimeout, electionLimit)+h.opt.SettleTimeout)
	defer cancel()
	again := time.Now().Add(askAgain)
	for {
		if err := h.readEvents(ctx, events); err != nil {
			return err
		}
		old, err := h.old.Info(ctx)
		switch {
		case gone(err):
			return fmt.Errorf("old primary is gone: %w", err)
		case err == nil && begun(old):
			return h.choosePromoted(ctx)
		case err == nil && paused(old):
			// Both come in one transaction.
			return errors.New("the old primary has refused to hand over to whom the sentinel named")
		}
		if time.Now().After(again) {
			again = time.Now().Add(askAgain)
			if err := h.givenUp(ctx); err != nil {
				return err
			}
		}
		if !sleep(ctx, beginEvery) {
			return fmt.Errorf("the sentinel has not told the old primary to hand over: %w", context.Cause(ctx))
		}
	}
}

// begun: the old primary has been told to hand over.
func begun(old valkey.Info) bool {
	return old.Failover != valkey.FailoverNone || old.Role == valkey.RoleReplica
}

// givenUp says why nothing more is to be expected of the asked Sentinel, if so.
func (h *sentinelRun) givenUp(ctx context.Context) error {
	primary, err := h.asked.server.SentinelPrimary(ctx, h.sopt.Name)
	switch {
	case gone(err):
		return fmt.Errorf("the asked sentinel is gone: %w", err)
	case err != nil || primary.Flags.FailoverInProgress:
		return h.choosePromoted(ctx)
	}
	// It may just as well be through with it.
	if old, err := h.old.Info(ctx); err == nil && !begun(old) {
		return errors.New("the sentinel has given up")
	}
	return nil
}

// readEvents takes in what the asked Sentinel has told so far.
func (h *sentinelRun) readEvents(ctx context.Context, events <-chan valkey.SentinelEvent) error {
	for {
		select {
		case e, open := <-events:
			if !open {
				return nil
			}
			h.res.Epoch = max(h.res.Epoch, e.Epoch())
			host, port, name, about := e.Replica()
			switch {
			case e.Kind == valkey.EventSelected && about && name == h.sopt.Name:
				if err := h.choose(ctx, host, port); err != nil {
					return err
				}
			case e.Kind != valkey.EventNewEpoch && e.Kind != valkey.EventSelected:
				return fmt.Errorf("the sentinel has given up: %s %s", e.Kind, e.Text)
			}
		default:
			return nil
		}
	}
}

// choosePromoted reads from the asked Sentinel whom it has chosen, if no event has
// told so.
func (h *sentinelRun) choosePromoted(ctx context.Context) error {
	if h.chosen {
		return nil
	}
	// If it does not answer, the target it is, or the proof fails.
	replicas, _ := h.asked.server.SentinelReplicas(ctx, h.sopt.Name)
	for _, r := range replicas {
		if r.Flags.Promoted {
			return h.choose(ctx, r.Host, r.Port)
		}
	}
	return nil
}

// choose makes the replica that the Sentinel has chosen the target.
func (h *sentinelRun) choose(ctx context.Context, host string, port int) error {
	c, ok := h.candidate(host, port)
	if !ok {
		return fmt.Errorf("the sentinel has chosen %s:%d, which is neither the target nor a candidate", host, port)
	}
	h.chosen = true
	if host == h.res.TargetHost && port == h.res.TargetPort {
		return nil
	}
	info, err := c.Info(ctx)
	if err != nil {
		return fmt.Errorf("the replica that the sentinel has chosen: %w", err)
	}
	h.target, h.to = c.Server, c.Server
	h.before.target = info
	h.result.TargetRunID = info.RunID
	h.opt.TargetHost, h.opt.TargetPort = host, port
	h.res.TargetHost, h.res.TargetPort = host, port
	return nil
}

// awaitTarget hastens the target, for as long as writes may wait: the Sentinel's own
// limit is its failover-timeout.
func (h *sentinelRun) awaitTarget(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.opt.Timeout)
	defer cancel()
	return h.await(ctx)
}

// resolveCoordinated brings what went wrong to a proven end. What the Sentinel has
// not sent yet it might still send: until it has, or has given up, nothing is over.
func (h *sentinelRun) resolveCoordinated(ctx context.Context, cause error) error {
	settle, cancel := h.settle(ctx)
	defer cancel()
	for !h.sentinelIsOver(settle) {
		if !sleep(settle, resolveEvery) {
			return h.conclude(Unproven, h.glance(context.WithoutCancel(ctx)), fmt.Errorf("the sentinel may go on with it: %w", cause))
		}
	}
	return h.resolve(ctx, cause)
}

// sentinelIsOver: the asked Sentinel will not tell the primary to hand over, or has
// done so already.
func (h *sentinelRun) sentinelIsOver(ctx context.Context) bool {
	glance, cancel := context.WithTimeout(ctx, glanceTimeout)
	defer cancel()
	primary, err := h.asked.server.SentinelPrimary(glance, h.sopt.Name)
	if err == nil {
		return !primary.Flags.FailoverInProgress || primary.FailoverState == valkey.SentinelWaitPromotion ||
			primary.FailoverState == valkey.SentinelReconfigure || primary.FailoverState == valkey.SentinelUpdateConfig
	}
	old, oldErr := h.old.Info(glance)
	return gone(err) || oldErr == nil && (old.Failover != valkey.FailoverNone || old.Role != valkey.RolePrimary)
}

// letGo lifts the pause that a Sentinel leaves on the old primary, on every way out.
func (h *sentinelRun) letGo(ctx context.Context) {
	ctx, cancel := h.settle(ctx)
	defer cancel()
	h.unpause(ctx)
}
