package debian

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	keyring         = "/usr/share/keyrings/debian-archive-keyring.gpg"
	fallbackArchive = "http://deb.debian.org/debian"
)

// archive is a private view of Debian's archive: own sources, lists and
// downloads, and the host's settings for all else (proxies, certificates).
type archive struct{ dir string }

// openArchive prepares a view of some suites in a folder and reads their lists.
func openArchive(ctx context.Context, dir string, suites []string) (archive, error) {
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return archive{}, fmt.Errorf("Valkey comes from Debian's packages, and %s is not here: %w", program, ErrNotDebian) //nolint:staticcheck // a name
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return archive{}, fmt.Errorf("%s is not here, so Debian's packages cannot be verified: apt-get install debian-archive-keyring: %w", keyring, err)
	}
	a := archive{dir: dir}
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return archive{}, err
		}
	}
	var sources strings.Builder
	mirror := mirrorOf(ctx)
	for _, suite := range suites {
		fmt.Fprintf(&sources, "deb [signed-by=%s] %s %s main\n", keyring, mirror, suite)
	}
	for name, content := range map[string]string{"sources.list": sources.String(), "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return archive{}, err
		}
	}
	if err := aptGet(ctx, a.options("update")...); err != nil {
		return archive{}, fmt.Errorf("reading the package lists of Debian %s from %s (no network, or no such suite there?): %w", strings.Join(suites, ", "), mirror, err)
	}
	return a, nil
}

// mirrorOf is the mirror that this host takes Debian from, so that what works
// for the host works here; the general one where the host is no Debian.
func mirrorOf(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(REPO_URI)").Output()
	if err != nil {
		return fallbackArchive
	}
	return parseMirror(string(out))
}

func parseMirror(targets string) string {
	for line := range strings.SplitSeq(targets, "\n") {
		fields := strings.Split(strings.TrimSpace(line), "|")
		if len(fields) == 4 && slices.Equal(fields[:3], []string{"Packages", "Debian", "Debian"}) {
			return strings.TrimSuffix(fields[3], "/")
		}
	}
	return fallbackArchive
}

func (a archive) options(args ...string) []string {
	return append([]string{
		"-o", "Dir::Etc::SourceList=" + filepath.Join(a.dir, "sources.list"),
		"-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::Etc::Preferences=/dev/null",
		"-o", "Dir::Etc::PreferencesParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(a.dir, "lists"),
		// An empty list of what is installed: every dependency is fetched.
		"-o", "Dir::State::status=" + filepath.Join(a.dir, "status"),
		"-o", "Dir::Cache=" + a.dir,
		"-o", "APT::Sandbox::User=",
		"-o", "APT::Default-Release=",
		"-o", "APT::Install-Recommends=false",
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "Debug::NoLocking=1",
	}, args...)
}

// unpack downloads packages with all they depend on, except those that are of
// no use in a container, and unpacks them into a folder.
func (a archive) unpack(ctx context.Context, packages, except []string, root string) error {
	args := append([]string{"install", "-y", "--download-only"}, packages...)
	if err := aptGet(ctx, a.options(args...)...); err != nil {
		return fmt.Errorf("downloading %s: %w", strings.Join(packages, ", "), err)
	}
	files, err := filepath.Glob(filepath.Join(a.dir, "archives", "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), "_")
		if slices.Contains(except, name) {
			continue
		}
		out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", file, root).CombinedOutput()
		if err != nil {
			return fmt.Errorf("unpacking %s: %w: %s", filepath.Base(file), err, lastLines(string(out), 5))
		}
	}
	return nil
}
