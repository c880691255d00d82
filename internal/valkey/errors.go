package valkey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	client "github.com/valkey-io/valkey-go"
)

// What a failed command means. Use [errors.Is]; one error may be several of them.
var (
	// ErrRefused: the host answered that nothing listens on the port. The process is gone.
	ErrRefused = errors.New("connection refused")
	// ErrTimeout: no answer in time. The command may have been carried out.
	ErrTimeout = errors.New("no answer in time")
	// ErrClosed: the connection broke. The command may have been carried out.
	ErrClosed = errors.New("connection closed")
	// ErrReply: the server is there and answered with an error. It did not carry the command out.
	ErrReply = errors.New("server replied with an error")
	// ErrAuth: the server does not know us, or does not allow us this command
	// (WRONGPASS, NOAUTH, NOPERM).
	ErrAuth = errors.New("not authenticated or not permitted")
	// ErrLoading: the server is still reading its data set from disk.
	ErrLoading = errors.New("server is loading its data set")
	// ErrBusy: the server is running a script or function and takes no other command.
	ErrBusy = errors.New("server is busy running a script")
	// ErrFailoverInProgress: a FAILOVER is under way already.
	ErrFailoverInProgress = errors.New("a failover is in progress")
	// ErrNoFailover: there is no FAILOVER to abort.
	ErrNoFailover = errors.New("no failover is in progress")
	// ErrNotAReplica: the target of a FAILOVER is not (any more) an online replica of this server.
	ErrNotAReplica = errors.New("target is not an online replica of this server")
	// ErrIsReplica: the command needs a primary, and this server is a replica.
	ErrIsReplica = errors.New("server is a replica")
	// ErrIsPrimary: the command needs a replica, and this server is a primary.
	ErrIsPrimary = errors.New("server is a primary")
	// ErrUnsupported: the server's version does not have the command.
	ErrUnsupported = errors.New("command is not known to this version")
	// ErrMalformed: the server answered something that we cannot read.
	ErrMalformed = errors.New("malformed answer")
)

// replyKinds tells error replies apart by their texts: Valkey gives only some of
// them a code of their own (valkey 9.1 src/replication.c failoverCommand,
// replicaofCommand; src/server.c createSharedObjects).
var replyKinds = append([]replyKind{
	{"WRONGPASS", ErrAuth},
	{"NOAUTH", ErrAuth},
	{"NOPERM", ErrAuth},
	{"without any password configured", ErrAuth},
	{"LOADING", ErrLoading},
	{"BUSY ", ErrBusy},
	{"FAILOVER already in progress", ErrFailoverInProgress},
	{"not allowed while failing over", ErrFailoverInProgress},
	{"No failover in progress", ErrNoFailover},
	{"FAILOVER target HOST and PORT is not a replica", ErrNotAReplica},
	{"FAILOVER target replica is not online", ErrNotAReplica},
	{"FAILOVER requires connected replicas", ErrNotAReplica},
	{"FAILOVER is not valid when server is a replica", ErrIsReplica},
	{"READONLY", ErrIsReplica},
}, slices.Concat(clusterReplyKinds, sentinelReplyKinds)...)

type replyKind struct {
	contains string
	kind     error
}

// Answered says whether err, or its absence, shows that a server process is
// there and talks to us.
func Answered(err error) bool { return err == nil || errors.Is(err, ErrReply) }

// wrap names address and command, and adds the sentinels that apply.
func wrap(addr, command string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("valkey %s: %s: %w", addr, command, classify(err))
}

func classify(err error) error {
	if reply, ok := client.IsValkeyErr(err); ok {
		return classifyReply(reply.Error())
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, client.ErrClosing):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

func classifyReply(text string) error {
	for _, k := range replyKinds {
		if strings.Contains(text, k.contains) {
			return fmt.Errorf("%w: %w: %s", ErrReply, k.kind, text)
		}
	}
	return fmt.Errorf("%w: %s", ErrReply, text)
}
