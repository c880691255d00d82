package bed

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// ErrNoTestbed says that this Kubernetes is not ours to break.
var ErrNoTestbed = errors.New("only the test bed's nodes can be cut off")

// Node does something to a node of the test bed: cut, heal, stop, start, freeze
// or thaw.
func (c *Cluster) Node(ctx context.Context, verb, node string) error {
	if c.Settings.Kind != "testbed" || c.Settings.Testbed == "" {
		return ErrNoTestbed
	}
	out, err := exec.CommandContext(ctx, c.Settings.Testbed, "node", verb, node).CombinedOutput()
	if err != nil {
		return fmt.Errorf("testbed node %s %s: %w: %s", verb, node, err, strings.TrimSpace(string(out)))
	}
	return nil
}
