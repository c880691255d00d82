package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// How an acknowledgement is attributed, without doubt and at no cost per write:
//
//   - A connection ends at one process for all its life. So each connection is
//     asked for its server's run id (INFO server) right after it was dialled,
//     before the client library sees it. The library gets a connection that
//     carries that identity.
//   - Each key is unique, and its write is tried once: the libraries' own
//     retries are off. So the connection that carried the key's bytes is the
//     only one that can have acknowledged it. Connections note which of them
//     carried the key that its writer is waiting for.
//
// Should no connection, or more than one, have carried a key, its
// acknowledgement is recorded as unattributed and the run says so.

// ServerInfo is what is known about one server process.
type ServerInfo struct {
	RunID string
	// Version is valkey_version, or redis_version of servers that have none.
	Version string
}

// Registry numbers the servers in the order in which they were met.
type Registry struct {
	mu      sync.Mutex
	byRunID map[string]history.Server
	infos   []ServerInfo
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{byRunID: map[string]history.Server{}} }

// Number returns the server's number, a new one if it is not known.
func (r *Registry) Number(info ServerInfo) history.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.byRunID[info.RunID]
	if !ok {
		n = history.Server(len(r.infos))
		r.byRunID[info.RunID] = n
		r.infos = append(r.infos, info)
	}
	return n
}

// Servers lists the servers by number.
func (r *Registry) Servers() []ServerInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]ServerInfo(nil), r.infos...)
}

// Identify asks a server who it is.
func (w *Wire) Identify() (ServerInfo, error) {
	fields, err := w.Info("server")
	if err != nil {
		return ServerInfo{}, err
	}
	info := ServerInfo{RunID: fields["run_id"], Version: fields["valkey_version"]}
	if info.Version == "" {
		info.Version = fields["redis_version"]
	}
	if info.RunID == "" {
		return info, errors.New("INFO server names no run_id: writes cannot be attributed to a server")
	}
	return info, nil
}

// carried is the key that one writer waits for, and the connections that have
// carried it.
type carried struct {
	mu   sync.Mutex
	key  []byte
	by   *identified
	more bool // more than one connection carried the key
}

func (c *carried) expect(key string) {
	c.mu.Lock()
	c.key, c.by, c.more = append(c.key[:0], key...), nil, false
	c.mu.Unlock()
}

func (c *carried) wrote(b []byte, conn *identified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.key) == 0 || !bytes.Contains(b, c.key) {
		return
	}
	c.more = c.more || c.by != nil && c.by != conn
	c.by = conn
}

// server is the one server that can have answered.
func (c *carried) server() history.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil || c.more {
		return history.Unattributed
	}
	return c.by.server
}

// identified is a connection whose server is known. It is a TCP connection in
// everything else, so that the libraries can look for a closed peer as usual.
type identified struct {
	*net.TCPConn
	server  history.Server
	carried *carried
}

func (c *identified) Write(b []byte) (int, error) {
	c.carried.wrote(b, c)
	return c.TCPConn.Write(b)
}

// dial opens a connection for one writer and identifies its server.
func (s *Settings) dial(ctx context.Context, c *carried) (net.Conn, error) {
	dialer := net.Dialer{Timeout: s.DialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, &dialError{err}
	}
	w := newWire(conn, s.Timeout)
	if err := w.Auth(s.Credentials); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	info, err := w.Identify()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("dial %s: %T is no TCP connection", s.Addr, conn), conn.Close())
	}
	if err := tcp.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &identified{TCPConn: tcp, server: s.Registry.Number(info), carried: c}, nil
}
