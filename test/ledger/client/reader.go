package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// readBackTimeout bounds one batch of reading back: there the server's speed is
// not measured, only its content.
const readBackTimeout = 10 * time.Second

// Reader reads values back from one server, and can remove keys.
type Reader struct {
	client *redis.Client
	// cluster servers take only keys of one slot in one command, and replicas
	// answer for their primary only if told to.
	cluster bool
}

// NewReader returns a Reader of the server at an address, with the settings of
// the writers otherwise.
func (s *Settings) NewReader(addr string) *Reader {
	options := s.options()
	options.Addr = addr
	options.ReadTimeout, options.WriteTimeout = readBackTimeout, readBackTimeout
	options.MaxRetries = 3
	if s.Cluster {
		options.OnConnect = func(ctx context.Context, c *redis.Conn) error { return c.ReadOnly(ctx).Err() }
	}
	return &Reader{client: redis.NewClient(options), cluster: s.Cluster}
}

// Read implements history.Reader.
func (r *Reader) Read(ctx context.Context, keys []string) ([]*string, error) {
	if r.cluster {
		return r.readEach(ctx, keys)
	}
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

// readEach reads one key with each command, all of them sent at once.
func (r *Reader) readEach(ctx context.Context, keys []string) ([]*string, error) {
	answers, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Get(ctx, key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	values := make([]*string, len(answers))
	for i, a := range answers {
		value, err := a.(*redis.StringCmd).Result()
		switch {
		case err == nil:
			values[i] = &value
		case !errors.Is(err, redis.Nil):
			return nil, fmt.Errorf("read %s: %w", keys[i], err)
		}
	}
	return values, nil
}

// Remove deletes keys.
func (r *Reader) Remove(ctx context.Context, keys []string) error {
	if !r.cluster {
		return r.client.Unlink(ctx, keys...).Err()
	}
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Unlink(ctx, key)
		}
		return nil
	})
	return err
}

// Close closes the reader's connections.
func (r *Reader) Close() error { return r.client.Close() }
