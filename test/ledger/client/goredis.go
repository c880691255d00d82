package client

import (
	"context"
	"fmt"
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
	dial := s.dialer(&g.carried)
	options := s.options()
	options.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
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

// Reader reads values back from one server, and can remove keys.
type Reader struct{ client *redis.Client }

// NewReader returns a Reader of the server at an address, with the settings of
// the writers otherwise.
func (s *Settings) NewReader(addr string) *Reader {
	options := s.options()
	options.Addr = addr
	options.ReadTimeout, options.WriteTimeout = readBackTimeout, readBackTimeout
	options.MaxRetries = 3
	return &Reader{client: redis.NewClient(options)}
}

// Read implements history.Reader.
func (r *Reader) Read(ctx context.Context, keys []string) ([]*string, error) {
	answers, err := r.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, err
	}
	values := make([]*string, len(answers))
	for i, a := range answers {
		switch v := a.(type) {
		case nil:
		case string:
			values[i] = &v
		default:
			return nil, fmt.Errorf("value of %s is a %T, not a string", keys[i], a)
		}
	}
	return values, nil
}

// Remove deletes keys.
func (r *Reader) Remove(ctx context.Context, keys []string) error {
	return r.client.Unlink(ctx, keys...).Err()
}

// Close closes the reader's connections.
func (r *Reader) Close() error { return r.client.Close() }
