package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Freeze stops every process in the group and below it, and waits until the
// kernel says that all stand still.
func (t Tree) Freeze(group string) error {
	if err := t.setFrozen(group, true); err != nil {
		return err
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		frozen, err := t.Frozen(group)
		if err != nil || frozen {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s has not frozen within ten seconds", group)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Thaw lets a frozen group go on. Thawing what is not frozen is fine.
func (t Tree) Thaw(group string) error { return t.setFrozen(group, false) }

func (t Tree) setFrozen(group string, frozen bool) error {
	m := t.reference()
	file, value := filepath.Join(m.path, group, "freezer.state"), "THAWED"
	if frozen {
		value = "FROZEN"
	}
	if m.unified {
		file, value = filepath.Join(m.path, group, "cgroup.freeze"), "0"
		if frozen {
			value = "1"
		}
	}
	if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
		return fmt.Errorf("freezing or thawing cgroup %s: %w", group, err)
	}
	return nil
}

// Frozen tells whether all of the group's processes stand still.
func (t Tree) Frozen(group string) (bool, error) {
	m := t.reference()
	if m.unified {
		raw, err := os.ReadFile(filepath.Join(m.path, group, "cgroup.events"))
		return strings.Contains(string(raw), "frozen 1"), err
	}
	raw, err := os.ReadFile(filepath.Join(m.path, group, "freezer.state"))
	return strings.TrimSpace(string(raw)) == "FROZEN", err
}
