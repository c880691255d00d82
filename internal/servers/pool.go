// Package servers keeps one connection to each Valkey server that the operator
// looks after, so that a look costs a round trip and not a login.
package servers

import (
	"context"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	dialTimeout    = time.Second
	commandTimeout = time.Second
)

// Credentials are those of the operator's user on the servers of one instance.
type Credentials struct {
	Username, Password string
}

// Pool holds the connections, by the UID of the pod: a pod that has been
// replaced is another server, whatever its name and address.
type Pool struct {
	mu    sync.Mutex
	conns map[string]*conn
}

// conn is one pod's connection. Its lock makes dials of one pod take turns; a
// silent pod keeps nobody else waiting.
type conn struct {
	mu       sync.Mutex
	instance string
	addr     string
	creds    Credentials
	node     *valkey.Node
}

// NewPool makes an empty pool.
func NewPool() *Pool { return &Pool{conns: map[string]*conn{}} }

// Get gives the connection to a pod's server, dialling when there is none. The
// pool keeps it: do not close it, but Drop it when it fails.
func (p *Pool) Get(ctx context.Context, instance, uid, addr string, creds Credentials) (*valkey.Node, error) {
	c := p.entry(instance, uid)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.node != nil && c.addr == addr && c.creds == creds {
		return c.node, nil
	}
	c.close()
	dialer := valkey.Dialer{Username: creds.Username, Password: creds.Password,
		DialTimeout: dialTimeout, CommandTimeout: commandTimeout}
	node, err := dialer.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c.node, c.addr, c.creds = node, addr, creds
	return node, nil
}

// Drop closes a pod's connection; the next Get dials again.
func (p *Pool) Drop(uid string) {
	p.mu.Lock()
	c := p.conns[uid]
	p.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close()
}

// Keep closes the connections of an instance's pods that are not among uids.
func (p *Pool) Keep(instance string, uids map[string]bool) {
	p.mu.Lock()
	var gone []*conn
	for uid, c := range p.conns {
		if c.instance == instance && !uids[uid] {
			gone = append(gone, c)
			delete(p.conns, uid)
		}
	}
	p.mu.Unlock()
	for _, c := range gone {
		c.mu.Lock()
		c.close()
		c.mu.Unlock()
	}
}

func (p *Pool) entry(instance, uid string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.conns[uid]
	if c == nil {
		c = &conn{instance: instance}
		p.conns[uid] = c
	}
	return c
}

func (c *conn) close() {
	if c.node != nil {
		c.node.Close()
		c.node = nil
	}
}
