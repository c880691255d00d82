package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
)

// place is where a process runs: its cgroup and its namespaces.
type place struct {
	cgroup string
	net    string
	mount  string
}

func (b *Bed) management() place {
	return place{cgroup: managementCgroup, net: network.ManagementNamespace}
}

func (b *Bed) on(node network.Node) place {
	// A leaf of its own: with cgroup v2 a group that has children, as the
	// node's has the pods', may hold no process itself.
	return place{cgroup: nodeCgroup(node.Name) + "/system", net: node.Namespace(), mount: mountNamespace(node.Name)}
}

// enter is the command that goes to a place and becomes the program given
// after it. Not `ip netns exec`, which mounts a fresh /sys without cgroups.
func (b *Bed) enter(p place) []string {
	var join strings.Builder
	for _, file := range b.tree.JoinFiles(p.cgroup) {
		fmt.Fprintf(&join, "echo $$ >%s || exit 125; ", file)
	}
	return append([]string{"/bin/sh", "-c", join.String() + `exec "$@"`, "sh"}, nsenter(p)...)
}

// nsenter enters only the namespaces.
func nsenter(p place) []string {
	args := []string{"nsenter", "--net=" + network.NamespaceFile(p.net)}
	if p.mount != "" {
		args = append(args, "--mount="+p.mount)
	}
	return append(args, "--")
}

// inside runs a short command in a place and returns what it says.
func (b *Bed) inside(ctx context.Context, p place, command ...string) (string, error) {
	args := append(nsenter(p), command...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// ensureMountNamespace makes a mount namespace that lives in a file, and sets
// its mounts up with a shell script. The namespace is complete or not there.
func (b *Bed) ensureMountNamespace(ctx context.Context, name, propagation, script string, args ...string) error {
	file := mountNamespace(name)
	if exec.CommandContext(ctx, "nsenter", "--mount="+file, "true").Run() == nil {
		return nil
	}
	if err := b.keepNamespacesHere(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return err
	}
	command := append([]string{"--mount=" + file, "--propagation", propagation, "sh", "-euc", script, "sh"}, args...)
	out, err := exec.CommandContext(ctx, "unshare", command...).CombinedOutput()
	if err != nil {
		dropMountNamespace(name)
		return fmt.Errorf("mounts of %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// keepNamespacesHere makes the folder of namespace files a private mount: the
// kernel refuses to pin a mount namespace in a place that others can see.
func (b *Bed) keepNamespacesHere(ctx context.Context) error {
	dir := mountNamespace("")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if exec.CommandContext(ctx, "mountpoint", "-q", dir).Run() == nil {
		return nil
	}
	for _, args := range [][]string{{"--bind", dir, dir}, {"--make-private", dir}} {
		if out, err := exec.CommandContext(ctx, "mount", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("mount %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// dropMountNamespace lets go of a mount namespace; once its last process has
// ended, every mount in it is gone.
func dropMountNamespace(name string) {
	_ = syscall.Unmount(mountNamespace(name), syscall.MNT_DETACH)
	_ = os.Remove(mountNamespace(name))
}

func dropAllMountNamespaces() error {
	dir := mountNamespace("")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		dropMountNamespace(entry.Name())
	}
	// Invalid means that it is no mount point, which is what we want.
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("unmounting %s: %w", dir, err)
	}
	return nil
}
