package bed

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// ComponentFaults are what can be done to a program of the bed itself, such as the
// API server, by the command's name.
var ComponentFaults = map[string]string{
	"freeze": "make a program of the bed stand still (SIGSTOP), as when it hangs",
	"thaw":   "let a program of the bed go on",
}

// Component does one of ComponentFaults to a program of the bed, which is known by
// the name that Status shows. It asks no API server, for that may be the one.
func (b *Bed) Component(verb, name string) error {
	if err := b.requireUp(); err != nil {
		return err
	}
	record, found, err := b.book.Find(name)
	if err != nil {
		return err
	}
	if !found {
		records, err := b.book.All()
		return errors.Join(err, fmt.Errorf("no component is named %q; there are: %s", name, strings.Join(names(records), ", ")))
	}
	if !record.Alive() {
		return fmt.Errorf("%s has ended: `testbed up` starts it again", name)
	}
	return syscall.Kill(record.PID, ProcessFaults[verb])
}

// thawAll lets every program of the bed go on that somebody has frozen.
func (b *Bed) thawAll() error {
	records, err := b.book.All()
	for _, record := range records {
		if record.Alive() {
			err = errors.Join(err, syscall.Kill(record.PID, syscall.SIGCONT))
		}
	}
	return err
}
