package bed

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// kubeletSysctls are settings of the whole machine that every kubelet changes
// when it starts; `down` puts them back.
var kubeletSysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

func sysctlsPath() string { return filepath.Join(runDir, "sysctls.json") }

func rememberSysctls() error {
	if _, err := os.Stat(sysctlsPath()); err == nil {
		return nil
	}
	values := map[string]string{}
	for _, name := range kubeletSysctls {
		raw, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err == nil {
			values[name] = string(raw)
		}
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return err
	}
	return os.WriteFile(sysctlsPath(), raw, 0o644)
}

func restoreSysctls() error {
	raw, err := os.ReadFile(sysctlsPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	values := map[string]string{}
	if err := json.Unmarshal(raw, &values); err != nil {
		return err
	}
	var failures []error
	for name, value := range values {
		failures = append(failures, os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644))
	}
	return errors.Join(failures...)
}
