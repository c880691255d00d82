// Package cache keeps what is costly to make under the user's cache folder,
// each thing in a folder named by what it was made from. A folder that is
// there is complete: it is made beside its place and renamed into it.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Store is the test bed's part of the user's cache folder.
type Store struct{ Dir string }

// Open finds the store, making its folder.
func Open() (Store, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return Store{}, fmt.Errorf("the cache folder (set HOME or XDG_CACHE_HOME): %w", err)
	}
	store := Store{Dir: filepath.Join(user, "valkeeper", "testbed")}
	if err := os.MkdirAll(store.Dir, 0o755); err != nil {
		return Store{}, fmt.Errorf("the cache folder: %w", err)
	}
	return store, nil
}

// Key is a name that changes when any of its parts does.
func Key(name string, parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return name + "-" + hex.EncodeToString(sum.Sum(nil))[:12]
}

// Path is the folder of a key, whether it is there or not.
func (s Store) Path(key string) string { return filepath.Join(s.Dir, key) }

// Has tells whether a key has been made.
func (s Store) Has(key string) bool {
	_, err := os.Stat(s.Path(key))
	return err == nil
}

// Ensure returns the folder of a key, making it when it is not there. Two that
// want the same thing at once make it once.
func (s Store) Ensure(ctx context.Context, key string, make func(ctx context.Context, dir string) error) (string, error) {
	if s.Has(key) {
		return s.Path(key), nil
	}
	unlock, err := Lock(ctx, filepath.Join(s.Dir, key+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if s.Has(key) {
		return s.Path(key), nil
	}
	half := s.Path(key) + ".half"
	// What a crash left, ours alone while we hold the lock.
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	if err := os.Mkdir(half, 0o755); err != nil {
		return "", err
	}
	if err := make(ctx, half); err != nil {
		_ = os.RemoveAll(half)
		return "", err
	}
	if err := os.Rename(half, s.Path(key)); err != nil {
		return "", err
	}
	return s.Path(key), nil
}

// Lock takes a lock that ends with the process, waiting for whoever holds it.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	told := false
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			fmt.Fprintf(os.Stderr, "testbed: another command is at work (it holds %s); waiting for it\n", path)
			told = true
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("waiting for lock %s: %w", path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Link puts a file at a second place: a hard link where that works, so that
// 150 MB under six names cost 150 MB, else a copy.
func Link(source, target string) error {
	if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
		return err
	}
	if os.Link(source, target) == nil {
		return nil
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}
