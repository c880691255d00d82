package bed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
)

// NodeFaults are what can be done to a node, by the command's name.
var NodeFaults = map[string]string{
	"stop":   "end everything that runs on a node, at once, as when it loses power",
	"start":  "start a stopped node again, with its disk as it was",
	"freeze": "make all processes of a node stand still",
	"thaw":   "let a frozen node go on",
	"cut":    "take a node's link down: nothing reaches it, it reaches nothing",
	"heal":   "take a node's link up again",
	"slow":   "make a node's link narrow: what does not fit waits, then is lost",
	"quick":  "make a node's link as wide as it was",
}

// Node does one of NodeFaults to a node.
func (b *Bed) Node(ctx context.Context, verb, name string) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := b.requireUp(); err != nil {
		return err
	}
	node, err := b.Plan.Node(name)
	if err != nil {
		return err
	}
	if verb == "stop" {
		return b.powerOff(ctx, node)
	}
	if verb == "start" {
		if err := b.ensureImages(ctx, b.state.Bin); err != nil {
			return err
		}
		if err := b.powerOn(ctx, node); err != nil {
			return err
		}
		return b.importEverywhere(ctx, b.images.valkey...)
	}
	if !network.Exists(node.Namespace()) {
		return fmt.Errorf("%s is stopped: `testbed node start %s` first", name, name)
	}
	switch verb {
	case "freeze":
		return b.tree.Freeze(nodeCgroup(name))
	case "thaw":
		return b.tree.Thaw(nodeCgroup(name))
	case "cut":
		return network.SetLink(ctx, node, false)
	case "heal":
		return network.SetLink(ctx, node, true)
	case "slow":
		return network.Narrow(ctx, node)
	case "quick":
		return network.Widen(ctx, node)
	}
	return fmt.Errorf("nothing is named %q that can be done to a node", verb)
}

// pod is what is read of a pod to find its processes.
type pod struct {
	Metadata struct {
		UID string `json:"uid"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Containers []struct {
			Name string `json:"name"`
			ID   string `json:"containerID"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

// ProcessFaults are what can be done to the processes of a pod, by the command's
// name. Unlike a freezer, SIGSTOP leaves the process killable, as a hung one is.
var ProcessFaults = map[string]syscall.Signal{"freeze": syscall.SIGSTOP, "thaw": syscall.SIGCONT, "kill": syscall.SIGKILL}

// Containers does one of ProcessFaults to the processes of containers, by their ids as
// Kubernetes tells them. It asks no API server. What has no process any more needs not
// be thawed.
func (b *Bed) Containers(verb, host string, ids ...string) error {
	signal, known := ProcessFaults[verb]
	if !known {
		return fmt.Errorf("nothing is named %q that can be done to a process", verb)
	}
	if err := b.requireUp(); err != nil {
		return err
	}
	node, err := b.Plan.Node(host)
	if err != nil {
		return err
	}
	signalled := 0
	for _, id := range ids {
		n, err := b.signalContainer(node, containerID(id), signal)
		if err != nil {
			return err
		}
		signalled += n
	}
	if signalled == 0 && signal != syscall.SIGCONT {
		return fmt.Errorf("no process of %s runs on %s", strings.Join(ids, ", "), host)
	}
	return nil
}

// containerID is the id alone of what Kubernetes shows.
func containerID(shown string) string { return strings.TrimPrefix(shown, "containerd://") }

// Process does one of ProcessFaults to the processes of NAMESPACE/POD, or of one
// container of it.
func (b *Bed) Process(ctx context.Context, verb, target string) error {
	signal, known := ProcessFaults[verb]
	if !known {
		return fmt.Errorf("nothing is named %q that can be done to a process", verb)
	}
	if err := b.requireUp(); err != nil {
		return err
	}
	parts := strings.Split(target, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return fmt.Errorf("%q is not NAMESPACE/POD or NAMESPACE/POD/CONTAINER", target)
	}
	raw, err := b.kubectl(ctx, nil, "get", "pod", "-n", parts[0], parts[1], "-o", "json")
	if err != nil {
		return err
	}
	var p pod
	if err := json.Unmarshal([]byte(raw), &p); err != nil {
		return fmt.Errorf("pod %s: %w", target, err)
	}
	node, err := b.Plan.Node(p.Spec.NodeName)
	if err != nil {
		return fmt.Errorf("pod %s is on no node of the bed: %w", target, err)
	}
	signalled := 0
	for _, container := range p.Status.Containers {
		if len(parts) == 3 && container.Name != parts[2] {
			continue
		}
		n, err := b.signalContainer(node, containerID(container.ID), signal)
		if err != nil {
			return err
		}
		signalled += n
	}
	if signalled == 0 {
		return fmt.Errorf("no process of %s runs on %s", target, node.Name)
	}
	return nil
}

// signalContainer finds a container's cgroup by its id, which the kubelet puts
// last in its path, and signals all in it.
func (b *Bed) signalContainer(node network.Node, id string, signal syscall.Signal) (int, error) {
	if id == "" {
		return 0, nil
	}
	groups, err := b.tree.Below(nodeCgroup(node.Name))
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(groups, func(group string) bool { return filepath.Base(group) == id })
	if i < 0 {
		return 0, nil
	}
	pids, err := b.tree.Processes(groups[i])
	if err != nil {
		return 0, err
	}
	signalled := 0
	for _, pid := range pids {
		switch err := syscall.Kill(pid, signal); {
		case err == nil:
			signalled++
		case !errors.Is(err, syscall.ESRCH): // it has ended by itself since, as a probe does
			return 0, fmt.Errorf("signalling process %d: %w", pid, err)
		}
	}
	return signalled, nil
}
