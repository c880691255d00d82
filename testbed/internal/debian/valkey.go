package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/valkeeper/valkeeper/testbed/internal/cache"
)

// suites are where each version of Valkey is packaged, the first one first.
var suites = map[string][]string{
	"9.1": {"forky", "sid"},
	"8.1": {"trixie"},
}

// Versions of Valkey that can be had.
func Versions() []string { return []string{"8.1", "9.1"} }

// recipe changes when the way a root file system is made does: what older
// recipes made is then no longer used.
const recipe = "2"

// loader is the dynamic loader inside a root file system: started by its path
// it runs the root's programs on any host, whatever libc that has.
const loader = "usr/lib64/ld-linux-x86-64.so.2"

const libraries = "usr/lib/x86_64-linux-gnu"

// ValkeyRoot returns the folder of an unpacked Valkey, fetched when absent.
func ValkeyRoot(ctx context.Context, store cache.Store, version string, progress io.Writer) (string, error) {
	from, known := suites[version]
	if !known {
		return "", fmt.Errorf("no Valkey %q to be had; there are %s", version, strings.Join(Versions(), " and "))
	}
	key := cache.Key("valkey-"+version, recipe)
	if !store.Has(key) {
		fmt.Fprintf(progress, "fetching Valkey %s from Debian %s (about half a minute, once)\n", version, strings.Join(from, " and "))
	}
	return store.Ensure(ctx, key, func(ctx context.Context, dir string) error {
		return fetchValkey(ctx, version, from, dir)
	})
}

func fetchValkey(ctx context.Context, version string, from []string, root string) error {
	work, err := os.MkdirTemp("", "valkeeper-debian-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	a, err := openArchive(ctx, work, from)
	if err != nil {
		return err
	}
	packages := []string{"valkey-server", "valkey-sentinel", "valkey-tools", "busybox-static", "util-linux"}
	// Asked for by maintainer scripts, which never run here.
	except := []string{"systemd", "libsystemd-shared", "libc-gconv-modules-extra", "adduser", "debconf", "perl-base", "init-system-helpers"}
	if err := a.unpack(ctx, packages, except, root); err != nil {
		return err
	}
	if err := finishRoot(root); err != nil {
		return fmt.Errorf("root file system of Valkey %s: %w", version, err)
	}
	got, err := ValkeyVersion(ctx, root)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(got, version+".") {
		return fmt.Errorf("Debian %s has Valkey %s, not %s", strings.Join(from, ", "), got, version) //nolint:staticcheck // a name
	}
	return nil
}

// finishRoot makes what packages leave to the installer: the links of a merged
// /usr, a shell, a user, and the loader under its well-known name.
func finishRoot(root string) error {
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := mergeUsr(root, dir); err != nil {
			return err
		}
	}
	if err := ensureLoader(root); err != nil {
		return err
	}
	busybox := filepath.Join(root, "usr/bin/busybox")
	if _, err := os.Stat(busybox); err != nil {
		return fmt.Errorf("busybox is not where it was expected: %w", err)
	}
	for _, tool := range []string{"sh", "cat", "ls", "sleep", "env", "id", "nslookup", "wget", "nc", "ps", "kill", "grep", "head", "tail", "date", "hostname", "ip", "mkdir", "rm", "cp", "mv", "touch", "test", "true", "false", "echo", "dd", "df", "du", "wc", "sync", "chmod", "timeout", "stat", "readlink", "sed", "awk", "tr", "sort", "cut", "printf", "ping", "vi", "expr", "basename", "dirname", "tee", "xargs", "find", "seq", "uname"} {
		link := filepath.Join(root, "usr/bin", tool)
		if err := os.Symlink("busybox", link); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return writeAccounts(root)
}

func mergeUsr(root, dir string) error {
	real, link := filepath.Join(root, "usr", dir), filepath.Join(root, dir)
	if err := os.MkdirAll(real, 0o755); err != nil {
		return err
	}
	info, err := os.Lstat(link)
	if err == nil && info.IsDir() {
		// A package that still ships files outside /usr.
		if err := os.CopyFS(real, os.DirFS(link)); err != nil {
			return fmt.Errorf("merging /%s into /usr: %w", dir, err)
		}
		if err := os.RemoveAll(link); err != nil {
			return err
		}
	}
	if err := os.Symlink("usr/"+dir, link); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func ensureLoader(root string) error {
	link := filepath.Join(root, loader)
	if _, err := os.Stat(link); err == nil {
		if target, err := os.Readlink(link); err != nil || !filepath.IsAbs(target) {
			return nil //nolint:nilerr // a plain file, or a link that stays in the root
		}
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// Relative, so that it holds wherever the root is.
	if err := os.Symlink("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", link); err != nil {
		return err
	}
	if _, err := os.Stat(link); err != nil {
		return fmt.Errorf("libc's loader is not where it was expected (only amd64 is known here): %w", err)
	}
	return nil
}

func writeAccounts(root string) error {
	files := map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nvalkey:x:999:999:valkey:/data:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"etc/group":         "root:x:0:\nvalkey:x:999:\nnogroup:x:65534:\n",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	}
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for dir, mode := range map[string]os.FileMode{"data": 0o777, "tmp": 0o777 | os.ModeSticky, "proc": 0o755, "sys": 0o755, "dev": 0o755} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(root, dir), mode); err != nil {
			return err
		}
	}
	return nil
}

// Command is how a program of a root file system is run on the host.
func Command(root, program string, args ...string) []string {
	return slices.Concat([]string{
		filepath.Join(root, loader), "--library-path", filepath.Join(root, libraries), filepath.Join(root, "usr/bin", program),
	}, args)
}

var versionText = regexp.MustCompile(`v=([0-9]+\.[0-9]+\.[0-9]+)`)

// ValkeyVersion asks the server in a root file system for its full version; it
// also proves that the server runs there.
func ValkeyVersion(ctx context.Context, root string) (string, error) {
	command := Command(root, "valkey-server", "--version")
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("valkey-server of %s does not run: %w: %s", root, err, lastLines(string(out), 5))
	}
	match := versionText.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("valkey-server of %s says %q, which holds no version", root, out)
	}
	return string(match[1]), nil
}
