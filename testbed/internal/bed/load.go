package bed

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/valkeeper/valkeeper/testbed/internal/image"
	"github.com/valkeeper/valkeeper/testbed/internal/network"
)

// Load says which image to give to the nodes: an archive, or one binary with
// a few files beside it.
type Load struct {
	Name       string
	Tar        string
	Binary     string
	Files      []string
	Entrypoint []string
	User       string
}

// LoadImage gives every running node an image; one it has already costs nothing.
func (b *Bed) LoadImage(ctx context.Context, load Load) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := b.requireUp(); err != nil {
		return err
	}
	tarball := load.Tar
	if load.Binary != "" {
		made, err := load.image()
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "valkeeper-image-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		tarball = filepath.Join(dir, "image.tar")
		if err := made.Write(tarball); err != nil {
			return err
		}
	}
	a, err := openArchive(tarball, []string{load.Name})
	if err != nil {
		return err
	}
	return b.importEverywhere(ctx, a)
}

func (l Load) image() (image.Image, error) {
	program := "/" + filepath.Base(l.Binary)
	made := image.Image{
		References: []string{l.Name}, User: l.User, Entrypoint: l.Entrypoint,
		Files: []image.File{
			{Source: l.Binary, Destination: program, Mode: 0o755},
			{Destination: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		},
	}
	if len(made.Entrypoint) == 0 {
		made.Entrypoint = []string{program}
	}
	for _, file := range l.Files {
		source, destination, ok := strings.Cut(file, ":")
		if !ok {
			return image.Image{}, fmt.Errorf("--file %q is not SOURCE:DESTINATION", file)
		}
		made.Files = append(made.Files, image.File{Source: source, Destination: destination})
	}
	return made, nil
}

// ctrImport streams an archive into a node's containerd.
func (b *Bed) ctrImport(ctx context.Context, node network.Node, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	args := append(nsenter(b.on(node)), "/run/testbed/bin/ctr", "--address", "/run/containerd/containerd.sock",
		"--namespace", "k8s.io", "images", "import", "--local", "-")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdin = "/", file
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr images import: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
