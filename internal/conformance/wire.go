package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Wire is a bare connection that speaks the protocol: what a test has to see as
// an application sees it, it sees here, without a client library's helpfulness.
type Wire struct {
	conn   net.Conn
	reader *bufio.Reader
	// Timeout of one command; default 10 s.
	Timeout time.Duration
}

// ReplyError is an error that the server replied with.
type ReplyError string

func (e ReplyError) Error() string { return string(e) }

// DialWire connects as a user.
func DialWire(s *Server, user string) (*Wire, error) {
	conn, err := net.DialTimeout("tcp", s.Addr(), 2*time.Second)
	if err != nil {
		return nil, err
	}
	w := &Wire{conn: conn, reader: bufio.NewReader(conn), Timeout: 10 * time.Second}
	if _, err := w.Do("AUTH", user, Password); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Close ends the connection.
func (w *Wire) Close() { _ = w.conn.Close() }

// Do sends a command and returns its reply as text; items of an array are
// separated by line ends.
func (w *Wire) Do(args ...string) (string, error) {
	if err := w.Send(args...); err != nil {
		return "", err
	}
	return w.Receive()
}

// Send only sends.
func (w *Wire) Send(args ...string) error {
	_ = w.conn.SetDeadline(time.Now().Add(w.Timeout))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	_, err := io.WriteString(w.conn, b.String())
	return err
}

// Receive reads one reply.
func (w *Wire) Receive() (string, error) {
	_ = w.conn.SetDeadline(time.Now().Add(w.Timeout))
	line, err := w.reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("empty reply line")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", ReplyError(rest)
	case '$':
		return w.bulk(rest)
	case '*':
		return w.array(rest)
	}
	return "", fmt.Errorf("unexpected reply %q", line)
}

func (w *Wire) bulk(length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return "", err
	}
	data := make([]byte, n+2)
	_, err = io.ReadFull(w.reader, data)
	return string(data[:n]), err
}

func (w *Wire) array(length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil {
		return "", err
	}
	items := make([]string, 0, max(n, 0))
	for range n {
		item, err := w.Receive()
		if err != nil {
			return "", err
		}
		items = append(items, item)
	}
	return strings.Join(items, "\n"), nil
}
