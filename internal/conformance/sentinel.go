package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// The users of Sentinels: as whom they go to data nodes, and to each other.
const (
	SentinelUser = "sentinel"
	PeerUser     = "peer"
)

// MonitorName is the name under which Sentinels monitor here.
const MonitorName = "main"

// SentinelSpec is what a Sentinel is started with, on top of Spec. It monitors
// nothing until the operator says so.
type SentinelSpec struct {
	// ID is its identity; empty: it makes one up at each start.
	ID string
	// OnDisk keeps its state on disk, and not in memory.
	OnDisk bool
	// PeerRules are those of PeerUser; default: SentinelPeerACL.
	PeerRules []string
}

// sentinelConfig are the lines of a Sentinel's configuration file. It is written
// anew at every start, so a Sentinel that starts again has lost its state.
func (s *Server) sentinelConfig(hash string) string {
	peerRules := s.Spec.Sentinel.PeerRules
	if peerRules == nil {
		peerRules = valkey.SentinelPeerACL
	}
	lines := []string{
		"bind " + s.Host,
		"bind-source-addr " + s.Host,
		fmt.Sprintf("port %d", s.Port),
		"dir " + s.Dir,
		"logfile " + filepath.Join(s.Dir, "log"),
		"user default off",
		"user " + valkey.ACLLine(OperatorUser, hash, valkey.SentinelOperatorACL),
		"user " + valkey.ACLLine(PeerUser, hash, peerRules),
		"user " + valkey.ACLLine(TestUser, hash, []string{"~*", "&*", "+@all"}),
		"sentinel sentinel-user " + PeerUser,
		"sentinel sentinel-pass " + Password,
	}
	if s.Spec.Sentinel.ID != "" {
		lines = append(lines, "sentinel myid "+s.Spec.Sentinel.ID)
	}
	return strings.Join(append(lines, s.Spec.Config...), "\n") + "\n"
}

// memoryDir is a folder in memory, if this machine has such. A Sentinel writes its
// state to disk, and waits for that, before it believes anything new: on a busy disk
// it is that which clients wait for.
func memoryDir(t testing.TB) string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "sentinel-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Watch is a set of data nodes and the Sentinels that watch it.
type Watch struct {
	// Data are the primary, first, and its replicas, as they began.
	Data      []*Server
	Sentinels []*Server

	t testing.TB
}

const (
	watchDownAfter       = 5 * time.Second
	watchFailoverTimeout = 10 * time.Second
	// watchLimit is how long Sentinels may take: they look every 10 s.
	watchLimit = 40 * time.Second
)

// FormWatch starts data nodes, the first of them the primary, and Sentinels, and has
// them monitor it. Quorum is a majority.
func FormWatch(t testing.TB, data []Spec, sentinels []Spec) *Watch {
	t.Helper()
	w := formWatch(t, data, sentinels)
	w.WaitComplete(w.Data[0])
	return w
}

// formWatch does not wait until the Sentinels know everything.
func formWatch(t testing.TB, data []Spec, sentinels []Spec) *Watch {
	t.Helper()
	for i := range data {
		data[i].Watched = true
	}
	w := &Watch{t: t, Data: Set(t, data...)}
	for i, spec := range sentinels {
		if spec.Sentinel == nil {
			spec.Sentinel = &SentinelSpec{ID: fmt.Sprintf("%040x", i+1)}
		}
		w.Sentinels = append(w.Sentinels, Start(t, spec))
	}
	for _, s := range w.Sentinels {
		w.Monitor(s, w.Data[0])
	}
	return w
}

// specs are n of the same version.
func specs(n int, v Version) []Spec {
	all := make([]Spec, n)
	for i := range all {
		all[i].Version = v
	}
	return all
}

