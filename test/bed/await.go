package bed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrTimeout is wrapped by the error for what did not come in time.
var ErrTimeout = errors.New("timed out")

// often is the time between two looks.
const often = 200 * time.Millisecond

// look says whether what is waited for is there, and if not, what is in its
// place. Its error is taken for a passing one, and is told if nothing better
// came.
type look func(context.Context) (done bool, seen string, err error)

// Await looks until what is waited for is there.
func Await(ctx context.Context, limit time.Duration, look look) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := "nothing"
	for {
		done, seen, err := look(ctx)
		switch {
		case done && err == nil:
			return nil
		case ctx.Err() != nil, err != nil && strings.Contains(err.Error(), "context deadline"):
			// That tells nothing of what is waited for.
		case err != nil:
			last = err.Error()
		default:
			last = seen
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w after %s; last seen: %s", ErrTimeout, limit, last)
		case <-time.After(often):
		}
	}
}

// Throughout looks for a time, and fails as soon as something is not so.
func Throughout(ctx context.Context, span time.Duration, look look) error {
	end := time.Now().Add(span)
	for time.Now().Before(end) {
		so, seen, err := look(ctx)
		if err != nil {
			return err
		}
		if !so {
			return errors.New(seen)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(often):
		}
	}
	return nil
}
