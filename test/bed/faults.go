package bed

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// ErrNoTestbed says that this Kubernetes is not ours to break.
var ErrNoTestbed = errors.New("only the test bed's nodes and processes can be cut off, frozen or killed")

// Node does something to a node of the test bed: cut, heal, stop, start, freeze,
// thaw, slow or quick.
func (c *Cluster) Node(ctx context.Context, verb, node string) error {
	return c.testbed(ctx, "node", verb, node)
}

func (c *Cluster) testbed(ctx context.Context, args ...string) error {
	if c.Settings.Kind != "testbed" || c.Settings.Testbed == "" {
		return ErrNoTestbed
	}
	out, err := exec.CommandContext(ctx, c.Settings.Testbed, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("testbed %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Process does something to the server's processes in a pod on the test bed: freeze,
// thaw or kill.
func (i *Instance) Process(ctx context.Context, verb, pod string) error {
	settings := i.Cluster.Settings
	if settings.Kind != "testbed" || settings.Testbed == "" {
		return ErrNoTestbed
	}
	target := strings.Join([]string{i.Namespace, pod, v1alpha1.ContainerName}, "/")
	out, err := exec.CommandContext(ctx, settings.Testbed, "process", verb, target).CombinedOutput()
	if err != nil {
		return fmt.Errorf("testbed process %s %s: %w: %s", verb, target, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Wipe removes the data from the folder of a server that runs. The file in which a
// member of a Cluster keeps who it is stays: a primary that comes back without data,
// and with that, is the dangerous one.
func (i *Instance) Wipe(ctx context.Context, pod string) error {
	_, err := i.Cluster.exec(ctx, i.Namespace, pod, []string{"sh", "-c", "rm -rf /data/dump.rdb /data/appendonlydir"})
	return err
}
