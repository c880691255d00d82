package valkey

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"time"
)

const (
	// vigilRest is the time between an answer and the next question of a vigil.
	vigilRest = time.Second
	// vigilPatience is how long an answer is waited for.
	vigilPatience = time.Second
)

// vigilQuestion changes nothing, is answered with one line also by a server that loads
// its data, and the operator's user may send it: PING he may not.
var vigilQuestion = []string{"CLIENT", "SETNAME", ClientName}

// keepAlive lets the kernel find out within ten seconds that the other end of an
// idle connection is not reached any more.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 5}

// Vigil holds a connection to the server at addr and returns when it has ended, or
// when a question has not been answered within a second, which is asked once a second:
// a server whose process ends closes the connection at once, and one that stands still,
// or is cut off, does not. Any answer will do, also an error. stood is false when the
// connection never stood; then err is why.
func (d Dialer) Vigil(ctx context.Context, addr string) (stood bool, err error) {
	n := &Node{addr: addr, dialer: d.withDefaults()}
	conn, reader, err := n.openAckConn(ctx)
	if err != nil {
		return false, wrap(addr, "dial", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err = watch(conn, reader); ctx.Err() != nil {
		err = ctx.Err()
	}
	return true, wrap(addr, "wait", err)
}

// watch asks until there is no answer.
func watch(conn net.Conn, reader *bufio.Reader) error {
	for {
		if err := rest(conn, reader); err != nil {
			return err
		}
		if err := conn.SetDeadline(time.Now().Add(vigilPatience)); err != nil {
			return err
		}
		if err := exchange(conn, reader, vigilQuestion); !Answered(err) {
			return err
		}
	}
}

// rest reads for a while what nobody expects: the end of the connection is noticed at
// once.
func rest(conn net.Conn, reader *bufio.Reader) error {
	if err := conn.SetDeadline(time.Now().Add(vigilRest)); err != nil {
		return err
	}
	for {
		_, err := reader.ReadString('\n')
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
	}
}
