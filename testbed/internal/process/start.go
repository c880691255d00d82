package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Spec says what to start.
type Spec struct {
	Name string
	// Enter is put before Args: a command that enters namespaces or cgroups
	// and then becomes the program, so that the process id stays the same.
	Enter []string
	Args  []string
	Env   []string
	// Log receives standard output and standard error, after what is there.
	Log string
	// Files are inherited as descriptors 3 and up.
	Files []*os.File
}

// Start starts a process in a session of its own, so that neither this
// command's end nor a Ctrl-C at its terminal reaches it, and records it.
func (b Book) Start(spec Spec) (Record, error) {
	log, err := openLog(spec.Log)
	if err != nil {
		return Record{}, fmt.Errorf("log of %s: %w", spec.Name, err)
	}
	defer log.Close()
	args := append(append([]string{}, spec.Enter...), spec.Args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = spec.Files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Record{}, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	// Reaps the process should it end while we are still here.
	go func() { _ = cmd.Wait() }()
	record, err := newRecord(spec, cmd.Process.Pid)
	if err != nil {
		return Record{}, fmt.Errorf("%s ended at once; its last words in %s: %s", spec.Name, spec.Log, Tail(spec.Log, 5))
	}
	if err := b.write(record); err != nil {
		_ = cmd.Process.Kill()
		return Record{}, fmt.Errorf("recording %s: %w", spec.Name, err)
	}
	return record, nil
}

func newRecord(spec Spec, pid int) (Record, error) {
	boot, err := BootID()
	if err != nil {
		return Record{}, err
	}
	_, ticks, err := stat(pid)
	if err != nil {
		return Record{}, err
	}
	return Record{Name: spec.Name, PID: pid, StartTicks: ticks, Boot: boot, Args: spec.Args, Log: spec.Log}, nil
}

func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// Stop asks a recorded process to end, ends it when it has not within the
// grace, waits until it is gone, and forgets it. A process that is gone
// already, or whose id now belongs to another, is only forgotten.
func (b Book) Stop(ctx context.Context, name string, grace time.Duration) error {
	record, found, err := b.Find(name)
	if err != nil || !found {
		return err
	}
	if record.Alive() {
		_ = syscall.Kill(record.PID, syscall.SIGTERM)
		if !awaitEnd(ctx, record, grace) {
			_ = syscall.Kill(record.PID, syscall.SIGKILL)
			if !awaitEnd(ctx, record, 10*time.Second) {
				return fmt.Errorf("%s (process %d) does not end, not even when killed: %w", name, record.PID, errors.Join(ctx.Err(), ErrWillNotEnd))
			}
		}
	}
	return b.Forget(name)
}

// ErrWillNotEnd says that a process is still there after SIGKILL.
var ErrWillNotEnd = errors.New("process stuck in the kernel")

func awaitEnd(ctx context.Context, record Record, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for record.Alive() {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// Tail returns the last lines of a log, for an error message.
func Tail(path string, lines int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(cannot read it: %v)", err)
	}
	all := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
