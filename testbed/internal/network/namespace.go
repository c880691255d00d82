package network

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// NamespaceFile is where iproute2 keeps a named network namespace.
func NamespaceFile(name string) string { return filepath.Join("/run/netns", name) }

// Exists tells whether a named network namespace is there.
func Exists(name string) bool {
	// A file that is no longer mounted (after a reboot) is on another device
	// than a live namespace; asking iproute2 costs more and tells the same.
	return exec.Command("nsenter", "--net="+NamespaceFile(name), "true").Run() == nil
}

// EnsureManagement makes the namespace of the control plane with the bridge
// that the nodes are joined to.
func EnsureManagement(ctx context.Context, p Plan) error {
	if Exists(ManagementNamespace) {
		return nil
	}
	if err := add(ctx, ManagementNamespace); err != nil {
		return err
	}
	commands := []string{
		"link set lo up",
		"link add " + Bridge + " type bridge",
		fmt.Sprintf("addr add %s/%d dev %s", p.Management, p.Link.Bits(), Bridge),
		"link set " + Bridge + " up",
		// Outside is unreachable at once, rather than after a silence: a pull
		// of an image that is not there then fails plainly.
		"route add unreachable default",
		// A program's own packets need a route before the rules of the
		// services turn them elsewhere.
		fmt.Sprintf("route add %s dev %s", p.Services, Bridge),
	}
	for _, node := range p.Nodes {
		commands = append(commands, fmt.Sprintf("route add %s via %s", node.Pods, node.Address))
	}
	return batch(ctx, ManagementNamespace, commands)
}

// EnsureNode makes a node's namespace and its link to the bridge.
func EnsureNode(ctx context.Context, p Plan, node Node) error {
	if Exists(node.Namespace()) {
		return nil
	}
	if err := add(ctx, node.Namespace()); err != nil {
		return err
	}
	// The end of the node's last link, if a crash left it behind.
	_ = ip(ctx, "-n", ManagementNamespace, "link", "del", node.Name)
	if err := ip(ctx, "link", "add", node.Name, "netns", ManagementNamespace, "type", "veth", "peer", "name", "eth0", "netns", node.Namespace()); err != nil {
		return err
	}
	if err := batch(ctx, ManagementNamespace, []string{
		fmt.Sprintf("link set %s master %s", node.Name, Bridge),
		fmt.Sprintf("link set %s up", node.Name),
	}); err != nil {
		return err
	}
	commands := []string{
		"link set lo up",
		fmt.Sprintf("addr add %s/%d dev eth0", node.Address, p.Link.Bits()),
		"link set eth0 up",
		"route add unreachable default",
		fmt.Sprintf("route add %s dev eth0", p.Services),
	}
	for _, other := range p.Nodes {
		if other.Name != node.Name {
			commands = append(commands, fmt.Sprintf("route add %s via %s", other.Pods, other.Address))
		}
	}
	if err := batch(ctx, node.Namespace(), commands); err != nil {
		return err
	}
	return sysctl(ctx, node.Namespace(), map[string]string{
		"net/ipv4/ip_forward": "1",
		// Traffic between two pods on one bridge must pass the rules of the
		// services too, or answers keep the pod's address and are dropped.
		"net/bridge/bridge-nf-call-iptables": "1",
	})
}

// SetLink takes a node's link down or up; down cuts it off from everything.
func SetLink(ctx context.Context, node Node, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	return ip(ctx, "-n", ManagementNamespace, "link", "set", node.Name, state)
}

// LinkUp tells whether a node's link is up.
func LinkUp(ctx context.Context, node Node) (bool, error) {
	out, err := exec.CommandContext(ctx, "ip", "-n", ManagementNamespace, "-o", "link", "show", node.Name).CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("link of %s: %w: %s", node.Name, err, strings.TrimSpace(string(out)))
	}
	_, flags, _ := strings.Cut(string(out), "<")
	flags, _, _ = strings.Cut(flags, ">")
	for flag := range strings.SplitSeq(flags, ",") {
		if flag == "UP" {
			return true, nil
		}
	}
	return false, nil
}

// Delete removes a namespace with its links; absent is fine.
func Delete(ctx context.Context, name string) error {
	if _, err := os.Stat(NamespaceFile(name)); err != nil {
		return nil //nolint:nilerr // not there is what is wanted
	}
	return ip(ctx, "netns", "del", name)
}

func add(ctx context.Context, name string) error {
	// A file without a namespace behind it, left by a reboot.
	if _, err := os.Stat(NamespaceFile(name)); err == nil {
		_ = ip(ctx, "netns", "del", name)
	}
	return ip(ctx, "netns", "add", name)
}

func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func batch(ctx context.Context, namespace string, commands []string) error {
	cmd := exec.CommandContext(ctx, "ip", "-n", namespace, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("network of namespace %s: %w: %s", namespace, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// sysctl writes kernel settings as a process inside the namespace sees them.
func sysctl(ctx context.Context, namespace string, settings map[string]string) error {
	for name, value := range settings {
		file := filepath.Join("/proc/sys", name)
		cmd := exec.CommandContext(ctx, "nsenter", "--net="+NamespaceFile(namespace), "sh", "-c", `echo "$1" >"$2"`, "sh", value, file)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("setting %s in namespace %s: %w: %s (a kernel without br_netfilter? try: modprobe br_netfilter)", name, namespace, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
