package client

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// goRedis writes through github.com/redis/go-redis/v9. The library closes a
// connection that answered READONLY and dials again: a client that was left
// behind on a demoted primary finds its way by itself.
type goRedis struct {
	client  *redis.Client
	carried carried
}

func init() { logging.Disable() } // each error is counted here; the library would log it too

// options are those of an application, with its own retries off so that each
// attempt is seen by the ledger: one key is sent at most once. The pool keeps
// its default size; one writer uses one connection of it.
func (s *Settings) options() *redis.Options {
	return &redis.Options{
		Addr:     s.Addr,
		Username: s.Credentials.Username, Password: s.Credentials.Password,
		DialTimeout: s.DialTimeout, ReadTimeout: s.Timeout, WriteTimeout: s.Timeout,
		MaxRetries: -1, DialerRetries: 1,
		// A feature of Redis' own cloud that Valkey does not have.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func newGoRedis(s *Settings) *goRedis {
	g := &goRedis{}
	options := s.options()
	options.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx, s.Addr, &g.carried) }
	g.client = redis.NewClient(options)
	return g
}

func (g *goRedis) Set(ctx context.Context, key, value string) (history.Server, error) {
	g.carried.expect(key)
	if err := g.client.Set(ctx, key, value, 0).Err(); err != nil {
		return history.Unattributed, err
	}
	return g.carried.server(), nil
}

func (g *goRedis) Library() string { return "go-redis" }
func (g *goRedis) Close() error    { return g.client.Close() }
