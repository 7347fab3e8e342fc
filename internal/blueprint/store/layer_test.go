package store

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// unlayer unpacks an archive as a layer into a fresh tree.
func unlayer(t *testing.T, archive []byte, sum blueprint.Digest) (dir string, entries []entry, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "outer", "tree")
	if err := os.MkdirAll(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	name := filepath.Join(t.TempDir(), "layer")
	if err := os.WriteFile(name, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m, end := start(t.Context(), nil, Step{})
	defer end(nil)
	u := unlayering{
		blob: blueprint.Blob{Title: "test", Digest: sum}, root: root, meter: m, folded: map[string]string{}, buf: make([]byte, 128<<10),
		bounds: bounds{tarball: 1 << 20, file: 1 << 20, pkg: 2 << 20, files: 20, name: 100},
	}
	err = u.run(t.Context(), file)
	return dir, u.entries, err
}

// TestLayerRefused: nothing of a layer is unpacked that could reach out of its
// place, be something else than a file, a folder or a link within, raise rights,
// hide another entry, or fill the disk.
func TestLayerRefused(t *testing.T) {
	kind := func(name string, typeflag byte, link string) tar.Header {
		return tar.Header{Name: name, Typeflag: typeflag, Linkname: link, Mode: 0o644}
	}
	mode := func(name string, mode int64) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}
	}
	folder := kind("d/", tar.TypeDir, "")
	many := make([]any, 0, 30)
	for i := range 30 {
		many = append(many, tarFile(strings.Repeat("x", i+1), ""))
	}
	for what, c := range map[string]struct {
		parts []any
		why   string // "": it is taken
	}{
		"files, folders and links":      {[]any{folder, tarFile("d/f", "x"), kind("d/l", tar.TypeSymlink, "f"), kind("l", tar.TypeSymlink, "d/f"), kind("d/up", tar.TypeSymlink, "../l")}, ""},
		"into a folder of an older one": {[]any{kind("taken/", tar.TypeDir, ""), tarFile("taken/f", "x")}, ""},
		"traversal":                     {[]any{tarFile("../escaped", "x")}, "not a place inside"},
		"traversal within":              {[]any{folder, tarFile("d/../../escaped", "x")}, "not a place inside"},
		"absolute":                      {[]any{tarFile("/escaped", "x")}, "not a place inside"},
		"dot":                           {[]any{tarFile("./f", "x")}, "not a place inside"},
		"double slash":                  {[]any{folder, tarFile("d//f", "x")}, "not a place inside"},
		"control character":             {[]any{tarFile("a\x1b[2J", "x")}, "not a place inside"},
		"long name":                     {[]any{tarFile(strings.Repeat("n", 200), "x")}, "longer than"},
		"link out":                      {[]any{kind("l", tar.TypeSymlink, "../escaped")}, "out of the content"},
		"link out, absolute":            {[]any{kind("l", tar.TypeSymlink, "/etc/passwd")}, "out of the content"},
		"link out, through a folder":    {[]any{folder, kind("d/l", tar.TypeSymlink, "../../escaped")}, "out of the content"},
		"link up after down":            {[]any{folder, kind("l", tar.TypeSymlink, "d/../../escaped")}, "a link to"},
		"link, written through":         {[]any{folder, kind("l", tar.TypeSymlink, "d"), tarFile("l/f", "x")}, "is no folder"},
		"no folder above":               {[]any{tarFile("nowhere/f", "x")}, "is no folder"},
		"hard link":                     {[]any{tarFile("f", "x"), kind("h", tar.TypeLink, "f")}, "neither file"},
		"character device":              {[]any{kind("null", tar.TypeChar, "")}, "neither file"},
		"block device":                  {[]any{kind("sda", tar.TypeBlock, "")}, "neither file"},
		"FIFO":                          {[]any{kind("pipe", tar.TypeFifo, "")}, "neither file"},
		"setuid":                        {[]any{mode("f", 0o4755)}, "setuid"},
		"setgid folder":                 {[]any{tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o2755}}, "setuid"},
		"sticky":                        {[]any{mode("f", 0o1644)}, "setuid"},
		"duplicate":                     {[]any{tarFile("f", "x"), tarFile("f", "x")}, "twice"},
		"differs by case":               {[]any{tarFile("File", "x"), tarFile("file", "y")}, "by case alone"},
		"folders that differ by case":   {[]any{kind("D/", tar.TypeDir, ""), folder}, "by case alone"},
		"file in a folder's place":      {[]any{tarFile("taken", "x")}, "in the place of"},
		"link in a folder's place":      {[]any{kind("taken", tar.TypeSymlink, "f")}, "in the place of"},
		"zip bomb":                      {[]any{tarFile("bomb", strings.Repeat("0", 5<<20))}, "too large"},
		"many bytes":                    {[]any{tarFile("1", strings.Repeat("0", 900<<10)), tarFile("2", strings.Repeat("0", 900<<10)), tarFile("3", strings.Repeat("0", 900<<10))}, "too large"},
		"more files than there may be":  {many, "more than"},
	} {
		t.Run(what, func(t *testing.T) {
			archive := tgz(t, c.parts...)
			dir, entries, err := unlayer(t, archive, blueprint.Sum(archive))
			var hostile *Hostile
			switch {
			case c.why == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.why == "" && len(entries) == 0:
				t.Error("nothing was unpacked")
			case c.why != "" && (!errors.As(err, &hostile) || !strings.Contains(err.Error(), c.why)):
				t.Errorf("got %v, want it refused as %q", err, c.why)
			}
			if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "escaped")); err == nil {
				t.Error("escaped")
			}
		})
	}
}

