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
//   - In a cluster a library may send a key more than once: to another server
//     after a redirect, and go-redis also to the same or another one after a
//     connection broke or a server did not answer. It does so one after the other:
//     the next attempt begins when the one before has been answered or given up,
//     its connection with it. What it returns is what the last attempt brought. So
//     the last connection that carried the key is the only one that can have
//     acknowledged it. cluster_test.go holds both libraries to that.
//
// Should no connection have carried a key, or, outside of a cluster, more than
// one, its acknowledgement is recorded as unattributed and the run says so.

// Identify asks a server who it is, and in a cluster which shard it belongs to.
func (w *Wire) Identify(cluster bool) (ServerInfo, error) {
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
	if !cluster {
		return info, nil
	}
	if info.Shard, err = w.Do("CLUSTER", "MYSHARDID"); err != nil {
		return info, fmt.Errorf("CLUSTER MYSHARDID (the user needs +cluster|myshardid): %w", err)
	}
	return info, nil
}

// carried is the key that one writer waits for, and the connections that have
// carried it.
type carried struct {
	cluster bool // keys may be sent again, one after the other
	mu      sync.Mutex
	key     []byte
	by      *identified // the last one
	more    bool        // more than one connection carried the key
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

// conn is the one connection that can have brought the answer, nil if that is
// not known.
func (c *carried) conn() *identified {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.more && !c.cluster {
		return nil
	}
	return c.by
}

// server is the one server that can have answered.
func (c *carried) server() history.Server {
	if conn := c.conn(); conn != nil {
		return conn.server
	}
	return history.Unattributed
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
func (s *Settings) dial(ctx context.Context, addr string, c *carried) (net.Conn, error) {
	conn, err := s.open(ctx, addr)
	if err != nil {
		return nil, err
	}
	return s.identify(conn, c)
}

// open opens a connection.
func (s *Settings) open(ctx context.Context, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: s.DialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &dialError{err}
	}
	return conn, nil
}

// identify asks for the server behind a new connection, and closes it if that is
// not told.
func (s *Settings) identify(conn net.Conn, c *carried) (net.Conn, error) {
	w := newWire(conn, s.Timeout)
	if err := w.Auth(s.Credentials); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	info, err := w.Identify(s.Cluster)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connection to %s: %T is no TCP connection", conn.RemoteAddr(), conn), conn.Close())
	}
	if err := tcp.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &identified{TCPConn: tcp, server: s.Registry.Number(info), carried: c}, nil
}
