// Package process starts long-lived processes that outlive the command that
// started them, and finds and ends them again later.
//
// A process is known by its id *and* its start time: ids are reused, and a
// test bed that kills whatever holds an old id kills strangers.
package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Record is what is kept of a started process, in a file named after it.
type Record struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// StartTicks is field 22 of /proc/PID/stat: clock ticks since boot.
	StartTicks uint64 `json:"startTicks"`
	// Boot is the kernel's boot id, because ticks start again at each boot.
	Boot string   `json:"boot"`
	Args []string `json:"args"`
	Log  string   `json:"log"`
}

// BootID names the current boot of the kernel.
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading the kernel's boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// Alive tells whether this very process still runs. A zombie does not: nothing
// of it is left but an exit code.
func (r Record) Alive() bool {
	boot, err := BootID()
	if err != nil || boot != r.Boot {
		return false
	}
	state, ticks, err := stat(r.PID)
	return err == nil && ticks == r.StartTicks && state != "Z" && state != "X"
}

// stat reads the state and the start time of a process.
func stat(pid int) (state string, startTicks uint64, err error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0, err
	}
	return parseStat(string(raw))
}

func parseStat(raw string) (state string, startTicks uint64, err error) {
	// The second field is the command's name in brackets, and may itself hold
	// spaces and brackets: what counts begins after the last one.
	end := strings.LastIndexByte(raw, ')')
	if end < 0 {
		return "", 0, fmt.Errorf("no command name in process status %q", raw)
	}
	fields := strings.Fields(raw[end+1:])
	const stateField, startField = 0, 19
	if len(fields) <= startField {
		return "", 0, fmt.Errorf("process status %q is too short", raw)
	}
	startTicks, err = strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("start time in process status %q: %w", raw, err)
	}
	return fields[stateField], startTicks, nil
}

// Book is a folder of records, one file for each process.
type Book struct{ Dir string }

func (b Book) path(name string) string { return filepath.Join(b.Dir, name+".json") }

// Find returns the record kept under a name; absent is no error.
func (b Book) Find(name string) (record Record, found bool, err error) {
	raw, err := os.ReadFile(b.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("reading the record of process %s: %w", name, err)
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		return Record{}, false, fmt.Errorf("record of process %s in %s: %w", name, b.path(name), err)
	}
	return record, true, nil
}

// All returns every record, in the order of the names.
func (b Book) All() ([]Record, error) {
	files, err := filepath.Glob(b.path("*"))
	if err != nil {
		return nil, err
	}
	var records []Record
	for _, file := range files {
		record, found, err := b.Find(strings.TrimSuffix(filepath.Base(file), ".json"))
		if err != nil {
			return nil, err
		}
		if found {
			records = append(records, record)
		}
	}
	return records, nil
}

func (b Book) write(record Record) error {
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	// Renamed into place: a crash in the middle must not leave half a record.
	half := b.path(record.Name) + ".half"
	if err := os.WriteFile(half, raw, 0o644); err != nil {
		return err
	}
	return os.Rename(half, b.path(record.Name))
}

// Forget removes the record of a process that has ended.
func (b Book) Forget(name string) error {
	if err := os.Remove(b.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