// TestLayerSwapped: bytes that are not those of the digest are found before
// anything is unpacked.
func TestLayerSwapped(t *testing.T) {
	good, evil := tgz(t, tarFile("f", "good")), tgz(t, tarFile("f", "evil"))
	var mismatch *blueprint.Mismatch
	for what, body := range map[string][]byte{"another layer": evil, "truncated": good[:len(good)-1], "longer": append(good[:len(good):len(good)], 'x')} {
		dir, _, err := unlayer(t, body, blueprint.Sum(good))
		if _, there := os.Lstat(filepath.Join(dir, "f")); !errors.As(err, &mismatch) || there == nil {
			t.Errorf("%s: %v, unpacked: %v", what, err, there == nil)
		}
	}
	if _, _, err := unlayer(t, good, blueprint.Sum(good)); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// FuzzLayer: whatever a layer says, what is unpacked is files, folders and
// links below the tree, with plain modes, and what the index says.
func FuzzLayer(f *testing.F) {
	f.Add([]byte("no gzip"))
	f.Add(tgz(f, tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}, tarFile("d/f", "x"), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d/f"}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		dir, entries, err := unlayer(t, archive, blueprint.Sum(archive))
		if err == nil {
			index, parseErr := parseTree(encodeTree(entries))
			if parseErr != nil || len(index) != len(entries) {
				t.Errorf("the index is not read back: %v", parseErr)
			}
		}
		above, readErr := os.ReadDir(filepath.Dir(dir))
		if readErr != nil || len(above) != 1 {
			t.Errorf("beside the tree: %v, %v", above, readErr)
		}
	})
}

// TestWhole: a cached blueprint is opened without its layers, and can be had
// with them; a damaged or a missing one is named.
func TestWhole(t *testing.T) {
	made, err := blueprint.Build(fstest.MapFS{
		blueprint.RecipeFile: {Data: []byte("format: 1\nname: demo\nversion: 1.0.0\npublished: 2026-01-02\nneeds: 0.1.0\nbase: system\n" +
			"platforms: [linux/amd64]\nlogin: [/bin/sh]\npolicies: {network: n.yaml, inference: n.yaml}\nfiles: [{path: f, file: n.yaml}]\n")},
		"n.yaml": {Data: []byte("unlisted: deny\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenWith(t.TempDir(), Options{Builtin: []blueprint.Artifact{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(t.Context(), made, Any); err != nil {
		t.Fatal(err)
	}
	info, err := s.Inspect(blueprint.Ref{Name: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	layer := made.Manifest.Layers[0].Digest
	if _, there := info.Artifact.Blobs[layer]; there {
		t.Fatal("the layer is in memory: nothing is tested")
	}
	whole, err := s.Whole(info.Artifact)
	if err != nil || blueprint.Sum(whole.Blobs[layer]) != layer {
		t.Fatalf("%v", err)
	}
	var mismatch *blueprint.Mismatch
	if err := os.WriteFile(s.blobPath(layer), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Whole(info.Artifact); !errors.As(err, &mismatch) || mismatch.Want != layer {
		t.Errorf("damaged: %v", err)
	}
	if err := os.Remove(s.blobPath(layer)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Whole(info.Artifact); !errors.As(err, &mismatch) || mismatch.Want != layer {
		t.Errorf("missing: %v", err)
	}
}
