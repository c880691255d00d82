// Package components builds every program of the test bed from Go modules and
// keeps the results in the cache. No image, registry or release archive is
// involved: what `go build` can fetch is all there is.
package components

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/valkeeper/valkeeper/testbed/internal/cache"
)

// Versions of what is built. A recipe's own version is in its go.mod.in.
const (
	KubernetesVersion = "v1.37.2"
	containerdVersion = "v2.3.5"
	cniVersion        = "v1.9.0"
	helmVersion       = "v3.22.0"
)

// recipes holds one folder for each program that needs a main package or a
// go.mod of its own. The files end in .in: a go.mod would end this module.
//
//go:embed recipes
var recipes embed.FS

// Component is a program or a few that are built together.
type Component struct {
	Name string
	// Takes says how long the first build takes, for whoever waits.
	Takes string
	// Recipe is a folder under recipes; empty when Packages are installed.
	Recipe   string
	Packages []string
	Tags     string
	LDFlags  string
	// Programs are the files that come out. The first is what a recipe is
	// built as; the others are the same binary under other names.
	Programs []string
}

// All are the components of the bed, the quick ones first so that something
// missing on the machine shows early.
func All() []Component {
	const version = "k8s.io/component-base/version"
	minor := strings.Split(KubernetesVersion, ".")[1]
	return []Component{
		{Name: "pause", Takes: "a second", Recipe: "pause", Programs: []string{"pause"}},
		{
			Name: "cni-plugins", Takes: "10 seconds", Programs: []string{"bridge", "host-local", "loopback"},
			Packages: []string{
				"github.com/containernetworking/plugins/plugins/main/bridge@" + cniVersion,
				"github.com/containernetworking/plugins/plugins/ipam/host-local@" + cniVersion,
				"github.com/containernetworking/plugins/plugins/main/loopback@" + cniVersion,
			},
		},
		{
			Name: "containerd", Takes: "a minute", Tags: "no_btrfs no_devmapper no_zfs",
			Programs: []string{"containerd", "containerd-shim-runc-v2", "ctr"},
			Packages: []string{
				"github.com/containerd/containerd/v2/cmd/containerd@" + containerdVersion,
				"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2@" + containerdVersion,
				"github.com/containerd/containerd/v2/cmd/ctr@" + containerdVersion,
			},
		},
		etcd(),
		{Name: "coredns", Takes: "a minute", Recipe: "coredns", Programs: []string{"coredns"}},
		{Name: "provisioner", Takes: "a minute", Recipe: "provisioner", Programs: []string{"provisioner"}},
		{
			Name: "helm", Takes: "a minute", Programs: []string{"helm"},
			Packages: []string{"helm.sh/helm/v3/cmd/helm@" + helmVersion},
			LDFlags:  "-X helm.sh/helm/v3/internal/version.version=" + helmVersion,
		},
		{
			Name: "kubernetes", Takes: "7 minutes on two cores", Recipe: "kubernetes",
			LDFlags: fmt.Sprintf("-X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitMinor=%[3]s", version, KubernetesVersion, minor),
			Programs: []string{
				"kube", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl",
			},
		},
	}
}

func etcd() Component {
	return Component{Name: "etcd", Takes: "a minute", Recipe: "etcd", Programs: []string{"etcd"}}
}

// ForAPIServer are the components that the light mode needs: an API server
// and its store, nothing that runs a pod.
func ForAPIServer() []Component {
	all := All()
	return []Component{etcd(), all[len(all)-1]}
}

// key names the component's folder in the cache by all that it is made from.
func (c Component) key() (string, error) {
	parts := []string{runtime.Version(), runtime.GOARCH, c.Tags, c.LDFlags}
	parts = append(parts, c.Packages...)
	parts = append(parts, c.Programs...)
	if c.Recipe != "" {
		files, err := c.recipeFiles()
		if err != nil {
			return "", err
		}
		for _, file := range files {
			raw, err := fs.ReadFile(recipes, file)
			if err != nil {
				return "", err
			}
			parts = append(parts, file, string(raw))
		}
	}
	return cache.Key(c.Name, parts...), nil
}

func (c Component) recipeFiles() ([]string, error) {
	return fs.Glob(recipes, path.Join("recipes", c.Recipe, "*.in"))
}

// build makes the component's programs in a folder.
func (c Component) build(ctx context.Context, dir string) error {
	if c.Recipe == "" {
		return c.install(ctx, dir)
	}
	source, err := os.MkdirTemp("", "valkeeper-build-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(source)
	files, err := c.recipeFiles()
	if err != nil {
		return err
	}
	for _, file := range files {
		raw, err := fs.ReadFile(recipes, file)
		if err != nil {
			return err
		}
		target := filepath.Join(source, strings.TrimSuffix(path.Base(file), ".in"))
		if err := os.WriteFile(target, raw, 0o644); err != nil {
			return err
		}
	}
	binary := filepath.Join(dir, c.Programs[0])
	if err := c.run(ctx, source, dir, "build", "-o", binary, "."); err != nil {
		return err
	}
	for _, name := range c.Programs[1:] {
		if err := cache.Link(binary, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (c Component) install(ctx context.Context, dir string) error {
	for _, pkg := range c.Packages {
		if err := c.run(ctx, dir, dir, "install", pkg); err != nil {
			return err
		}
	}
	return nil
}

// run calls the go command with what every component shares: static binaries
// without paths of this machine in them, and nothing of the caller's workspace.
func (c Component) run(ctx context.Context, workdir, bin, verb string, args ...string) error {
	command := []string{verb, "-trimpath", "-ldflags", strings.TrimSpace("-s -w " + c.LDFlags)}
	if c.Tags != "" {
		command = append(command, "-tags", c.Tags)
	}
	cmd := exec.CommandContext(ctx, "go", append(command, args...)...)
	cmd.Dir = workdir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOBIN="+bin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s with go %s: %w (no network, or a module proxy that does not answer? see `go env GOPROXY`)\n%s", c.Name, verb, err, out)
	}
	return nil
}
