// Package client connects to Valkey as an application would, through real
// client libraries, and knows for each acknowledged write which server process
// gave the acknowledgement.
package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Credentials of a user; a Username without a Password is not used. An empty
// Username means the default user.
type Credentials struct{ Username, Password string }

// Reply is an error that a server answered with, such as "READONLY You can't
// write against a read only replica.".
type Reply string

func (r Reply) Error() string { return string(r) }

// Wire speaks just enough of the protocol (AUTH, INFO and other commands with a
// one-line or bulk answer) to ask a server who it is. Writes never go through
// it: those go through the client libraries.
type Wire struct {
	conn    net.Conn
	reader  *bufio.Reader
	timeout time.Duration
}

// Connect dials a server and authenticates. The timeout holds for dialling, and
// for each command, on its own.
func Connect(ctx context.Context, addr string, cred Credentials, timeout time.Duration) (*Wire, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	w := newWire(conn, timeout)
	if err := w.Auth(cred); err != nil {
		return nil, errors.Join(fmt.Errorf("log in to %s: %w", addr, err), conn.Close())
	}
	return w, nil
}

func newWire(conn net.Conn, timeout time.Duration) *Wire {
	return &Wire{conn: conn, reader: bufio.NewReaderSize(conn, 16<<10), timeout: timeout}
}

// Close closes the connection.
func (w *Wire) Close() error { return w.conn.Close() }

// Auth logs in, if there is something to log in with.
func (w *Wire) Auth(cred Credentials) error {
	if cred.Password == "" {
		return nil
	}
	args := []string{"AUTH", cred.Password}
	if cred.Username != "" {
		args = []string{"AUTH", cred.Username, cred.Password}
	}
	_, err := w.Do(args...)
	return err
}

// Info asks for one section of INFO and returns its fields.
func (w *Wire) Info(section string) (map[string]string, error) {
	text, err := w.Do("INFO", section)
	if err != nil {
		return nil, fmt.Errorf("INFO %s (the user needs +info): %w", section, err)
	}
	return parseInfo(text), nil
}

// Do sends one command and returns its answer as text.
func (w *Wire) Do(args ...string) (string, error) {
	if err := w.conn.SetDeadline(time.Now().Add(w.timeout)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(w.conn, b.String()); err != nil {
		return "", err
	}
	return w.reply()
}

func (w *Wire) reply() (string, error) {
	line, err := w.reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("an empty line instead of an answer: is this a Valkey server?")
	}
	switch line[0] {
	case '-':
		return "", Reply(line[1:])
	case '+', ':':
		return line[1:], nil
	case '$':
		return w.bulk(line[1:])
	default:
		return "", fmt.Errorf("unexpected answer %.40q: is this a Valkey server?", line)
	}
}

// maxBulk bounds an answer in bytes; INFO has a few thousand.
const maxBulk = 1 << 20

func (w *Wire) bulk(length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > maxBulk {
		return "", fmt.Errorf("unexpected length %.40q of an answer", length)
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(w.reader, b); err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

func parseInfo(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if ok && !strings.HasPrefix(name, "#") {
			fields[name] = value
		}
	}
	return fields
}
