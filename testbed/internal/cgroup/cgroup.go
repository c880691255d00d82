// Package cgroup makes, freezes and ends groups of processes, on hosts with
// cgroup v2, with v1, and with both mounted side by side.
package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Tree is the host's cgroup hierarchies: one on v2, one for each controller
// on v1.
type Tree struct {
	mounts []mount
}

type mount struct {
	path    string
	unified bool
	cpuset  bool
	freezer bool
}

// Detect reads the host's hierarchies.
func Detect() (Tree, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return Tree{}, err
	}
	defer file.Close()
	var tree Tree
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if m, ok := parseMount(lines.Text()); ok && !slices.Contains(tree.mounts, m) {
			tree.mounts = append(tree.mounts, m)
		}
	}
	if err := lines.Err(); err != nil {
		return Tree{}, err
	}
	if !slices.ContainsFunc(tree.mounts, func(m mount) bool { return m.freezer || m.unified }) {
		return Tree{}, errors.New("no cgroup v2 hierarchy and no v1 freezer is mounted under /sys/fs/cgroup; mount them (Debian: package cgroupfs-mount, or boot with systemd)")
	}
	return tree, nil
}

// parseMount reads one line of mountinfo: id, parent, device, root, mount
// point, options, optional fields, a dash, type, source, super options.
func parseMount(line string) (mount, bool) {
	left, right, ok := strings.Cut(line, " - ")
	if !ok {
		return mount{}, false
	}
	fields, types := strings.Fields(left), strings.Fields(right)
	if len(fields) < 5 || len(types) < 3 {
		return mount{}, false
	}
	controllers := strings.Split(types[2], ",")
	switch types[0] {
	case "cgroup":
		return mount{
			path:    fields[4],
			cpuset:  slices.Contains(controllers, "cpuset"),
			freezer: slices.Contains(controllers, "freezer"),
		}, true
	case "cgroup2":
		return mount{path: fields[4], unified: true}, true
	}
	return mount{}, false
}

// V1 tells whether controllers live in v1 hierarchies.
func (t Tree) V1() bool {
	return slices.ContainsFunc(t.mounts, func(m mount) bool { return !m.unified })
}

// reference is the one hierarchy in which membership is read: the freezer on
// v1, because every container is put there, and the only one on v2.
func (t Tree) reference() mount {
	for _, m := range t.mounts {
		if m.freezer {
			return m
		}
	}
	for _, m := range t.mounts {
		if m.unified {
			return m
		}
	}
	return mount{}
}

// Create makes a group in every hierarchy. Doing it twice is fine.
func (t Tree) Create(group string) error {
	for _, m := range t.mounts {
		dir := m.path
		for part := range strings.SplitSeq(group, "/") {
			if err := t.createBelow(m, dir, part); err != nil {
				return err
			}
			dir = filepath.Join(dir, part)
		}
	}
	return nil
}

func (t Tree) createBelow(m mount, parent, name string) error {
	if m.unified && !t.V1() {
		if err := delegate(parent); err != nil {
			return err
		}
	}
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making cgroup %s: %w", dir, err)
	}
	if m.cpuset {
		return inheritCPUs(parent, dir)
	}
	return nil
}

// delegate hands every controller a v2 group has on to its children.
func delegate(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("controllers of cgroup %s: %w", dir, err)
	}
	for controller := range strings.FieldsSeq(string(raw)) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		needed := slices.Contains([]string{"cpu", "cpuset", "memory", "pids"}, controller)
		if err != nil && needed {
			return fmt.Errorf("cgroup %s cannot hand controller %q on to its children (in a container? its cgroup must be delegated and hold no process itself): %w", dir, controller, err)
		}
	}
	return nil
}

// inheritCPUs fills in what a new v1 cpuset group lacks: without it no process
// may join.
func inheritCPUs(parent, dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("cgroup %s: %w", dir, err)
		}
		if strings.TrimSpace(string(own)) != "" {
			continue
		}
		value, err := os.ReadFile(filepath.Join(parent, name))
		if err != nil {
			return fmt.Errorf("cgroup %s: %w", parent, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), value, 0o644); err != nil {
			return fmt.Errorf("cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// JoinFiles are the files into which a process writes its own id to become a
// member of the group in every hierarchy.
func (t Tree) JoinFiles(group string) []string {
	files := make([]string, 0, len(t.mounts))
	for _, m := range t.mounts {
		files = append(files, filepath.Join(m.path, group, "cgroup.procs"))
	}
	return files
}

// Exists tells whether the group is there.
func (t Tree) Exists(group string) bool {
	_, err := os.Stat(filepath.Join(t.reference().path, group))
	return err == nil
}

// Processes lists the ids of all processes in the group and below it.
func (t Tree) Processes(group string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(filepath.Join(t.reference().path, group), func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // removed while we looked: then nothing was in it
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
			return nil
		}
		if err != nil {
			return err
		}
		for field := range strings.FieldsSeq(string(raw)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("%s/cgroup.procs: %w", path, err)
			}
			pids = append(pids, pid)
		}
		return nil
	})
	return pids, err
}

// Kill ends every process in the group and below, and waits until all are
// gone. Membership is the kernel's own record: nobody else is in our groups.
func (t Tree) Kill(ctx context.Context, group string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		pids, err := t.Processes(group)
		if err != nil {
			return fmt.Errorf("processes of cgroup %s: %w", group, err)
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("processes %v in cgroup %s do not end: %w", pids, group, errors.Join(ctx.Err(), context.DeadlineExceeded))
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		// A v1 group that is frozen keeps its killed members until it thaws.
		_ = t.Thaw(group)
		time.Sleep(20 * time.Millisecond)
	}
}

// Remove removes the group and all below it from every hierarchy; it must be
// empty of processes.
func (t Tree) Remove(group string) error {
	for _, m := range t.mounts {
		var dirs []string
		err := filepath.WalkDir(filepath.Join(m.path, group), func(path string, entry os.DirEntry, err error) error {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, dir := range slices.Backward(dirs) {
			if err := removeEmpty(dir); err != nil {
				return fmt.Errorf("removing cgroup %s: %w", dir, err)
			}
		}
	}
	return nil
}

// removeEmpty tries for a moment: the kernel lets go of a group a little after
// its last process has ended.
func removeEmpty(dir string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Below lists all groups below a group, by their paths.
func (t Tree) Below(group string) ([]string, error) {
	top := t.reference().path
	var groups []string
	err := filepath.WalkDir(filepath.Join(top, group), func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(top, path)
		groups = append(groups, relative)
		return err
	})
	return groups, err
}
