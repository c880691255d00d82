// Package bed brings the test bed up and down, and hurts its nodes on request.
//
// Everything that runs is in a cgroup of the bed and in namespaces of the bed,
// so nothing of it is ever looked for by name: to end a node is to end its
// cgroup, and to clean up after it is to drop its namespaces.
package bed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/valkeeper/valkeeper/testbed/internal/cache"
	"github.com/valkeeper/valkeeper/testbed/internal/cgroup"
	"github.com/valkeeper/valkeeper/testbed/internal/network"
	"github.com/valkeeper/valkeeper/testbed/internal/process"
)

// There is one bed on a machine, found again by every checkout.
const (
	// runDir holds what must not outlive a boot: processes, namespaces, ports.
	runDir = "/run/valkeeper-testbed"
	// dataDir holds the disks of the nodes and of etcd, and the logs.
	dataDir = "/var/lib/valkeeper-testbed"

	cgroupRoot       = "valkeeper-testbed"
	managementCgroup = cgroupRoot + "/management"

	nodeCount       = 3
	provisionerName = "valkeeper.io/testbed"
)

// Bed is the test bed of this machine.
type Bed struct {
	Plan   network.Plan
	Out    io.Writer
	store  cache.Store
	tree   cgroup.Tree
	book   process.Book
	state  state
	images bedImages
}

// state is what commands need to know of a bed that is up.
type state struct {
	// Boot is the boot that the bed was started in; after another one nothing
	// of it is left but files.
	Boot string `json:"boot"`
	// Bin is the folder of programs it was started with.
	Bin string `json:"bin"`
	// Complete is set once everything has been up: what a crash left before
	// that is removed, not mended.
	Complete bool `json:"complete"`
	// Port is where the API server is reached from the host, on loopback.
	Port int `json:"port"`
}

// ErrNotUp says that there is no bed to do something with.
var ErrNotUp = errors.New("the test bed is not up: run `testbed up` (make cluster-up)")

// Open reads what is known of this machine's bed, which may be nothing.
func Open(out io.Writer) (*Bed, error) {
	store, err := cache.Open()
	if err != nil {
		return nil, err
	}
	tree, err := cgroup.Detect()
	if err != nil {
		return nil, err
	}
	b := &Bed{
		Plan: network.DefaultPlan(nodeCount), Out: out, store: store, tree: tree,
		book: process.Book{Dir: filepath.Join(runDir, "processes")},
	}
	raw, err := os.ReadFile(statePath())
	if errors.Is(err, os.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state of the test bed: %w", err)
	}
	if err := json.Unmarshal(raw, &b.state); err != nil {
		return nil, fmt.Errorf("state of the test bed in %s: %w", statePath(), err)
	}
	return b, nil
}

func statePath() string { return filepath.Join(runDir, "bed.json") }

func (b *Bed) saveState() error {
	raw, err := json.MarshalIndent(b.state, "", "  ")
	if err != nil {
		return err
	}
	half := statePath() + ".half"
	if err := os.WriteFile(half, raw, 0o644); err != nil {
		return err
	}
	return os.Rename(half, statePath())
}

// lock keeps two commands that change the bed from doing so at once.
func (b *Bed) lock(ctx context.Context) (unlock func(), err error) {
	if err := requireRoot(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	// Beside the folder, not in it: `down` removes the folder.
	return cache.Lock(ctx, runDir+".lock")
}

func requireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("the test bed is made of namespaces, cgroups and mounts, which only root may handle: run it as root, or use a cluster of your own (CLUSTER=current or CLUSTER=kind)")
	}
	return nil
}

// requireUp refuses when the bed is not running in this boot, or is not ours to
// handle.
func (b *Bed) requireUp() error {
	if err := requireRoot(); err != nil {
		return err
	}
	boot, err := process.BootID()
	if err != nil {
		return err
	}
	if b.state.Bin == "" || b.state.Boot != boot {
		return ErrNotUp
	}
	return nil
}

// Kubeconfig is the kubeconfig for programs on the host.
func (b *Bed) Kubeconfig() string { return filepath.Join(runDir, "kubeconfig") }

// insideKubeconfig is the one for programs inside the bed's network.
func (b *Bed) insideKubeconfig() string { return filepath.Join(dataDir, "kubeconfigs", "admin") }

// Bin is the folder with kubectl and helm of the running bed.
func (b *Bed) Bin() (string, error) { return b.state.Bin, b.requireUp() }

func (b *Bed) say(format string, args ...any) { fmt.Fprintf(b.Out, format+"\n", args...) }

func logPath(name string) string { return filepath.Join(dataDir, "logs", name+".log") }

func pkiDir() string { return filepath.Join(dataDir, "pki") }

// nodeDisk is what a node sees as /var: what it keeps when it loses power.
func nodeDisk(node string) string { return filepath.Join(dataDir, "nodes", node, "var") }

// nodeConfig is what a node sees as /run/testbed/etc.
func nodeConfig(node string) string { return filepath.Join(dataDir, "nodes", node, "etc") }

func nodeCgroup(node string) string { return cgroupRoot + "/" + node }

// preparedMark is there while all of a node's namespaces and mounts are.
func preparedMark(node string) string { return filepath.Join(runDir, "prepared", node) }

// mountNamespace is where the file of a mount namespace is kept.
func mountNamespace(name string) string { return filepath.Join(runDir, "namespaces", name) }
