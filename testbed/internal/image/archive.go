// Package image writes container images as docker archives, without Docker:
// a tar that holds one layer, its configuration and a manifest. The same files
// always give the same bytes, so an image is known by its hash.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Image is what goes into an archive.
type Image struct {
	// References are the full names, with registry and tag.
	References []string
	// Root is a folder whose content becomes the root file system; may be empty.
	Root string
	// Files are put in beside, or over, what Root holds.
	Files      []File
	Entrypoint []string
	Command    []string
	User       string
	WorkingDir string
	Env        []string
}

// File is one file of this machine, and its place in the image; with a
// directory's mode (fs.ModeDir) it is an empty directory.
type File struct {
	Source      string
	Destination string
	Mode        fs.FileMode
	// Content is used instead of Source when Source is empty.
	Content []byte
}

// epoch is the one time that every file has, so that archives compare equal.
var epoch = time.Unix(0, 0).UTC()

// Write writes the archive to a file, atomically.
func (i Image) Write(target string) error {
	half, err := os.CreateTemp(filepath.Dir(target), filepath.Base(target)+".*.half")
	if err != nil {
		return err
	}
	defer os.Remove(half.Name())
	defer half.Close()
	if err := i.write(half); err != nil {
		return fmt.Errorf("image %s: %w", strings.Join(i.References, ", "), err)
	}
	if err := half.Close(); err != nil {
		return err
	}
	return os.Rename(half.Name(), target)
}

func (i Image) write(out io.Writer) error {
	layer, err := os.CreateTemp("", "valkeeper-layer-*")
	if err != nil {
		return err
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	digest := sha256.New()
	if err := i.writeLayer(io.MultiWriter(layer, digest)); err != nil {
		return err
	}
	layerID := hex.EncodeToString(digest.Sum(nil))
	config, err := i.config(layerID)
	if err != nil {
		return err
	}
	configSum := sha256.Sum256(config)
	configName := hex.EncodeToString(configSum[:]) + ".json"
	layerName := layerID + "/layer.tar"
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": i.References, "Layers": []string{layerName},
	}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(out)
	if err := writeBytes(archive, "manifest.json", manifest); err != nil {
		return err
	}
	if err := writeBytes(archive, configName, config); err != nil {
		return err
	}
	size, err := layer.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: layerName, Mode: 0o644, Size: size, ModTime: epoch}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, layer); err != nil {
		return err
	}
	return archive.Close()
}

func (i Image) config(layerID string) ([]byte, error) {
	env := i.Env
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		env = append(slices.Clone(env), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	return json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"created":      epoch.Format(time.RFC3339),
		"config": map[string]any{
			"Entrypoint": i.Entrypoint, "Cmd": i.Command, "User": i.User, "WorkingDir": i.WorkingDir, "Env": env,
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerID}},
		"history": []map[string]any{{"created": epoch.Format(time.RFC3339), "created_by": "valkeeper testbed"}},
	})
}

func writeBytes(w *tar.Writer, name string, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: epoch}); err != nil {
		return err
	}
	_, err := io.Copy(w, bytes.NewReader(content))
	return err
}

func (i Image) writeLayer(out io.Writer) error {
	w := tar.NewWriter(out)
	seen := map[string]bool{}
	if i.Root != "" {
		if err := writeTree(w, i.Root, seen); err != nil {
			return err
		}
	}
	files := slices.Clone(i.Files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Destination, b.Destination) })
	for _, file := range files {
		if err := writeFile(w, file, seen); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeTree copies a folder. WalkDir goes in lexical order: always the same.
func writeTree(w *tar.Writer, root string, seen map[string]bool) error {
	return filepath.WalkDir(root, func(file string, _ fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		info, err := os.Lstat(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(file); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		plain(header, name)
		if info.IsDir() {
			header.Name += "/"
			seen[name] = true
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		return copyInto(w, file)
	})
}

// plain takes from a header what differs between machines: owner and times.
func plain(header *tar.Header, name string) {
	header.Name = name
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	header.ModTime, header.AccessTime, header.ChangeTime = epoch, time.Time{}, time.Time{}
	header.Format = tar.FormatUSTAR
	if len(name) > 95 || len(header.Linkname) > 95 {
		header.Format = tar.FormatPAX
	}
}

func writeFile(w *tar.Writer, file File, seen map[string]bool) error {
	name := strings.TrimPrefix(path.Clean("/"+file.Destination), "/")
	if err := writeParents(w, path.Dir(name), seen); err != nil {
		return err
	}
	mode := file.Mode
	if mode.IsDir() {
		seen[name] = true
		header := &tar.Header{Typeflag: tar.TypeDir, Mode: tarMode(mode)}
		plain(header, name+"/")
		return w.WriteHeader(header)
	}
	if file.Source == "" {
		header := &tar.Header{Typeflag: tar.TypeReg, Mode: int64(mode.Perm()), Size: int64(len(file.Content))}
		plain(header, name)
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err := w.Write(file.Content)
		return err
	}
	info, err := os.Stat(file.Source)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", file.Source)
	}
	if mode == 0 {
		mode = info.Mode().Perm() | 0o444
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Mode: int64(mode.Perm()), Size: info.Size()}
	plain(header, name)
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	return copyInto(w, file.Source)
}

// tarMode is the permission bits with the sticky bit, as tar writes them.
func tarMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

func writeParents(w *tar.Writer, dir string, seen map[string]bool) error {
	if dir == "." || dir == "" || seen[dir] {
		return nil
	}
	if err := writeParents(w, path.Dir(dir), seen); err != nil {
		return err
	}
	seen[dir] = true
	header := &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}
	plain(header, dir+"/")
	return w.WriteHeader(header)
}

func copyInto(w io.Writer, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}
