package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhatTwoWantAtOnceIsMadeOnce(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	var made atomic.Int32
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			_, err := store.Ensure(t.Context(), "key", func(_ context.Context, dir string) error {
				made.Add(1)
				time.Sleep(50 * time.Millisecond)
				return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if made.Load() != 1 {
		t.Fatalf("made %d times", made.Load())
	}
}

func TestWhatFailedIsNotThereAndCanBeMadeAgain(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	boom := errors.New("boom")
	if _, err := store.Ensure(t.Context(), "key", func(context.Context, string) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("error %v", err)
	}
	if store.Has("key") {
		t.Fatal("a failure is in the cache")
	}
	if _, err := store.Ensure(t.Context(), "key", func(context.Context, string) error { return nil }); err != nil || !store.Has("key") {
		t.Fatalf("the second try: %v", err)
	}
}

func TestAKeyDependsOnEachPartAndOnWhereItEnds(t *testing.T) {
	keys := map[string]bool{}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}} {
		keys[Key("name", parts...)] = true
	}
	if len(keys) != 4 {
		t.Fatalf("some of them are the same: %v", keys)
	}
}
