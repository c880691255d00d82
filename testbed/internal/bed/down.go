package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
)

// Down ends the bed and removes all of it but the cache.
func (b *Bed) Down(ctx context.Context) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := b.clean(ctx); err != nil {
		return err
	}
	b.say("the test bed is down")
	return nil
}

// clean ends and removes whatever is there, complete or in pieces. It relies
// on no record: cgroups and namespaces carry the bed's name.
func (b *Bed) clean(ctx context.Context) error {
	if b.tree.Exists(cgroupRoot) {
		for _, node := range b.Plan.Nodes {
			if b.tree.Exists(nodeCgroup(node.Name)) {
				_ = b.tree.Thaw(nodeCgroup(node.Name))
			}
		}
		if err := b.tree.Kill(ctx, cgroupRoot, 30*time.Second); err != nil {
			return err
		}
	}
	// After the kubelets have ended, or they set them again.
	if err := restoreSysctls(); err != nil {
		b.say("some settings of the kernel could not be put back: %v", err)
	}
	if err := dropAllMountNamespaces(); err != nil {
		return err
	}
	var failures []error
	for _, node := range b.Plan.Nodes {
		failures = append(failures, network.Delete(ctx, node.Namespace()))
	}
	failures = append(failures, network.Delete(ctx, network.ManagementNamespace))
	failures = append(failures, b.tree.Remove(cgroupRoot))
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for _, dir := range []string{runDir, dataDir} {
		if err := removeTree(dir); err != nil {
			return fmt.Errorf("removing %s: %w", dir, err)
		}
	}
	b.state = state{}
	return nil
}

// removeTree tries for a moment: the mounts of a namespace are let go of a
// little after its last process has ended.
func removeTree(dir string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.RemoveAll(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