// Monitor has one Sentinel monitor the primary, as the operator does it.
func (w *Watch) Monitor(sentinel, primary *Server) {
	w.t.Helper()
	ctx, node := context.Background(), sentinel.Node()
	if err := node.SentinelMonitor(ctx, MonitorName, primary.Announced(), primary.Port, len(w.Sentinels)/2+1); err != nil {
		w.t.Fatal(err)
	}
	if err := node.SentinelSet(ctx, MonitorName, w.settings()...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *Watch) settings() []valkey.Setting {
	return append(w.authSettings(),
		valkey.Setting{Name: "down-after-milliseconds", Value: fmt.Sprint(watchDownAfter.Milliseconds())},
		valkey.Setting{Name: "failover-timeout", Value: fmt.Sprint(watchFailoverTimeout.Milliseconds())},
		valkey.Setting{Name: "parallel-syncs", Value: "1"},
		valkey.Setting{Name: "quorum", Value: fmt.Sprint(len(w.Sentinels)/2 + 1)},
	)
}

func (w *Watch) authSettings() []valkey.Setting {
	return []valkey.Setting{{Name: "auth-user", Value: SentinelUser}, {Name: "auth-pass", Value: Password}}
}

// WaitComplete waits until every running Sentinel names the primary, and knows all
// replicas and each of the others exactly once, and that all of them are well.
func (w *Watch) WaitComplete(primary *Server) {
	w.t.Helper()
	w.eventually("the Sentinels are complete", func() string {
		for _, s := range w.Sentinels {
			if s.running() {
				if missing := w.incomplete(s, primary); missing != "" {
					return s.Addr() + ": " + missing
				}
			}
		}
		return ""
	})
}

// incomplete says what a Sentinel has not found yet.
func (w *Watch) incomplete(sentinel, primary *Server) string {
	ctx := context.Background()
	node, err := sentinel.dialNode()
	if err != nil {
		return err.Error()
	}
	defer node.Close()
	p, err := node.SentinelPrimary(ctx, MonitorName)
	if err != nil {
		return err.Error()
	}
	replicas, err := node.SentinelReplicas(ctx, MonitorName)
	if err != nil {
		return err.Error()
	}
	if p.Host != primary.Announced() || p.Port != primary.Port || p.OtherSentinels != len(w.Sentinels)-1 || p.Replicas != len(w.Data)-1 {
		return fmt.Sprintf("primary %+v", p)
	}
	if p.Flags != (valkey.SentinelFlags{}) || p.RoleReported != valkey.RolePrimary {
		return fmt.Sprintf("primary %+v", p)
	}
	for _, r := range replicas {
		if r.Flags != (valkey.SentinelFlags{}) || r.RoleReported != valkey.RoleReplica {
			return fmt.Sprintf("replica %+v", r)
		}
	}
	if err := node.SentinelCheckQuorum(ctx, MonitorName); err != nil {
		return err.Error()
	}
	return unconnected(ctx, node)
}

// unconnected is another Sentinel that runs and that this one has found, and has no
// connection to yet: it would get no vote from it.
func unconnected(ctx context.Context, node *valkey.Node) string {
	peers, err := node.SentinelPeers(ctx, MonitorName)
	if err != nil {
		return err.Error()
	}
	for _, p := range peers {
		if p.Flags.Disconnected && !p.Flags.Down {
			return fmt.Sprintf("Sentinel %+v", p)
		}
	}
	return ""
}

// eventually waits until nothing is missing.
func (w *Watch) eventually(what string, missing func() string) {
	w.t.Helper()
	deadline := time.Now().Add(watchLimit)
	for {
		left := missing()
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %v: %s: %s", watchLimit, what, left)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// see is what a Sentinel says of the primary.
func (w *Watch) see(sentinel *Server) valkey.SentinelPrimary {
	w.t.Helper()
	var p valkey.SentinelPrimary
	w.eventually(sentinel.Addr()+" answers", func() string {
		node, err := sentinel.dialNode()
		if err == nil {
			p, err = node.SentinelPrimary(context.Background(), MonitorName)
			node.Close()
		}
		if err != nil {
			return err.Error()
		}
		return ""
	})
	return p
}

// names says whom a Sentinel names to clients.
func (w *Watch) names(sentinel *Server) *Server {
	w.t.Helper()
	node := sentinel.Node()
	defer node.Close()
	host, port, err := node.SentinelAddress(context.Background(), MonitorName)
	if err != nil {
		return nil
	}
	for _, s := range w.Data {
		if s.Announced() == host && s.Port == port {
			return s
		}
	}
	return nil
}

// Servers are the Sentinels as a handover wants them.
func (w *Watch) Servers() []handover.SentinelServer {
	w.t.Helper()
	var all []handover.SentinelServer
	for _, s := range w.Sentinels {
		all = append(all, s.Node())
	}
	return all
}

// Options of a handover among them.
func (w *Watch) Options() handover.SentinelOptions {
	return handover.SentinelOptions{Name: MonitorName, Settings: w.authSettings()}
}
