package client

import (
	"context"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// ServerInfo is what is known about one server process.
type ServerInfo struct {
	RunID string
	// Version is valkey_version, or redis_version of servers that have none.
	Version string
	// Shard is the id of the shard of a cluster that the server belongs to: a
	// primary and its replicas have the same.
	Shard string
}

// Registry numbers the servers in the order in which they were met.
type Registry struct {
	mu      sync.Mutex
	byRunID map[string]history.Server
	servers []known
}

// known is a server that was met.
type known struct {
	ServerInfo
	acked   bool      // it has acknowledged a write
	settled bool      // it has said since then which shard it belongs to
	asking  bool      // it is being asked
	retry   time.Time // when to ask again
	moved   bool      // it said something else later
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{byRunID: map[string]history.Server{}} }

// Number returns the server's number, a new one if it is not known.
func (r *Registry) Number(info ServerInfo) history.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.byRunID[info.RunID]
	if !ok {
		n = history.Server(len(r.servers))
		r.byRunID[info.RunID] = n
		r.servers = append(r.servers, known{ServerInfo: info})
		return n
	}
	s := &r.servers[n]
	if s.settled {
		s.moved = s.moved || s.Shard != info.Shard
	} else {
		s.Shard = info.Shard
	}
	return n
}

// Servers lists the servers by number.
func (r *Registry) Servers() []ServerInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]ServerInfo, len(r.servers))
	for i, s := range r.servers {
		out[i] = s.ServerInfo
	}
	return out
}

// HasAcknowledged reports whether a server has acknowledged a write.
func (r *Registry) HasAcknowledged(runID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.byRunID[runID]
	return ok && r.servers[n].acked
}

// Moved lists the servers that went to another shard after they had acknowledged
// writes in one.
func (r *Registry) Moved() []ServerInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []ServerInfo
	for _, s := range r.servers {
		if s.moved {
			out = append(out, s.ServerInfo)
		}
	}
	return out
}

// settleRetry is the pause after a server did not say which shard it belongs to.
const settleRetry = 100 * time.Millisecond

// Acknowledged notes that a server acknowledged a write, and reports whether it
// has to be asked again which shard it belongs to.
func (r *Registry) Acknowledged(n history.Server) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.servers[n]
	s.acked = true
	if s.settled || s.asking || time.Now().Before(s.retry) {
		return false
	}
	s.asking = true
	return true
}

// settle takes a server's answer.
func (r *Registry) settle(n history.Server, info ServerInfo, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.servers[n]
	s.asking, s.retry = false, time.Now().Add(settleRetry)
	if err == nil && info.RunID == s.RunID {
		s.settled, s.Shard = true, info.Shard
	}
}

// acknowledged asks the server behind a connection once more for its shard, when
// it has acknowledged its first write. What it said when the connection was
// dialled may be older than its place in the cluster: an empty node is a shard of
// its own until it is made a replica, and clients dial nodes long before they
// write to them. A primary that serves slots stays in its shard.
func (s *Settings) acknowledged(c *identified) {
	if c == nil || !s.Registry.Acknowledged(c.server) {
		return
	}
	addr := c.RemoteAddr().String()
	go func() {
		info, err := s.Ask(context.Background(), addr)
		s.Registry.settle(c.server, info, err)
	}()
}

// Ask asks the server at an address who it is.
func (s *Settings) Ask(ctx context.Context, addr string) (ServerInfo, error) {
	wire, err := Connect(ctx, addr, s.Credentials, s.Timeout)
	if err != nil {
		return ServerInfo{}, err
	}
	defer func() { _ = wire.Close() }()
	return wire.Identify(s.Cluster)
}
