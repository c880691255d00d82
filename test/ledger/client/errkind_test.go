package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestErrorsHaveShortStableNames(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for want, errs := range map[string][]error{
		"":             {nil},
		"readonly":     {Reply("READONLY You can't write against a read only replica."), fmt.Errorf("set: %w", Reply("READONLY You can't write"))},
		"loading":      {Reply("LOADING Valkey is loading the dataset in memory")},
		"masterdown":   {Reply("MASTERDOWN Link with MASTER is down")},
		"wrongpass":    {Reply("WRONGPASS invalid username-password pair"), errors.Join(Reply("WRONGPASS no"), nil, io.EOF)},
		"noauth":       {fmt.Errorf("INFO server: %w", Reply("NOAUTH Authentication required."))},
		"noperm":       {Reply("NOPERM User app has no permissions")},
		"misconf":      {Reply("MISCONF Valkey is configured to save RDB snapshots")},
		"noreplicas":   {Reply("NOREPLICAS Not enough good replicas to write.")},
		"refused":      {refused, &dialError{refused}},
		"unreachable":  {os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
		"dns":          {&dialError{&net.DNSError{Err: "no such host", Name: "valkey"}}},
		"timeout":      {context.DeadlineExceeded, os.ErrDeadlineExceeded, fmt.Errorf("read: %w", os.ErrDeadlineExceeded)},
		"dial-timeout": {&dialError{os.ErrDeadlineExceeded}, &dialError{context.DeadlineExceeded}},
		"connection-closed": {
			io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.NewSyscallError("read", syscall.ECONNRESET),
			os.NewSyscallError("write", syscall.EPIPE), errors.New("valkey client is closing"),
		},
		"no-sentinel:wrongpass":         {fmt.Errorf("set: %w", fmt.Errorf("redis: %s: %w", noSentinel, errors.Join(Reply("WRONGPASS no"), refused)))},
		"no-sentinel:refused":           {fmt.Errorf("redis: %s: %w", noSentinel, errors.Join(refused, refused))},
		"not-primary":                   {errors.New(notPrimary)},
		"other:something quite new":     {errors.New("something quite new")},
		"other:ERR unknown command for": {Reply("ERR unknown command for 10.0.0.1:6379 and a long story")},
	} {
		for _, err := range errs {
			if got := Kind(err); got != want {
				t.Errorf("%v (%T) is %q, want %q", err, err, got, want)
			}
		}
	}
}
