package client

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// readBackTimeout bounds one batch of reading back: there the server's speed is
// not measured, only its content.
const readBackTimeout = 10 * time.Second

// valkeyGo writes through github.com/valkey-io/valkey-go. The library keeps a
// connection that answers READONLY: a client that was left behind on a demoted
// primary stays there until somebody closes the connection.
type valkeyGo struct {
	options valkey.ClientOption
	client  valkey.Client
	carried carried
}

func newValkeyGo(s *Settings) *valkeyGo {
	v := &valkeyGo{}
	dial := s.dialer(&v.carried)
	v.options = valkey.ClientOption{
		InitAddress: []string{s.Addr},
		Username:    s.Credentials.Username, Password: s.Credentials.Password,
		Dialer:           net.Dialer{Timeout: s.DialTimeout},
		ConnWriteTimeout: s.Timeout,
		DialCtxFn: func(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return dial(ctx)
		},
		// One server behind one address, one connection to it, and no caching.
		ForceSingleClient: true, PipelineMultiplex: -1, DisableCache: true,
		// One key is sent at most once.
		DisableRetry: true,
		// The defaults of half a MiB each are for many users of one client.
		ReadBufferEachConn: 32 << 10, WriteBufferEachConn: 32 << 10,
	}
	return v
}

func (v *valkeyGo) Set(ctx context.Context, key, value string) (history.Server, error) {
	v.carried.expect(key)
	if v.client == nil { // the library connects when a client is made, and fails if it cannot
		client, err := valkey.NewClient(v.options)
		if err != nil {
			return history.Unattributed, err
		}
		v.client = client
	}
	set := v.client.B().Set().Key(key).Value(value).Build()
	if err := v.client.Do(ctx, set).Error(); err != nil {
		return history.Unattributed, err
	}
	return v.carried.server(), nil
}

func (v *valkeyGo) Library() string { return "valkey-go" }

func (v *valkeyGo) Close() error {
	if v.client == nil {
		return nil
	}
	v.client.Close()
	return nil
}
