package handover

import (
	"context"
	"errors"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// ErrGone: the server's process is known to have ended, by other means than its
// own address: its pod is gone. (A refused connection says the same.)
var ErrGone = errors.New("server is gone")

// Absent stands for a server that cannot be dialled, so that Recover can be told
// of a target of which only this is known. Whoever passes ErrGone knows that the
// process has ended; any other error leaves open what it may still do.
func Absent(addr string, err error) Server { return absent{addr, err} }

type absent struct {
	addr string
	err  error
}

func (a absent) Addr() string                                 { return a.addr }
func (a absent) Info(context.Context) (valkey.Info, error)    { return valkey.Info{}, a.err }
func (a absent) FailoverAbort(context.Context) error          { return a.err }
func (a absent) ReplicaOf(context.Context, string, int) error { return a.err }
func (a absent) ReplicaOfNoOne(context.Context) error         { return a.err }
func (a absent) GetAck(context.Context, int) error            { return a.err }
func (a absent) Unpause(context.Context) error                { return a.err }

func (a absent) Role(context.Context) (valkey.RoleState, error) { return valkey.RoleState{}, a.err }
func (a absent) PauseWrites(context.Context, time.Duration) error {
	return a.err
}
func (a absent) Failover(context.Context, string, int, time.Duration) error {
	return a.err
}

// gone says whether an error shows that the process has ended.
func gone(err error) bool { return errors.Is(err, valkey.ErrRefused) || errors.Is(err, ErrGone) }
