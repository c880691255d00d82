package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
	"github.com/valkeeper/valkeeper/testbed/internal/process"
)

// nodeMounts makes a node's own /run, lost with its power, and its own /var,
// which is its disk. Every other path is this machine's.
const nodeMounts = `
bin=$1 etc=$2 disk=$3
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/testbed/bin /run/testbed/etc /run/netns /run/lock
mount --bind "$bin" /run/testbed/bin
mount --bind "$etc" /run/testbed/etc
mount --bind "$disk" /var
mount --make-rshared /
`

// prepareNode makes all of a node that does not run: its network, its mounts,
// its cgroup and its configuration. What a crash left half made goes first.
func (b *Bed) prepareNode(ctx context.Context, node network.Node) error {
	if _, err := os.Stat(preparedMark(node.Name)); err == nil {
		return nil
	}
	if err := b.powerOff(ctx, node); err != nil {
		return err
	}
	if err := b.makeNode(ctx, node); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(preparedMark(node.Name)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(preparedMark(node.Name), nil, 0o644)
}

func (b *Bed) makeNode(ctx context.Context, node network.Node) error {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	if err := network.EnsureNode(ctx, b.Plan, node); err != nil {
		return err
	}
	if err := b.tree.Create(nodeCgroup(node.Name) + "/system"); err != nil {
		return err
	}
	if err := b.writeNodeConfig(node, runc); err != nil {
		return err
	}
	disk := nodeDisk(node.Name)
	for _, dir := range []string{"log", "tmp", "lib/volumes", "lib/kubelet/volume-plugins"} {
		if err := os.MkdirAll(filepath.Join(disk, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(disk, "run")); err != nil && !os.IsExist(err) {
		return err
	}
	return b.ensureMountNamespace(ctx, node.Name, "private", nodeMounts, b.state.Bin, nodeConfig(node.Name), disk)
}

func (b *Bed) onNode(node network.Node, program string, args ...string) process.Spec {
	return process.Spec{
		Name: node.Name + "-" + program, Enter: b.enter(b.on(node)),
		Args: append([]string{"/run/testbed/bin/" + program}, args...),
		// The node's own programs first: containerd finds its shim this way.
		Env: []string{"PATH=/run/testbed/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
}

// startRuntime starts a node's containerd and waits until it answers.
func (b *Bed) startRuntime(ctx context.Context, node network.Node) error {
	spec := b.onNode(node, "containerd", "--config", "/run/testbed/etc/containerd.toml", "--log-level", "warn")
	if err := b.ensureProcess(spec); err != nil {
		return err
	}
	return await(ctx, fmt.Sprintf("containerd of %s to answer (see `testbed logs %s`)", node.Name, spec.Name), 30*time.Second, 50*time.Millisecond, func(ctx context.Context) error {
		_, err := b.ctr(ctx, node, "version")
		return err
	})
}

// ctr talks to a node's containerd, in the namespace that Kubernetes uses.
func (b *Bed) ctr(ctx context.Context, node network.Node, args ...string) (string, error) {
	command := append([]string{"/run/testbed/bin/ctr", "--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io"}, args...)
	return b.inside(ctx, b.on(node), command...)
}

// startKubelet starts a node's kubelet and its kube-proxy.
func (b *Bed) startKubelet(node network.Node) error {
	kubelet := b.onNode(node, "kubelet",
		"--config=/run/testbed/etc/kubelet.yaml", "--kubeconfig=/run/testbed/etc/kubelet.kubeconfig",
		"--hostname-override="+node.Name, "--node-ip="+node.Address.String(),
		"--node-labels=topology.kubernetes.io/zone="+node.Zone, "--root-dir=/var/lib/kubelet",
	)
	proxy := b.onNode(node, "kube-proxy", "--config=/run/testbed/etc/kube-proxy.yaml")
	for _, spec := range []process.Spec{kubelet, proxy} {
		if err := b.ensureProcess(spec); err != nil {
			return err
		}
	}
	return nil
}

// powerOff ends everything that runs on a node, at once, and drops its
// namespaces; its disk stays.
func (b *Bed) powerOff(ctx context.Context, node network.Node) error {
	if err := os.Remove(preparedMark(node.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	group := nodeCgroup(node.Name)
	if b.tree.Exists(group) {
		_ = b.tree.Thaw(group)
		if err := b.tree.Kill(ctx, group, 20*time.Second); err != nil {
			return err
		}
	}
	for _, program := range []string{"containerd", "kubelet", "kube-proxy"} {
		if err := b.book.Forget(node.Name + "-" + program); err != nil {
			return err
		}
	}
	dropMountNamespace(node.Name)
	if err := network.Delete(ctx, node.Namespace()); err != nil {
		return err
	}
	return b.tree.Remove(group)
}

// powerOn starts a node that is off, or whatever of it does not run.
func (b *Bed) powerOn(ctx context.Context, node network.Node) error {
	if err := b.prepareNode(ctx, node); err != nil {
		return fmt.Errorf("preparing %s: %w", node.Name, err)
	}
	if err := b.tree.Thaw(nodeCgroup(node.Name)); err != nil {
		return err
	}
	if err := errors.Join(network.SetLink(ctx, node, true), network.Widen(ctx, node)); err != nil {
		return err
	}
	if err := b.startRuntime(ctx, node); err != nil {
		return err
	}
	if err := b.importImage(ctx, node, b.images.pause); err != nil {
		return err
	}
	return b.startKubelet(node)
}
