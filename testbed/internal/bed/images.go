package bed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/valkeeper/valkeeper/testbed/internal/cache"
	"github.com/valkeeper/valkeeper/testbed/internal/debian"
	"github.com/valkeeper/valkeeper/testbed/internal/image"
	"github.com/valkeeper/valkeeper/testbed/internal/network"
)

// Registry is the made-up registry that the bed's images are named after. It
// does not exist: an image that was not loaded cannot be pulled.
const Registry = "registry.valkeeper.test"

// PauseImage holds each pod's namespaces.
const PauseImage = Registry + "/pause:1"

// archive is an image in a file, known by the hash of its bytes.
type archive struct {
	path string
	sum  string
	refs []string
}

type bedImages struct {
	pause  archive
	valkey []archive
}

// imageRecipe changes when the content of the bed's own images does.
const imageRecipe = "1"

// ensureImages makes the bed's own images, or finds them in the cache.
func (b *Bed) ensureImages(ctx context.Context, bin string) error {
	pause, err := b.cachedImage(ctx, cache.Key("image-pause", imageRecipe, filepath.Base(bin)), func(context.Context) (image.Image, error) {
		return image.Image{
			References: []string{PauseImage}, User: "65535:65535", Entrypoint: []string{"/pause"},
			Files: []image.File{{Source: filepath.Join(bin, "pause"), Destination: "/pause", Mode: 0o755}},
		}, nil
	})
	if err != nil {
		return err
	}
	b.images = bedImages{pause: pause}
	for _, version := range debian.Versions() {
		root, err := debian.ValkeyRoot(ctx, b.store, version, b.Out)
		if err != nil {
			return err
		}
		made, err := b.cachedImage(ctx, cache.Key("image-valkey-"+version, imageRecipe, filepath.Base(root)), func(ctx context.Context) (image.Image, error) {
			return valkeyImage(ctx, version, root)
		})
		if err != nil {
			return err
		}
		b.images.valkey = append(b.images.valkey, made)
	}
	return nil
}

func valkeyImage(ctx context.Context, version, root string) (image.Image, error) {
	full, err := debian.ValkeyVersion(ctx, root)
	if err != nil {
		return image.Image{}, err
	}
	return image.Image{
		References: []string{Registry + "/valkey:" + version, Registry + "/valkey:" + full},
		Root:       root, User: "999:999", WorkingDir: "/data", Command: []string{"valkey-server"},
	}, nil
}

func (b *Bed) cachedImage(ctx context.Context, key string, describe func(context.Context) (image.Image, error)) (archive, error) {
	dir, err := b.store.Ensure(ctx, key, func(ctx context.Context, dir string) error {
		made, err := describe(ctx)
		if err != nil {
			return err
		}
		if err := made.Write(filepath.Join(dir, "image.tar")); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "references"), []byte(strings.Join(made.References, "\n")), 0o644)
	})
	if err != nil {
		return archive{}, err
	}
	refs, err := os.ReadFile(filepath.Join(dir, "references"))
	if err != nil {
		return archive{}, err
	}
	return openArchive(filepath.Join(dir, "image.tar"), strings.Split(string(refs), "\n"))
}

func openArchive(path string, refs []string) (archive, error) {
	file, err := os.Open(path)
	if err != nil {
		return archive{}, err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return archive{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return archive{path: path, sum: hex.EncodeToString(sum.Sum(nil)), refs: refs}, nil
}

// importImage gives a node an image, unless it has these very bytes already.
func (b *Bed) importImage(ctx context.Context, node network.Node, a archive) error {
	have, err := b.ctr(ctx, node, "images", "ls", "-q")
	if err != nil {
		return err
	}
	if b.hasImage(node, a, have) {
		return nil
	}
	// A name that pointed elsewhere is moved by the import. The archive is
	// handed over as standard input: the node does not see this machine's files.
	if err := b.ctrImport(ctx, node, a.path); err != nil {
		return fmt.Errorf("giving %s the image %s: %w", node.Name, strings.Join(a.refs, ", "), err)
	}
	for _, ref := range a.refs {
		if err := os.MkdirAll(importedDir(node), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(importedMark(node, ref), []byte(a.sum), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bed) hasImage(node network.Node, a archive, have string) bool {
	present := map[string]bool{}
	for name := range strings.FieldsSeq(have) {
		present[name] = true
	}
	for _, ref := range a.refs {
		mark, err := os.ReadFile(importedMark(node, ref))
		if err != nil || string(mark) != a.sum || !present[ref] {
			return false
		}
	}
	return true
}

// importedDir says which bytes each image name of a node stands for; it is on
// the node's disk, like the images themselves.
func importedDir(node network.Node) string {
	return filepath.Join(nodeDisk(node.Name), "lib", "testbed-images")
}

func importedMark(node network.Node, ref string) string {
	return filepath.Join(importedDir(node), strings.NewReplacer("/", "_", ":", "_").Replace(ref))
}

// importEverywhere gives all running nodes some images, at the same time.
func (b *Bed) importEverywhere(ctx context.Context, images ...archive) error {
	return b.forEachNode(func(node network.Node) error {
		if !network.Exists(node.Namespace()) {
			b.say("%s is stopped: it gets no image", node.Name)
			return nil
		}
		for _, a := range images {
			if err := b.importImage(ctx, node, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// forEachNode does something for all nodes at the same time.
func (b *Bed) forEachNode(do func(network.Node) error) error {
	failures := make([]error, len(b.Plan.Nodes))
	var all sync.WaitGroup
	for i, node := range b.Plan.Nodes {
		all.Go(func() { failures[i] = do(node) })
	}
	all.Wait()
	return errors.Join(failures...)
}
