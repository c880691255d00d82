package handover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// agreeEvery: how often the Sentinels are asked whom they name.
	agreeEvery = 5 * time.Millisecond
	// helloPatience is how long a Sentinel may take to name whom a hello told it of,
	// before public commands take its place. It does so at once, if at all.
	helloPatience = 200 * time.Millisecond
	// leaderPatience is the same where a Sentinel finds out by itself: it asks once a
	// second, and tells the others.
	leaderPatience = 3 * time.Second
)

// hellos tells every Sentinel of the new primary in the name of another one that it
// knows, so that it tells clients at once.
func (h *sentinelRun) hellos(ctx context.Context) {
	if h.res.Way == WayDirect {
		h.res.Epoch = nextEpoch(h.views)
	}
	if h.sopt.NoHello || h.res.Epoch == 0 {
		return
	}
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, v := range h.views {
		hello, ok := h.hello(v)
		if !ok {
			continue
		}
		asked.Go(func() {
			err := v.server.SentinelHello(ctx, hello)
			mu.Lock()
			defer mu.Unlock()
			h.res.Told = append(h.res.Told, v.server.Addr())
			if err != nil {
				h.res.TellErr = err
			}
		})
	}
	asked.Wait()
	slices.Sort(h.res.Told)
}

// hello is the message for one Sentinel, if it is of a kind that believes it and
// knows another one that it could come from.
func (h *sentinelRun) hello(v sentinelView) (valkey.Hello, bool) {
	if !hears(v.info.Version) {
		return valkey.Hello{}, false
	}
	for _, peer := range v.peers {
		if peer.Flags.Down {
			continue
		}
		return valkey.Hello{
			SentinelHost: peer.Host, SentinelPort: peer.Port, SentinelID: peer.ID,
			Epoch: h.res.Epoch, Name: h.sopt.Name,
			PrimaryHost: h.res.TargetHost, PrimaryPort: h.res.TargetPort,
		}, true
	}
	return valkey.Hello{}, false
}

// nextEpoch is higher than any that a Sentinel has been seen to use.
func nextEpoch(views []sentinelView) int64 {
	var highest int64
	for _, v := range views {
		highest = max(highest, v.primary.ConfigEpoch)
		for _, peer := range v.peers {
			highest = max(highest, peer.VotedEpoch)
		}
	}
	return highest + 1
}

// agree waits until all Sentinels name the new primary, and makes those anew that do
// not by themselves. Enough is a majority that is a quorum, too.
func (h *sentinelRun) agree(ctx context.Context) error {
	ctx, cancel := h.settle(ctx)
	defer cancel()
	patience := time.Now().Add(h.patience())
	var last error
	for {
		missing, err := h.notNaming(ctx)
		if ctx.Err() != nil {
			return h.notAgreed(last) // the last look was cut short
		}
		last = err
		h.res.Agreeing = len(h.views) - len(missing)
		switch {
		case len(missing) == 0:
			return h.agreed()
		case allGone(missing):
			return h.notAgreed(last)
		case time.Now().After(patience):
			patience = time.Now().Add(helloPatience)
			h.remake(ctx, missing)
		}
		_ = sleep(ctx, agreeEvery)
	}
}

// agreed notes when.
func (h *sentinelRun) agreed() error {
	h.res.Agreed = time.Since(h.promotedAt)
	h.opt.At(PointAgreed)
	return nil
}

// patience is how long Sentinels are left to find out, before any is made anew.
func (h *sentinelRun) patience() time.Duration {
	switch {
	case h.res.Way == WayCoordinated && len(h.res.Told) < len(h.views):
		return leaderPatience
	case len(h.res.Told) == 0:
		return 0 // nobody has told them anything
	}
	return helloPatience
}

// notAgreed: the time is over, or those have ended that do not name the new primary.
func (h *sentinelRun) notAgreed(last error) error {
	need := len(h.views)/2 + 1
	for _, v := range h.views {
		need = max(need, v.primary.Quorum)
	}
	if h.res.Agreeing >= need {
		return h.agreed()
	}
	h.result.Outcome = Unproven
	return fmt.Errorf("%w: %w: %d of %d: %w", ErrUnproven, ErrDisagree, h.res.Agreeing, len(h.views), last)
}

// notNaming are the Sentinels that do not tell clients of the new primary.
func (h *sentinelRun) notNaming(ctx context.Context) (missing []silent, last error) {
	ctx, cancel := context.WithTimeout(ctx, glanceTimeout)
	defer cancel()
	errs := make([]error, len(h.views))
	var asked sync.WaitGroup
	for i, v := range h.views {
		asked.Go(func() {
			host, port, err := v.server.SentinelAddress(ctx, h.sopt.Name)
			if err == nil && (host != h.res.TargetHost || port != h.res.TargetPort) {
				err = fmt.Errorf("sentinel %s names %s:%d", v.server.Addr(), host, port)
			}
			errs[i] = err
		})
	}
	asked.Wait()
	for i, v := range h.views {
		if errs[i] != nil {
			missing, last = append(missing, silent{v, errs[i]}), errs[i]
		}
	}
	return missing, last
}

// silent is a Sentinel that does not name the new primary, and why.
type silent struct {
	sentinelView
	why error
}

func allGone(missing []silent) bool {
	return !slices.ContainsFunc(missing, func(s silent) bool { return !gone(s.why) })
}

// remake has Sentinels monitor the new primary anew, by public commands, one after
// the other. One that has a failover of its own under way is left to it.
func (h *sentinelRun) remake(ctx context.Context, missing []silent) {
	for _, v := range missing {
		primary, err := v.server.SentinelPrimary(ctx, h.sopt.Name)
		switch {
		case err == nil && primary.Flags.FailoverInProgress:
			continue
		case err != nil && !errors.Is(err, valkey.ErrNoSuchPrimary):
			h.res.TellErr = err
			continue
		}
		if err := h.remakeOne(ctx, v.sentinelView); err != nil {
			h.res.TellErr = err
			continue
		}
		if !slices.Contains(h.res.Remade, v.server.Addr()) {
			h.res.Remade = append(h.res.Remade, v.server.Addr())
		}
	}
}

// remakeOne goes through with it once the monitor is removed, whatever the context
// says: a Sentinel without one is one less to agree.
func (h *sentinelRun) remakeOne(ctx context.Context, v sentinelView) error {
	if err := v.server.SentinelRemove(ctx, h.sopt.Name); err != nil && !errors.Is(err, valkey.ErrNoSuchPrimary) {
		return err
	}
	ctx, cancel := h.settle(ctx)
	defer cancel()
	// The right quorum comes last: whoever dies in between leaves one that shows it.
	err := v.server.SentinelMonitor(ctx, h.sopt.Name, h.res.TargetHost, h.res.TargetPort, v.primary.Quorum+1)
	if err != nil && !errors.Is(err, valkey.ErrPrimaryExists) {
		return err
	}
	settings := append(slices.Clone(h.sopt.Settings),
		valkey.Setting{Name: "down-after-milliseconds", Value: strconv.FormatInt(v.primary.DownAfter.Milliseconds(), 10)},
		valkey.Setting{Name: "failover-timeout", Value: strconv.FormatInt(v.primary.FailoverTimeout.Milliseconds(), 10)},
		valkey.Setting{Name: "parallel-syncs", Value: strconv.Itoa(v.primary.ParallelSyncs)},
		valkey.Setting{Name: "quorum", Value: strconv.Itoa(v.primary.Quorum)})
	return v.server.SentinelSet(ctx, h.sopt.Name, settings...)
}
