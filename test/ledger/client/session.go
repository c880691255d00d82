package client

import (
	"context"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// Settings are what all writers of a run share.
type Settings struct {
	// Addr is the one address, host:port, that writers connect to.
	Addr string
	// Cluster makes it a cluster's: the libraries ask there for the nodes.
	Cluster bool
	// Sentinel is for the writers that ask Sentinels instead.
	Sentinel    Sentinel
	Credentials Credentials
	// DialTimeout bounds dialling, Timeout one write or read.
	DialTimeout, Timeout time.Duration
	Registry             *Registry
}

// Session is one writer's client, with a connection of its own. It is used by
// one goroutine.
type Session interface {
	// Set writes one key. Without an error the write was acknowledged, by the
	// server returned, or by Unattributed if that is not known.
	Set(ctx context.Context, key, value string) (history.Server, error)
	// Library names the client library.
	Library() string
	Close() error
}

// Libraries are the client libraries that writers use in turn.
var Libraries = []string{"valkey-go", "go-redis"}

// Open returns a session that uses the named library. It does not connect:
// that happens at the first write, and again whenever it has to.
func (s *Settings) Open(library string) (Session, error) {
	switch {
	case library == "valkey-go":
		return newValkeyGo(s), nil
	case library == "go-redis" && s.Cluster:
		return newGoRedisCluster(s), nil
	case library == "go-redis":
		return newGoRedis(s), nil
	default:
		return nil, unknown(library)
	}
}
