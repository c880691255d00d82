package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/valkey-io/valkey-go"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// valkeyGo writes through github.com/valkey-io/valkey-go. The library keeps a
// connection that answers READONLY: a client that was left behind on a demoted
// primary stays there until somebody closes the connection.
//
// In a cluster it follows redirects, as many as there are. It sends a write to
// nobody else for any other reason: not after a connection broke, nor after
// TRYAGAIN or CLUSTERDOWN. It may repeat reads, so DisableRetry changes nothing.
type valkeyGo struct {
	settings *Settings
	options  valkey.ClientOption
	client   valkey.Client
	carried  carried
}

func newValkeyGo(s *Settings) *valkeyGo {
	v := &valkeyGo{settings: s, carried: carried{cluster: s.Cluster}}
	v.options = valkey.ClientOption{
		InitAddress: []string{s.Addr},
		Username:    s.Credentials.Username, Password: s.Credentials.Password,
		Dialer:           net.Dialer{Timeout: s.DialTimeout},
		ConnWriteTimeout: s.Timeout,
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return s.dial(ctx, addr, &v.carried)
		},
		// One server behind one address, or the nodes of a cluster; one connection
		// to each, and no caching.
		ForceSingleClient: !s.Cluster, PipelineMultiplex: -1, DisableCache: true,
		// One key is sent at most once.
		DisableRetry: true,
		// The defaults of half a MiB each are for many users of one client.
		ReadBufferEachConn: 32 << 10, WriteBufferEachConn: 32 << 10,
	}
	return v
}

// errNoCluster says that the library took the address for that of a single
// server, as it does after some errors: then it would never follow a redirect.
var errNoCluster = errors.New("the address was not that of a cluster when the client asked")

// connect makes the client: the library connects then, and fails if it cannot.
func (v *valkeyGo) connect() error {
	if v.client != nil {
		return nil
	}
	client, err := valkey.NewClient(v.options)
	if err != nil {
		return err
	}
	if v.settings.Cluster && client.Mode() != valkey.ClientModeCluster {
		client.Close()
		return errNoCluster
	}
	v.client = client
	return nil
}

func (v *valkeyGo) Set(ctx context.Context, key, value string) (history.Server, error) {
	if v.settings.Cluster {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	v.carried.expect(key)
	if err := v.connect(); err != nil {
		return history.Unattributed, err
	}
	set := v.client.B().Set().Key(key).Value(value).Build()
	if err := v.client.Do(ctx, set).Error(); err != nil {
		return history.Unattributed, err
	}
	if v.settings.Cluster {
		v.settings.acknowledged(v.carried.conn())
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
