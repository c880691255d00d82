package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// ErrNotDrained: clients kept coming back until the time was up.
var ErrNotDrained = errors.New("clients have not left")

// Drainable is what draining needs of a node; *valkey.Node is one.
type Drainable interface {
	Addr() string
	Clients(ctx context.Context, spare ...string) ([]valkey.ClientInfo, error)
	KillClients(ctx context.Context, spare ...string) (int, error)
}

// DrainOptions say when a node counts as left. Zero values mean the defaults.
type DrainOptions struct {
	// Spare are ACL users whose clients stay, and do not count: the replication user.
	Spare []string
	// Every is the time between two looks; default 50 ms.
	Every time.Duration
	// Quiet is how many looks in a row must find nobody; default 5.
	Quiet int
	// AtLeast is how long it is looked for at least, for clients that come late.
	AtLeast time.Duration
	// While ends it early once it is false: the node serves again. nil for always.
	While func(ctx context.Context) bool
	// Timeout bounds it all; default 5 s.
	Timeout time.Duration
}

// Drained tells how draining went.
type Drained struct {
	// Killed clients in all; one that came back counts again.
	Killed int
	Looks  int
	// Left are the clients that were there at the end.
	Left []valkey.ClientInfo
	Took time.Duration
}

// Drain sends away the clients of a demoted node until none has been seen for
// some looks in a row. A client that still comes back knows the address from
// elsewhere than the traffic that was moved; it is told READONLY here.
func Drain(ctx context.Context, node Drainable, opt DrainOptions) (Drained, error) {
	opt = opt.withDefaults()
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, opt.Timeout)
	defer cancel()
	var result Drained
	for quiet := 0; (quiet < opt.Quiet || time.Since(start) < opt.AtLeast) && opt.While(ctx); {
		killed, err := node.KillClients(ctx, opt.Spare...)
		result.Looks++
		result.Killed += killed
		if quiet++; killed > 0 || err != nil {
			quiet = 0
		}
		if (quiet < opt.Quiet || time.Since(start) < opt.AtLeast) && !sleep(ctx, opt.Every) {
			result.Took = time.Since(start)
			return result, notDrained(ctx, node, opt, &result, err)
		}
	}
	result.Took = time.Since(start)
	return result, nil
}

// notDrained looks a last time, with a context of its own.
func notDrained(ctx context.Context, node Drainable, opt DrainOptions, result *Drained, cause error) error {
	if cause == nil {
		cause = context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	result.Left, _ = node.Clients(ctx, opt.Spare...)
	return fmt.Errorf("%w: %s: %d there at the end: %w", ErrNotDrained, node.Addr(), len(result.Left), cause)
}

func (o DrainOptions) withDefaults() DrainOptions {
	if o.Every <= 0 {
		o.Every = 50 * time.Millisecond
	}
	if o.Quiet <= 0 {
		o.Quiet = 5
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.While == nil {
		o.While = func(context.Context) bool { return true }
	}
	return o
}
