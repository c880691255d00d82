package network

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// A narrow link lets so much through each way. What does not fit waits in a queue,
// at most so long, and is lost when that is full: so a link is slow in life. (The
// kernel's own means for delays, netem, is a module that not every host has.)
const (
	narrowRate  = "400kbit"
	narrowBurst = "8kb"
	narrowWait  = "500ms"
)

// ends are both ends of a node's link: what goes out of each is held back.
func ends(node Node) map[string]string {
	return map[string]string{ManagementNamespace: node.Name, node.Namespace(): "eth0"}
}

// Narrow makes a node's link slow, in both directions. Doing it twice is fine.
func Narrow(ctx context.Context, node Node) error {
	for namespace, device := range ends(node) {
		if err := tc(ctx, namespace, "replace", "dev", device, "root", "tbf", "rate", narrowRate, "burst", narrowBurst, "latency", narrowWait); err != nil {
			return err
		}
	}
	return nil
}

// Widen makes it as it was. Widening what is not narrow is fine.
func Widen(ctx context.Context, node Node) error {
	for namespace, device := range ends(node) {
		err := tc(ctx, namespace, "del", "dev", device, "root")
		if err != nil && !strings.Contains(err.Error(), "handle of zero") && !strings.Contains(err.Error(), "No such file") {
			return err
		}
	}
	return nil
}

func tc(ctx context.Context, namespace, verb string, args ...string) error {
	args = append([]string{"-n", namespace, "qdisc", verb}, args...)
	out, err := exec.CommandContext(ctx, "tc", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("tc %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
