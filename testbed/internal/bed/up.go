package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/testbed/internal/components"
	"github.com/valkeeper/valkeeper/testbed/internal/debian"
	"github.com/valkeeper/valkeeper/testbed/internal/network"
	"github.com/valkeeper/valkeeper/testbed/internal/process"
)

// Up brings the bed up, or mends one that is: whatever runs is left alone,
// whatever does not is started, what is frozen thaws, links that are cut or slow heal.
func (b *Bed) Up(ctx context.Context) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := checkKernel(); err != nil {
		return err
	}
	if err := debian.EnsureHostPrograms(ctx, b.Out); err != nil {
		return err
	}
	bin, err := components.Ensure(ctx, b.store, components.All(), b.Out)
	if err != nil {
		return err
	}
	if err := b.ensureImages(ctx, bin); err != nil {
		return err
	}
	began := time.Now()
	if err := b.begin(ctx, bin); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	b.state.Complete = true
	if err := b.saveState(); err != nil {
		return err
	}
	b.say("the test bed is up: three nodes of Kubernetes %s, ready in %.1f s", components.KubernetesVersion, time.Since(began).Seconds())
	b.say("  export KUBECONFIG=%s", b.Kubeconfig())
	return nil
}

// begin decides between going on with what is there and starting afresh.
func (b *Bed) begin(ctx context.Context, bin string) error {
	boot, err := process.BootID()
	if err != nil {
		return err
	}
	if b.state.Complete && b.state.Boot == boot {
		if b.state.Bin != bin {
			b.say("a test bed made from another version of testbed/ is up and is kept; `testbed down` first to replace it")
		}
		return nil
	}
	// Nothing is up, or only the leftovers of a crash or of another boot.
	if err := b.clean(ctx); err != nil {
		return fmt.Errorf("cleaning up what an earlier test bed left: %w", err)
	}
	for _, dir := range []string{runDir, dataDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	b.state = state{Boot: boot, Bin: bin}
	if err := b.saveState(); err != nil {
		return err
	}
	return rememberSysctls()
}

func (b *Bed) start(ctx context.Context) error {
	authority, err := b.issueCertificates()
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	if err := b.startManagement(ctx); err != nil {
		return err
	}
	if err := errors.Join(b.thawAll(), b.startStore()); err != nil {
		return err
	}
	if err := b.startAPIServer(); err != nil {
		return err
	}
	if err := b.startForwarder(); err != nil {
		return err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", b.state.Port)
	if err := authority.WriteKubeconfig(b.Kubeconfig(), contextName, server, "ca", "admin"); err != nil {
		return err
	}
	// The nodes' containerds start while the API server does.
	nodes := make(chan error, 1)
	go func() {
		nodes <- b.forEachNode(func(node network.Node) error { return b.powerOn(ctx, node) })
	}()
	controlPlane := b.awaitAPIServer(ctx)
	if controlPlane == nil {
		controlPlane = errors.Join(b.applyManifests(ctx), b.startControllers())
	}
	if err := errors.Join(controlPlane, <-nodes); err != nil {
		return err
	}
	if err := b.importEverywhere(ctx, b.images.valkey...); err != nil {
		return err
	}
	return errors.Join(b.awaitNodes(ctx), b.awaitDNS(ctx))
}

func (b *Bed) awaitNodes(ctx context.Context) error {
	return await(ctx, "all nodes to be Ready (see `testbed status`)", 90*time.Second, 300*time.Millisecond, func(ctx context.Context) error {
		out, err := b.kubectl(ctx, nil, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}`)
		if err != nil {
			return err
		}
		for _, node := range b.Plan.Nodes {
			if !strings.Contains(" "+out, " "+node.Name+"=True ") {
				return fmt.Errorf("so far: %s", strings.TrimSpace(out))
			}
		}
		return nil
	})
}

// awaitDNS asks for a name through the service's address from a node, which is
// the whole way that a pod's question goes.
func (b *Bed) awaitDNS(ctx context.Context) error {
	root, err := debian.ValkeyRoot(ctx, b.store, "9.1", b.Out)
	if err != nil {
		return err
	}
	nslookup := []string{filepath.Join(root, "usr/bin/busybox"), "nslookup", "kubernetes.default.svc.cluster.local", b.Plan.DNSService().String()}
	return b.forEachNode(func(node network.Node) error {
		return await(ctx, "names to be resolved on "+node.Name+" (see `testbed logs coredns`)", time.Minute, 300*time.Millisecond, func(ctx context.Context) error {
			// Only the network is the node's: busybox lies in this machine's cache.
			_, err := b.inside(ctx, place{net: node.Namespace()}, nslookup...)
			return err
		})
	})
}

// checkKernel finds out early, and in words, what the kernel lacks.
func checkKernel() error {
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(filesystems), "\toverlay\n") {
		if out, err := exec.Command("modprobe", "overlay").CombinedOutput(); err != nil {
			return fmt.Errorf("the kernel has no overlay file system, and `modprobe overlay` fails (%s): containers cannot be run here: %w", strings.TrimSpace(string(out)), err)
		}
	}
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		if out, err := exec.Command("modprobe", "br_netfilter").CombinedOutput(); err != nil {
			return fmt.Errorf("the kernel has no bridge netfilter, and `modprobe br_netfilter` fails (%s): services between pods of one node would not work: %w", strings.TrimSpace(string(out)), err)
		}
	}
	return nil
}
