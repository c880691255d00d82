package bed

import (
	"context"
	"fmt"
	"path"
	"regexp"
)

// VolumeFaults are what can be done to a small volume, by the command's name. It is a
// file system of its own on a node, in memory, so that it can be filled without
// filling the machine's disk, and is lost when the node loses power.
var VolumeFaults = map[string]string{
	"make": "make a small volume in a node's /var/lib/volumes",
	"fill": "fill it to the last byte",
	"free": "take away again what filled it",
	"drop": "remove it with all that is in it",
}

var volumeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// volumeScripts get the folder and the size. Only what is a file system of its own is
// ever filled.
var volumeScripts = map[string]string{
	"make": `mkdir -p "$1" && { mountpoint -q "$1" || mount -t tmpfs -o "size=$2,mode=0777" tmpfs "$1"; }`,
	"fill": `mountpoint -q "$1" && { head -c "$2" /dev/zero >"$1/.filled" 2>/dev/null || true; } && test -s "$1/.filled"`,
	"free": `rm -f "$1/.filled"`,
	"drop": `umount -l "$1" 2>/dev/null; rmdir "$1"`,
}

// Volume does one of VolumeFaults to a volume of a node. size is in the words of
// mount, such as 64m, and matters only to make; nothing is filled by more than that.
func (b *Bed) Volume(ctx context.Context, verb, host, name, size string) error {
	if err := b.requireUp(); err != nil {
		return err
	}
	node, err := b.Plan.Node(host)
	if err != nil {
		return err
	}
	if !volumeName.MatchString(name) {
		return fmt.Errorf("%q cannot be a volume's name: use small letters, digits and dashes", name)
	}
	script, known := volumeScripts[verb]
	if !known {
		return fmt.Errorf("nothing is named %q that can be done to a volume", verb)
	}
	_, err = b.inside(ctx, b.on(node), "sh", "-c", script, "sh", path.Join("/var/lib/volumes", name), size)
	return err
}
