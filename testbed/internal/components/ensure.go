package components

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/valkeeper/valkeeper/testbed/internal/cache"
)

// Ensure builds what is missing and returns a folder that holds all programs.
// The folder's name is the key of the whole set.
func Ensure(ctx context.Context, store cache.Store, set []Component, progress io.Writer) (string, error) {
	keys := make([]string, 0, len(set))
	missing := 0
	for _, component := range set {
		key, err := component.key()
		if err != nil {
			return "", err
		}
		keys = append(keys, key)
		if !store.Has(key) {
			missing++
		}
	}
	all := cache.Key("bin", keys...)
	if missing == 0 && store.Has(all) {
		return store.Path(all), nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", fmt.Errorf("the programs of the test bed are built with Go, and no `go` is on the PATH: install Go 1.26 or newer: %w", err)
	}
	n := 0
	for i, component := range set {
		if store.Has(keys[i]) {
			continue
		}
		n++
		title := fmt.Sprintf("[%d/%d] building %s (takes about %s, once)", n, missing, component.Name, component.Takes)
		done := report(progress, title)
		_, err := store.Ensure(ctx, keys[i], component.build)
		done(err)
		if err != nil {
			return "", err
		}
	}
	return store.Ensure(ctx, all, func(_ context.Context, dir string) error {
		return gather(store, set, keys, dir)
	})
}

// gather puts all programs into one folder, which a node mounts as a whole.
func gather(store cache.Store, set []Component, keys []string, dir string) error {
	for i, component := range set {
		for _, program := range component.Programs {
			if err := cache.Link(filepath.Join(store.Path(keys[i]), program), filepath.Join(dir, program)); err != nil {
				return fmt.Errorf("gathering %s: %w", program, err)
			}
		}
	}
	return os.Chmod(dir, 0o755)
}

// report says what has begun, that it still goes on, and how long it took.
func report(out io.Writer, title string) (done func(error)) {
	began := time.Now()
	elapsed := func() time.Duration { return time.Since(began).Round(time.Second) }
	fmt.Fprintln(out, title)
	stop := make(chan struct{})
	go func() {
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				fmt.Fprintf(out, "      still at it after %s\n", elapsed())
			}
		}
	}()
	return func(err error) {
		close(stop)
		if err == nil {
			fmt.Fprintf(out, "      done in %s\n", elapsed())
		}
	}
}
