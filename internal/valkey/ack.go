package valkey

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// getAck is REPLCONF GETACK * on the wire.
const getAck = "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"

// GetAck asks a replica to tell its primary now, and not at the next full
// second, how far it has come: as often as times says, in one write. The server
// sends no reply, whatever its role (valkey 9.1 src/replication.c
// replconfCommand), so nil means only "sent"; a refusal (ErrAuth) is returned by
// one of the next calls. It uses a connection of its own: a command without a
// reply would jam the other one's pipeline.
func (n *Node) GetAck(ctx context.Context, times int) error {
	ctx, cancel := context.WithTimeout(ctx, n.dialer.CommandTimeout)
	defer cancel()
	if err := n.acks.send(ctx, strings.Repeat(getAck, max(times, 1))); err != nil {
		return fmt.Errorf("valkey %s: REPLCONF GETACK: %w", n.addr, err)
	}
	return nil
}

// ackLine keeps the connection that GetAck writes to.
type ackLine struct {
	open func(context.Context) (net.Conn, *bufio.Reader, error)

	mu   sync.Mutex
	conn *ackConn
}

type ackConn struct {
	net.Conn
	gone  chan struct{} // closed once the connection has broken or the server has complained
	cause error         // why; read it only once gone is closed
}

func (l *ackLine) send(ctx context.Context, wire string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cause := l.lost(); cause != nil {
		l.drop()
		if Answered(cause) {
			return cause
		}
	}
	if err := l.connect(ctx); err != nil {
		return err
	}
	err := l.write(ctx, wire)
	if err != nil {
		l.drop()
	}
	return err
}

// lost returns why the connection is of no more use, if so.
func (l *ackLine) lost() error {
	if l.conn == nil {
		return nil
	}
	select {
	case <-l.conn.gone:
		return l.conn.cause
	default:
		return nil
	}
}

func (l *ackLine) connect(ctx context.Context) error {
	if l.conn != nil {
		return nil
	}
	conn, reader, err := l.open(ctx)
	if err != nil {
		return err
	}
	l.conn = &ackConn{Conn: conn, gone: make(chan struct{})}
	go l.conn.listen(reader)
	return nil
}

func (l *ackLine) write(ctx context.Context, wire string) error {
	deadline, _ := ctx.Deadline()
	if err := l.conn.SetWriteDeadline(deadline); err != nil {
		return classify(err)
	}
	_, err := io.WriteString(l.conn, wire)
	if err != nil {
		return classify(err)
	}
	return nil
}

func (l *ackLine) drop() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

func (l *ackLine) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}

// listen waits for what should never come: a complaint, or the end.
func (c *ackConn) listen(reader *bufio.Reader) {
	defer close(c.gone)
	line, err := reader.ReadString('\n')
	if err != nil {
		c.cause = classify(err)
		return
	}
	c.cause = replyError(line)
	if c.cause == nil {
		c.cause = fmt.Errorf("%w: unexpected reply %q", ErrMalformed, line)
	}
}

// replyError turns an error line of the protocol into an error.
func replyError(line string) error {
	if text, ok := strings.CutPrefix(strings.TrimSpace(line), "-"); ok {
		return classifyReply(text)
	}
	return nil
}

// openAckConn dials, authenticates and names a plain protocol connection.
func (n *Node) openAckConn(ctx context.Context) (net.Conn, *bufio.Reader, error) {
	ctx, cancel := context.WithTimeout(ctx, n.dialer.DialTimeout)
	defer cancel()
	conn, err := n.dialRaw(ctx)
	if err != nil {
		return nil, nil, classify(err)
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	reader := bufio.NewReaderSize(conn, 512)
	for _, command := range n.greeting() {
		if err := exchange(conn, reader, command); err != nil {
			_ = conn.Close()
			return nil, nil, err
		}
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, reader, nil
}

func (n *Node) dialRaw(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{KeepAliveConfig: keepAlive}
	if n.dialer.TLS == nil {
		return dialer.DialContext(ctx, "tcp", n.addr)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: n.dialer.TLS}).DialContext(ctx, "tcp", n.addr)
}

func (n *Node) greeting() [][]string {
	var commands [][]string
	switch {
	case n.dialer.Username != "":
		commands = append(commands, []string{"AUTH", n.dialer.Username, n.dialer.Password})
	case n.dialer.Password != "":
		commands = append(commands, []string{"AUTH", n.dialer.Password})
	}
	return append(commands, []string{"CLIENT", "SETNAME", ClientName})
}

// exchange sends one command and expects a status line.
func exchange(conn net.Conn, reader *bufio.Reader, args []string) error {
	if _, err := io.WriteString(conn, wireCommand(args)); err != nil {
		return classify(err)
	}
	line, err := reader.ReadString('\n')
	if err != nil {
		return classify(err)
	}
	return replyError(line)
}

// wireCommand is a command as the protocol writes it.
func wireCommand(args []string) string {
	var wire strings.Builder
	fmt.Fprintf(&wire, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&wire, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return wire.String()
}
