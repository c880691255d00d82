package valkey

import (
	"bufio"
	"context"
	"io"
	"net"
	"time"
)

// keepAlive lets the kernel find out within ten seconds that the other end of an
// idle connection is not reached any more.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 5}

// Vigil holds an idle connection to the server at addr and returns when it has
// ended. stood is false when it never stood; then err is why. A server whose
// process ends closes it at once; one that stands still does not.
func (d Dialer) Vigil(ctx context.Context, addr string) (stood bool, err error) {
	n := &Node{addr: addr, dialer: d.withDefaults()}
	conn, reader, err := n.openAckConn(ctx)
	if err != nil {
		return false, wrap(addr, "dial", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err = untilEnd(reader); ctx.Err() != nil {
		err = ctx.Err()
	}
	return true, wrap(addr, "wait", err)
}

// untilEnd reads what nobody expects.
func untilEnd(reader *bufio.Reader) error {
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return err
	}
	return io.EOF
}
