package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// hastenEvery: how often the target is asked to acknowledge, and for its role.
	hastenEvery = time.Millisecond
	// watchEvery: how often the old primary is asked whether it has given up.
	watchEvery = 20 * time.Millisecond
)

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

// hasten makes the target acknowledge, until it is primary or gone.
func (h *run) hasten(ctx context.Context) error {
	for {
		h.result.GetAcks++
		if err := h.target.GetAck(ctx); err != nil {
			h.result.GetAckErr = err
		}
		role, err := h.target.Role(ctx)
		switch {
		case err == nil && role.Role == valkey.RolePrimary:
			return nil
		case errors.Is(err, valkey.ErrRefused):
			return fmt.Errorf("target is gone: %w", err)
		}
		if !sleep(ctx, hastenEvery) {
			return fmt.Errorf("target has not taken over: %w", context.Cause(ctx))
		}
	}
}

// watchOld returns an error once the old primary has given up by itself, and nil
// if there is nothing more to see.
func (h *run) watchOld(ctx context.Context) error {
	for sleep(ctx, watchEvery) {
		info, err := h.old.Info(ctx)
		switch {
		case errors.Is(err, valkey.ErrRefused):
			return fmt.Errorf("old primary is gone: %w", err)
		case err == nil && info.Role == valkey.RolePrimary && info.Failover == valkey.FailoverNone:
			return errors.New("the old primary has given up: the target did not catch up in time, or refused")
		case err == nil && h.demotedTooLong(info):
			return errors.New("the target does not let the old primary in")
		}
	}
	return nil
}
