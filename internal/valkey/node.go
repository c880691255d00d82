package valkey

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	client "github.com/valkey-io/valkey-go"
)

// ClientName is what the operator's connections call themselves (CLIENT SETNAME).
const ClientName = "valkeeper"

const (
	defaultDialTimeout    = time.Second
	defaultCommandTimeout = time.Second
	// bufferSize of a connection, bytes: our commands are short, and an operator
	// of hundreds of nodes should not hold valkey-go's default of 1 MiB for each.
	bufferSize = 8 << 10
	// ringScale: 2^ringScale commands may wait in one connection's pipeline.
	ringScale = 4
)

// Dialer holds what all connections of one instance have in common.
type Dialer struct {
	// Username and Password of the operator's ACL user (see OperatorACL). Both
	// empty: no authentication.
	Username, Password string
	// TLS makes every connection a TLS one; there is no way back to plaintext.
	TLS *tls.Config
	// DialTimeout bounds connecting and authenticating; 0 means 1 s.
	DialTimeout time.Duration
	// CommandTimeout bounds each command on top of its context; 0 means 1 s.
	CommandTimeout time.Duration
}

// Node is a typed connection to the server at one address. Its methods may be
// used from several goroutines.
type Node struct {
	addr    string
	dialer  Dialer
	client  client.Client
	acks    ackLine
	ownUser string
}

// Dial connects to the server at addr ("host:port") and authenticates.
func (d Dialer) Dial(ctx context.Context, addr string) (*Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap(addr, "dial", err)
	}
	d = d.withDefaults()
	c, err := d.connect(ctx, addr)
	if err != nil {
		return nil, wrap(addr, "dial", err)
	}
	n := &Node{addr: addr, dialer: d, client: c, ownUser: d.Username}
	n.acks.open = n.openAckConn
	return n, nil
}

// connect makes the client, which dials at once but knows no context: one that
// comes too late is closed.
func (d Dialer) connect(ctx context.Context, addr string) (client.Client, error) {
	type dialled struct {
		client client.Client
		err    error
	}
	result := make(chan dialled, 1)
	go func() {
		c, err := client.NewClient(d.option(addr))
		if err != nil && c != nil {
			c.Close() // valkey-go returns one even then
			c = nil
		}
		result <- dialled{c, err}
	}()
	select {
	case r := <-result:
		return r.client, r.err
	case <-ctx.Done():
		go func() {
			if r := <-result; r.client != nil {
				r.client.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func (d Dialer) option(addr string) client.ClientOption {
	return client.ClientOption{
		InitAddress: []string{addr},
		Username:    d.Username,
		Password:    d.Password,
		ClientName:  ClientName,
		TLSConfig:   d.TLS,
		// A negative KeepAlive switches valkey-go's own background PING off; the
		// kernel's keepalive stays on through KeepAliveConfig.
		Dialer: net.Dialer{
			Timeout:         d.DialTimeout,
			KeepAlive:       -1,
			KeepAliveConfig: keepAlive,
		},
		ConnWriteTimeout:    d.CommandTimeout,
		ClientSetInfo:       client.DisableClientSetInfo,
		ForceSingleClient:   true,
		PipelineMultiplex:   -1, // one connection
		DisableCache:        true,
		DisableRetry:        true,
		AlwaysRESP2:         true,
		RingScaleEachConn:   ringScale,
		ReadBufferEachConn:  bufferSize,
		WriteBufferEachConn: bufferSize,
	}
}

func (d Dialer) withDefaults() Dialer {
	if d.DialTimeout <= 0 {
		d.DialTimeout = defaultDialTimeout
	}
	if d.CommandTimeout <= 0 {
		d.CommandTimeout = defaultCommandTimeout
	}
	return d
}

// Addr is the address that was dialled, "host:port".
func (n *Node) Addr() string { return n.addr }

// Close ends the connections.
func (n *Node) Close() {
	n.acks.close()
	n.client.Close()
}

// do sends one command once.
func (n *Node) do(ctx context.Context, args ...string) (client.ValkeyResult, error) {
	ctx, cancel := context.WithTimeout(ctx, n.dialer.CommandTimeout)
	defer cancel()
	result := n.client.Do(ctx, n.client.B().Arbitrary(args...).Build())
	if err := result.Error(); err != nil {
		return result, wrap(n.addr, commandName(args), err)
	}
	return result, nil
}

// read sends a command that changes nothing; it may be sent a second time when
// the connection turns out to be an old one that the server has closed since.
func (n *Node) read(ctx context.Context, args ...string) (client.ValkeyResult, error) {
	result, err := n.do(ctx, args...)
	if errors.Is(err, ErrClosed) {
		return n.do(ctx, args...)
	}
	return result, err
}

// expectOK sends a command whose only good answer is a status line.
func (n *Node) expectOK(ctx context.Context, args ...string) error {
	text, err := n.text(ctx, args...)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, "OK") {
		return wrap(n.addr, commandName(args), fmt.Errorf("%w: %q", ErrMalformed, text))
	}
	return nil
}

// text sends a command that is answered with one string.
func (n *Node) text(ctx context.Context, args ...string) (string, error) {
	return n.asText(args)(n.do(ctx, args...))
}

// readText is text for a command that changes nothing.
func (n *Node) readText(ctx context.Context, args ...string) (string, error) {
	return n.asText(args)(n.read(ctx, args...))
}

func (n *Node) asText(args []string) func(client.ValkeyResult, error) (string, error) {
	return func(result client.ValkeyResult, err error) (string, error) {
		if err != nil {
			return "", err
		}
		text, err := result.ToString()
		if err != nil {
			return "", wrap(n.addr, commandName(args), fmt.Errorf("%w: %w", ErrMalformed, err))
		}
		return text, nil
	}
}

// containers are the commands whose second word says what they do.
var containers = []string{"CLIENT", "CLUSTER", "CONFIG", "FAILOVER", "SENTINEL"}

// commandName is the command as an error shows it: no values, so no secrets.
func commandName(args []string) string {
	if len(args) > 1 && slices.Contains(containers, args[0]) {
		return args[0] + " " + args[1]
	}
	return args[0]
}
