package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/redis/go-redis/v9"
	"github.com/valkey-io/valkey-go"
)

// The kinds of clients, by how they find the primary.
const (
	// ThroughService: one address leads there, and a connection is kept for as
	// long as it lasts.
	ThroughService = "service"
	// SentinelAware: they ask Sentinels, and hear from them when it is another.
	SentinelAware = "sentinel"
)

// Sentinel says who watches the primary. Without Addrs nobody does.
type Sentinel struct {
	// Addrs are Sentinels' host:port. A few are enough: the libraries ask them for
	// the others, and connect to those by whatever name or address they are told.
	Addrs []string
	// Primary is the name by which they know the primary.
	Primary string
	// Credentials are for the Sentinels alone.
	Credentials Credentials
}

// Used reports whether there are Sentinels.
func (s Sentinel) Used() bool { return len(s.Addrs) > 0 }

// OpenAware returns a session that uses the named library and asks the Sentinels
// for the primary, with the library's own settings for that. Like Open's, it does
// not connect yet.
func (s *Settings) OpenAware(library string) (Session, error) {
	switch library {
	case "valkey-go":
		return newValkeyGoSentinel(s), nil
	case "go-redis":
		return newGoRedisSentinel(s), nil
	default:
		return nil, unknown(library)
	}
}

func unknown(library string) error {
	return fmt.Errorf("client library %q is not known: use one of %q", library, Libraries)
}

// newGoRedisSentinel is go-redis' failover client. It asks for the primary
// whenever it dials, closes a connection that answered READONLY, and drops all
// connections to others when a Sentinel announces a new primary.
func newGoRedisSentinel(s *Settings) *goRedis {
	g := &goRedis{}
	g.client = redis.NewFailoverClient(&redis.FailoverOptions{
		SentinelAddrs: s.Sentinel.Addrs, MasterName: s.Sentinel.Primary,
		SentinelUsername: s.Sentinel.Credentials.Username, SentinelPassword: s.Sentinel.Credentials.Password,
		Username: s.Credentials.Username, Password: s.Credentials.Password,
		DialTimeout: s.DialTimeout, ReadTimeout: s.Timeout, WriteTimeout: s.Timeout,
		MaxRetries: -1, DialerRetries: 1, // as in options
		Dialer: func(ctx context.Context, _, addr string) (net.Conn, error) { return s.open(ctx, addr) },
	})
	g.client.AddHook(&identifier{settings: s, carried: &g.carried})
	return g
}

// identifier identifies the servers behind a client's connections. The dialler of
// a failover client cannot: it dials Sentinels, too, and is not told which. Hooks
// see the servers' connections alone.
type identifier struct {
	settings *Settings
	carried  *carried
}

func (i *identifier) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return i.settings.identify(conn, i.carried)
	}
}

func (i *identifier) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (i *identifier) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// newValkeyGoSentinel is valkey-go's Sentinel client. It goes to another primary
// only when its Sentinel announces one, or its connection to that Sentinel breaks:
// on a demoted primary that nobody announces it stays and reports READONLY.
func newValkeyGoSentinel(s *Settings) *valkeyGo {
	v := newValkeyGo(s)
	// It does as the default one does. By it the library's connections to Sentinels
	// are told from those to servers, as both are dialled by the same function.
	ofSentinels := &net.Resolver{}
	v.options.InitAddress, v.options.ForceSingleClient = s.Sentinel.Addrs, false
	v.options.Sentinel = valkey.SentinelOption{
		MasterSet: s.Sentinel.Primary,
		Username:  s.Sentinel.Credentials.Username, Password: s.Sentinel.Credentials.Password,
		Dialer: net.Dialer{Timeout: s.DialTimeout, Resolver: ofSentinels},
	}
	v.options.DialCtxFn = func(ctx context.Context, addr string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
		if dialer.Resolver == ofSentinels {
			return s.open(ctx, addr)
		}
		return s.dial(ctx, addr, &v.carried)
	}
	return v
}
