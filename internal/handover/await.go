package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// askEvery: how often the target is asked for its role and offset.
	askEvery = 300 * time.Microsecond
	// hastenEvery: how often the target is asked to acknowledge.
	hastenEvery = 2 * time.Millisecond
	// watchEvery: how often the old primary is asked whether it has given up.
	watchEvery = 20 * time.Millisecond
)

// bursts are how many acknowledgements the target is asked for at once, the
// first time, the second, and so on.
//
// One would do, were there not Nagle's algorithm on a replica's link to its
// primary: the server asks for TCP_NODELAY there only if the connection stands
// at once, which it never does (valkey 9.1 src/anet.c anetTcpGenericConnect,
// EINPROGRESS). So an acknowledgement waits while an earlier one is under way,
// and a primary that is paused confirms it only 40 ms later (delayed ACK), having
// nothing to send that way itself. A full segment does not wait: 64
// acknowledgements fill one of 1,460 bytes, 256 one of 8,960, 2,048 one of 64 KiB
// (loopback).
var bursts = []int{1, 64, 256, 2048}

// await returns nil once the target has said that it is primary, else why it is
// no longer worth waiting for.
func (h *run) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.opt.Timeout+h.opt.SettleTimeout)
	outcome := make(chan error, 2)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := h.watchOld(ctx); err != nil {
			outcome <- err
		}
	}()
	hastened := make(chan struct{})
	go func() {
		defer close(hastened)
		outcome <- h.hasten(ctx)
	}()
	err := <-outcome
	cancel()
	<-watched
	<-hastened
	return err
}

// hasten asks the target for its role until it is primary or gone, and makes it
// acknowledge as soon as it has everything: an acknowledgement of less would only
// stand in the way of that one.
func (h *run) hasten(ctx context.Context) error {
	final := h.finalOffset(ctx)
	var last time.Time
	for {
		role, err := h.target.Role(ctx)
		switch {
		case err == nil && role.Role == valkey.RolePrimary:
			return h.oldGaveUp(ctx)
		case gone(err):
			return fmt.Errorf("target is gone: %w", err)
		case err == nil && role.Offset >= final && time.Since(last) > hastenEvery:
			h.askForAck(ctx)
			last = time.Now()
		}
		if !sleep(ctx, askEvery) {
			return fmt.Errorf("target has not taken over: %w", context.Cause(ctx))
		}
	}
}

// oldGaveUp returns an error when the old primary says that it is primary still:
// then it was somebody else who promoted the target, and traffic must not move
// to a second primary. An old primary that does not answer any more proves
// nothing against the target: a FAILOVER promotes it only after the demotion.
func (h *run) oldGaveUp(ctx context.Context) error {
	role, err := h.old.Role(ctx)
	if err == nil && role.Role == valkey.RolePrimary {
		return errors.New("the target was promoted by somebody else: the old primary has not given up its role")
	}
	return nil
}

// finalOffset is where the old primary's stream ends, now that writes are held
// back; 0 if it does not say: then the target is asked without regard to it.
func (h *run) finalOffset(ctx context.Context) int64 {
	role, err := h.old.Role(ctx)
	if err != nil || role.Role != valkey.RolePrimary {
		return 0
	}
	return role.Offset
}

func (h *run) askForAck(ctx context.Context) {
	burst := bursts[min(h.result.GetAcks, len(bursts)-1)]
	h.result.GetAcks++
	if err := h.target.GetAck(ctx, burst); err != nil {
		h.result.GetAckErr = err
	}
}

// watchOld returns an error once the old primary has given up by itself, and nil
// if there is nothing more to see.
func (h *run) watchOld(ctx context.Context) error {
	for sleep(ctx, watchEvery) {
		info, err := h.old.Info(ctx)
		switch {
		case gone(err):
			return fmt.Errorf("old primary is gone: %w", err)
		case err == nil && info.Role == valkey.RolePrimary && info.Failover == valkey.FailoverNone:
			return errors.New("the old primary has given up: the target did not catch up in time, or refused")
		case err == nil && h.demotedTooLong(info):
			return errors.New("the target does not let the old primary in")
		}
	}
	return nil
}
