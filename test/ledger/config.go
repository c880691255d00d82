// Package ledger keeps the books of acknowledged writes. Many writers write
// unique keys through real client libraries, as an application would, through
// one address; each acknowledgement is recorded together with the run id of the
// server that gave it. Afterwards everything is read back from the primary and
// from every replica. What was acknowledged and is not there was lost.
//
// The parts:
//
//	client   real clients, connections that know their server, kinds of errors
//	history  pure: records, gaps, handovers, two primaries, comparing
//	pods     what happened to the pods, if there is a Kubernetes
//	report   JSON and the page
//
// docs/ledger.md defines every figure.
package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
)

// Config says what a run does.
type Config struct {
	// Addr is the host:port that writers connect to.
	Addr string
	// Cluster makes them ask there for the cluster's nodes, as clients of a
	// cluster do, and write to all of its shards.
	Cluster     bool
	Credentials client.Credentials
	// Sentinel, if it names any, makes every second writer ask Sentinels for the
	// primary. The others go through Addr.
	Sentinel client.Sentinel
	// DialTimeout bounds dialling, Timeout one write.
	DialTimeout, Timeout time.Duration
	// Replicas are read back afterwards. Without any, the pods are (with Kube),
	// or else what the primary's INFO replication lists. A cluster lists its own.
	Replicas []string
	// ExpectReplicas is how many replicas must be read back at least, in a
	// cluster of each shard, for the run to prove anything about them.
	ExpectReplicas int

	// Writers is how many writers there are, with one client each, of the
	// Libraries in turn.
	Writers   int
	Libraries []string
	// Rate is how many writes a second all writers together start, 0 for no
	// limit. ValueSize is in bytes.
	Rate      float64
	ValueSize int
	// MaxRecords ends the run when that many writes were acknowledged: 24 bytes
	// of memory each.
	MaxRecords int
	// Prefix starts all keys; empty means "ledger:" and a random part.
	Prefix string
	// Cleanup removes all keys from the primary after they were read back.
	Cleanup bool

	// SyncTimeout bounds waiting for a primary to be there, and for each replica
	// to catch up with it, before reading back.
	SyncTimeout time.Duration

	// Topology, Strategy, FromImage and ToImage are only reported.
	Topology, Strategy, FromImage, ToImage string

	// Kube, if not nil, follows the data pods.
	Kube *Kube
}

// Kube says where the data pods are.
type Kube struct {
	// Kubeconfig is a file; empty means the cluster that we run in.
	Kubeconfig          string
	Namespace, Selector string
	// Port is the servers' port in the pods.
	Port int
}

// Defaults are those of the command.
func Defaults() Config {
	return Config{
		DialTimeout: time.Second, Timeout: time.Second,
		Writers: 16, Libraries: client.Libraries,
		Rate: 2000, ValueSize: 100, MaxRecords: 5_000_000,
		SyncTimeout: 30 * time.Second,
		Sentinel:    client.Sentinel{Primary: "mymaster"},
	}
}

func (c *Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		bad("address %q: want host:port of the primary: %w", c.Addr, err)
	}
	if c.Writers < 1 || c.Writers > 1000 {
		bad("writers %d: want 1 to 1000", c.Writers)
	}
	if c.Rate < 0 {
		bad("rate %g: want writes a second, or 0 for no limit", c.Rate)
	}
	if c.ValueSize < 0 || c.ValueSize > 10<<20 {
		bad("value size %d: want 0 to 10485760 bytes", c.ValueSize)
	}
	if c.MaxRecords < 1 {
		bad("max records %d: want at least 1", c.MaxRecords)
	}
	if len(c.Libraries) == 0 {
		bad("no client library: name at least one of %q", client.Libraries)
	}
	if c.DialTimeout <= 0 || c.Timeout <= 0 || c.SyncTimeout <= 0 {
		bad("timeouts must be above 0")
	}
	if c.Credentials.Username != "" && c.Credentials.Password == "" {
		bad("user %q has no password: give one", c.Credentials.Username)
	}
	return errors.Join(append(errs, c.checkCluster(), c.checkSentinel())...)
}

// checkCluster checks what only matters in a cluster.
func (c *Config) checkCluster() error {
	switch {
	case !c.Cluster:
		return nil
	case len(c.Replicas) > 0:
		return fmt.Errorf("replicas %q: a cluster lists its own, name none", c.Replicas)
	case strings.Contains(c.Prefix, "{"):
		return fmt.Errorf("prefix %q: braces would put all keys into one slot", c.Prefix)
	default:
		return nil
	}
}

// checkSentinel checks what only matters with Sentinels.
func (c *Config) checkSentinel() error {
	s := c.Sentinel
	if !s.Used() {
		return nil
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, addr := range s.Addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad("sentinel %q: want host:port of a Sentinel, whose port is 26379 as a rule: %w", addr, err)
		} else if addr == c.Addr {
			bad("sentinel %q is the address of the other writers, too: that one has to lead to the primary", addr)
		}
	}
	if s.Primary == "" {
		bad("sentinels %q: say by which name they know the primary", s.Addrs)
	}
	if s.Credentials.Username != "" && s.Credentials.Password == "" {
		bad("sentinel user %q has no password: give one", s.Credentials.Username)
	}
	if c.Cluster {
		bad("sentinels %q: a Cluster has none, name none", s.Addrs)
	}
	if least := len(kinds) * len(c.Libraries); c.Writers < least {
		bad("writers %d: want at least %d, one of each library through the address and one that asks Sentinels", c.Writers, least)
	}
	return errors.Join(errs...)
}

// kinds of clients that there are with Sentinels.
var kinds = []string{client.ThroughService, client.SentinelAware}

// writer says which library a writer uses, and what kind of client. Neighbours are
// of different kinds, so that each kind writes at an even pace.
func (c *Config) writer(i int) (library, kind string) {
	if !c.Sentinel.Used() {
		return c.Libraries[i%len(c.Libraries)], ""
	}
	return c.Libraries[i/len(kinds)%len(c.Libraries)], kinds[i%len(kinds)]
}

// newPrefix makes a prefix that no other run has.
func newPrefix() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return "ledger:" + hex.EncodeToString(b[:])
}
