package client

import (
	"context"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// patience is how long a library may go on with one write to a cluster, redirects
// and attempts together. Without an end valkey-go follows redirects for ever.
const patience = 10 * time.Second

// goRedisCluster writes to a cluster through github.com/redis/go-redis/v9. The
// library follows redirects, and sends a write again after a connection broke, a
// server did not answer in time, or it answered TRYAGAIN, CLUSTERDOWN, LOADING or
// READONLY: to the same server first, then to where its map of the slots says. It
// makes four attempts at most, redirects included.
type goRedisCluster struct {
	settings *Settings
	client   *redis.ClusterClient
	carried  carried
}

// newGoRedisCluster has the library's own settings for redirects and attempts,
// and those of the other writers otherwise: one dial for one attempt.
func newGoRedisCluster(s *Settings) *goRedisCluster {
	g := &goRedisCluster{settings: s, carried: carried{cluster: true}}
	g.client = redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:    []string{s.Addr},
		Username: s.Credentials.Username, Password: s.Credentials.Password,
		DialTimeout: s.DialTimeout, ReadTimeout: s.Timeout, WriteTimeout: s.Timeout,
		DialerRetries:            1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return s.dial(ctx, addr, &g.carried)
		},
	})
	return g
}

func (g *goRedisCluster) Set(ctx context.Context, key, value string) (history.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	g.carried.expect(key)
	if err := g.client.Set(ctx, key, value, 0).Err(); err != nil {
		return history.Unattributed, err
	}
	g.settings.acknowledged(g.carried.conn())
	return g.carried.server(), nil
}

func (g *goRedisCluster) Library() string { return "go-redis" }
func (g *goRedisCluster) Close() error    { return g.client.Close() }
