package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func sample(t *testing.T, age time.Duration) Image {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, "usr/bin/program")
	if err := os.WriteFile(program, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("usr/bin", filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(-age)
	if err := os.Chtimes(program, when, when); err != nil {
		t.Fatal(err)
	}
	return Image{
		References: []string{"registry.test/a:1", "registry.test/a:2"}, Root: root, User: "999:999", Entrypoint: []string{"/bin/program"},
		Files: []File{
			{Destination: "/etc/deep/file", Content: []byte("content"), Mode: 0o600},
			{Destination: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		},
	}
}

func written(t *testing.T, i Image) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := i.Write(path); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func entries(t *testing.T, raw []byte) map[string]struct {
	header *tar.Header
	body   []byte
} {
	t.Helper()
	all := map[string]struct {
		header *tar.Header
		body   []byte
	}{}
	r := tar.NewReader(bytes.NewReader(raw))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[header.Name] = struct {
			header *tar.Header
			body   []byte
		}{header, body}
	}
}

func TestTheSameFilesGiveTheSameBytes(t *testing.T) {
	if !bytes.Equal(written(t, sample(t, 0)), written(t, sample(t, time.Hour))) {
		t.Fatal("two archives of the same content differ")
	}
}

func TestAnArchiveHoldsManifestConfigurationAndLayer(t *testing.T) {
	archive := entries(t, written(t, sample(t, 0)))
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(archive["manifest.json"].body, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || len(manifest[0].RepoTags) != 2 || len(manifest[0].Layers) != 1 {
		t.Fatalf("manifest: %+v", manifest)
	}
	if _, ok := archive[manifest[0].Config]; !ok {
		t.Fatalf("no configuration named %s", manifest[0].Config)
	}
	layer := entries(t, archive[manifest[0].Layers[0]].body)
	for name, want := range map[string]struct {
		kind byte
		mode int64
	}{
		"usr/bin/program": {tar.TypeReg, 0o755},
		"bin":             {tar.TypeSymlink, 0o777},
		"etc/deep/":       {tar.TypeDir, 0o755},
		"etc/deep/file":   {tar.TypeReg, 0o600},
		"tmp/":            {tar.TypeDir, 0o1777},
	} {
		got, ok := layer[name]
		if !ok || got.header.Typeflag != want.kind || got.header.Mode != want.mode || got.header.Uid != 0 {
			t.Errorf("%s: %+v", name, got.header)
		}
	}
}
