// Package debian takes from Debian's archive what Go modules cannot give: a
// few programs for the host, and Valkey itself, which is never installed but
// unpacked into a folder, because it needs a newer libc than most hosts have.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// hostPrograms are the programs called on the host, and their packages.
var hostPrograms = []struct{ program, pkg string }{
	{"runc", "runc"},
	{"ip", "iproute2"},
	{"nft", "nftables"},
	{"nsenter", "util-linux"},
	{"unshare", "util-linux"},
	{"mount", "mount"},
}

// EnsureHostPrograms installs what the host lacks and says so.
func EnsureHostPrograms(ctx context.Context, progress io.Writer) error {
	var programs, packages []string
	for _, need := range hostPrograms {
		if _, err := exec.LookPath(need.program); err == nil {
			continue
		}
		programs = append(programs, need.program)
		if !slices.Contains(packages, need.pkg) {
			packages = append(packages, need.pkg)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	list := strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("the host lacks %s and has no apt-get: install what gives you these (on Debian: %s)", strings.Join(programs, ", "), list)
	}
	fmt.Fprintf(progress, "installing what the host lacks: apt-get install %s\n", list)
	args := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if err := aptGet(ctx, args...); err == nil {
		return nil
	}
	// The usual reason for a failure: package lists that are old or absent.
	if err := aptGet(ctx, "update"); err != nil {
		return fmt.Errorf("cannot refresh the package lists (no network?), so %s cannot be installed: %w", list, err)
	}
	if err := aptGet(ctx, args...); err != nil {
		return fmt.Errorf("cannot install %s: %w", list, err)
	}
	return nil
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, lastLines(string(out), 15))
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// ErrNotDebian says that the host cannot fetch Debian's packages.
var ErrNotDebian = errors.New("not a Debian-like host")
