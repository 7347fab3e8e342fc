package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var known = []string{"sandbox.yaml"}

// TestArchive: what was exported comes back the same, but for pipes.
func TestArchive(t *testing.T) {
	from, to := furnish(t), empty(t)
	must(t, os.Remove(filepath.Join(from, "pipe")), os.Remove(filepath.Join(from, "a/b/second")))
	var out bytes.Buffer
	must(t, Write(t.Context(), &out, Header{Name: "box"}, map[string][]byte{"sandbox.yaml": []byte("name: box\n")}, from))
	h, files, err := Read(t.Context(), bytes.NewReader(out.Bytes()), to, os.Geteuid(), known)
	must(t, err)
	if h.Name != "box" || string(files["sandbox.yaml"]) != "name: box\n" {
		t.Errorf("%+v, %q", h, files)
	}
	inside := func(dir string) (all []string) { // the folder itself is not the archive's, nor the times of links
		for _, line := range told(t, dir) {
			if before, target, link := strings.Cut(line, " → "); link {
				line = before[:strings.LastIndex(before, " ")] + target
			}
			if !strings.HasPrefix(line, ". ") {
				all = append(all, line)
			}
		}
		return all
	}
	if diff := cmp.Diff(inside(from), inside(to)); diff != "" {
		t.Error(diff)
	}
	for n := 0; n < out.Len(); n += 1 + out.Len()/50 { // cut short anywhere, it is refused
		var bad *Bad
		if _, _, err := Read(t.Context(), bytes.NewReader(out.Bytes()[:n]), empty(t), 0, known); !errors.As(err, &bad) {
			t.Errorf("cut to %d of %d bytes: %v", n, out.Len(), err)
		}
	}
}

func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	must(t, small(w, headerName, []byte(`{"format": 1, "name": "box"}`)))
	for _, h := range headers {
		must(t, w.WriteHeader(&h))
	}
	must(t, w.Close(), zip.Close())
	return out.Bytes()
}

// TestArchiveRefused: an archive from a stranger reaches nothing beside its own
// folder.
func TestArchiveRefused(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600} }
	link := tar.Header{Name: "workspace/l", Typeflag: tar.TypeSymlink, Linkname: "..", Mode: 0o777}
	for what, headers := range map[string][]tar.Header{
		"traversal":             {file("workspace/../../escaped")},
		"absolute":              {file("/escaped")},
		"a stranger's file":     {file("network-policy.yaml")},
		"through a link":        {link, file("workspace/l/escaped")},
		"over a link":           {link, file("workspace/l")},
		"twice":                 {file("workspace/f"), file("workspace/f")},
		"no folder above":       {file("workspace/d/f")},
		"hard link":             {{Name: "workspace/h", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
		"device":                {{Name: "workspace/null", Typeflag: tar.TypeChar}},
		"setuid":                {{Name: "workspace/s", Typeflag: tar.TypeReg, Mode: 0o4755}},
		"deep":                  deep(deepest + 2),
		"a folder for a policy": {{Name: "sandbox.yaml/", Typeflag: tar.TypeDir, Mode: 0o755}},
	} {
		to := empty(t)
		var bad *Bad
		if _, _, err := Read(t.Context(), bytes.NewReader(archive(t, headers...)), to, 0, known); !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(to), "escaped")); err == nil {
			t.Errorf("%s: escaped", what)
		}
	}
	if _, _, err := Read(t.Context(), bytes.NewReader(archive(t, file("workspace/f"), link, file("sandbox.yaml"))), empty(t), 0, known); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// deep are folders in each other.
func deep(n int) (all []tar.Header) {
	name := "workspace"
	for range n {
		name += "/d"
		all = append(all, tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755})
	}
	return all
}

// TestArchiveAsDeepAsACopy: what can be copied can be carried.
func TestArchiveAsDeepAsACopy(t *testing.T) {
	to := empty(t)
	if _, _, err := Read(t.Context(), bytes.NewReader(archive(t, deep(deepest)...)), to, os.Geteuid(), known); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), to, empty(t)); err != nil {
		t.Error(err)
	}
}

// TestArchiveFitsTheDisk: an archive that says it is larger than what the disk
// can give is refused before a byte of that file is written, and a bomb of many
// small entries as they come.
func TestArchiveFitsTheDisk(t *testing.T) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	must(t, small(w, headerName, []byte(`{"format": 1, "name": "box"}`)),
		w.WriteHeader(&tar.Header{Name: "workspace/f", Typeflag: tar.TypeReg, Mode: 0o600, Size: maxUnpacked}), zip.Close())
	to := empty(t)
	var bad *Bad
	if _, _, err := Read(t.Context(), &out, to, 0, known); !errors.As(err, &bad) || !strings.Contains(bad.Why, "the disk can give") {
		t.Errorf("larger than the disk: %v", err)
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
		t.Errorf("written: %v, %v", left, err)
	}
	in := reading{room: 3 * entrySize}
	for n := range 4 {
		if err := in.take(&tar.Header{Name: "workspace/d"}); (err != nil) != (n > 2) {
			t.Errorf("entry %d: %v", n, err)
		}
	}
}

// TestArchiveOfAHole: a file that is longer than any disk, and takes none, is not
// written out.
func TestArchiveOfAHole(t *testing.T) {
	from := empty(t)
	for _, name := range []string{"a", "b"} {
		must(t, os.WriteFile(filepath.Join(from, name), nil, 0o600), os.Truncate(filepath.Join(from, name), maxUnpacked))
	}
	must(t, os.Truncate(filepath.Join(from, "a"), 1))
	var out bytes.Buffer
	if err := Write(t.Context(), &out, Header{}, nil, from); err == nil || !strings.Contains(err.Error(), "than the 1024 GB") {
		t.Errorf("%v", err)
	}
}

// FuzzArchive: whatever comes, nothing is made beside the tree.
func FuzzArchive(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "workspace/f", Typeflag: tar.TypeReg, Mode: 0o600}))
	f.Fuzz(func(t *testing.T, body []byte) {
		to := empty(t)
		_, _, _ = Read(t.Context(), bytes.NewReader(body), to, os.Geteuid(), known)
		if above, err := os.ReadDir(filepath.Dir(to)); err != nil || len(above) != 1 {
			t.Errorf("beside the tree: %v, %v", above, err)
		}
	})
}
