package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestVerifyFinds: whatever is changed below the tree is found, by Verify and
// by the next Ensure, and is not mended in silence.
func TestVerifyFinds(t *testing.T) {
	in := func(names ...string) func(string) string {
		return func(dir string) string { return filepath.Join(append([]string{dir, "node_modules", "a"}, names...)...) }
	}
	x, lib := in("lib", "x.js"), in("lib")
	for what, change := range map[string]func(dir string) error{
		"one byte":     func(d string) error { return os.WriteFile(x(d), []byte("y"), 0o644) },
		"longer":       func(d string) error { return os.WriteFile(x(d), []byte("xx"), 0o644) },
		"missing":      func(d string) error { return os.Remove(x(d)) },
		"added":        func(d string) error { return os.WriteFile(filepath.Join(lib(d), "new.js"), nil, 0o644) },
		"added folder": func(d string) error { return os.Mkdir(filepath.Join(d, "new"), 0o755) },
		"exchanged": func(d string) error {
			return errors.Join(os.Remove(x(d)), os.WriteFile(filepath.Join(lib(d), "z.js"), []byte("x"), 0o644))
		},
		"mode":          func(d string) error { return os.Chmod(x(d), 0o755) },
		"setuid":        func(d string) error { return os.Chmod(x(d), 0o644|os.ModeSetuid) },
		"folder's mode": func(d string) error { return os.Chmod(lib(d), 0o777) },
		"file to link":  func(d string) error { return errors.Join(os.Remove(x(d)), os.Symlink("/etc/passwd", x(d))) },
		"folder to link": func(d string) error {
			return errors.Join(os.Rename(lib(d), lib(d)+"2"), os.Symlink("lib2", lib(d)))
		},
		"link's target": func(d string) error {
			bin := filepath.Join(d, "node_modules", ".bin", "a")
			return errors.Join(os.Remove(bin), os.Symlink("../a/lib/x.js", bin))
		},
		"index": func(d string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(d), indexName), []byte("d 0755 \"x\"\n"), 0o600)
		},
		"no index": func(d string) error { return os.Remove(filepath.Join(filepath.Dir(d), indexName)) },
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.usualPackages()
			s := r.store(t.TempDir())
			c, err := ensure(t, s)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(c); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			if err := change(c.Dir); err != nil {
				t.Fatal(err)
			}
			var m *blueprint.Mismatch
			if err := s.Verify(c); !errors.As(err, &m) || !strings.Contains(err.Error(), "Blueprint digest mismatch: demo@1.0.0: content: ") {
				t.Errorf("Verify: %v", err)
			}
			if _, err := ensure(t, s); !errors.As(err, &m) {
				t.Errorf("Ensure: %v", err)
			}
			// The article's remedy: cache clear, then rebuild.
			cleared, err := s.Clear(t.Context(), Keep{Used: []blueprint.Digest{c.Digest}})
			if err != nil || len(cleared.Damaged) != 1 {
				t.Errorf("Clear: %+v, %v", cleared, err)
			}
			if c, err = ensure(t, s); err != nil {
				t.Errorf("after the remedy: %v", err)
			}
			if err := s.Verify(c); err != nil {
				t.Errorf("after the remedy: %v", err)
			}
		})
	}
}

// TestVerifyHoldsTree: a tree, its index and its record that were all changed
// together do not pass where the caller kept the digest.
func TestVerifyHoldsTree(t *testing.T) {
	_, s, c := made(t)
	index := filepath.Join(filepath.Dir(c.Dir), indexName)
	if err := os.WriteFile(index, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(c.Dir), os.Mkdir(c.Dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	forged := c
	forged.content.Index, forged.Tree = blueprint.Sum(nil), blueprint.Sum(nil)
	if err := s.Verify(forged); err != nil {
		t.Errorf("the control: an empty tree with an empty index: %v", err)
	}
	forged.Tree = c.Tree
	for what, c := range map[string]Content{"as it was": c, "with the digest that was kept": forged} {
		if err := s.Verify(c); err == nil {
			t.Errorf("%s: it passed", what)
		}
	}
}

// TestCacheTampered: a blob that was changed after it was checked is found
// before anything of it is used.
func TestCacheTampered(t *testing.T) {
	_, s, c := made(t)
	for _, pattern := range []string{"blobs/sha512/*", "blobs/sha256/*"} {
		blobs, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil || len(blobs) < 2 {
			t.Fatalf("blobs %v, %v", blobs, err)
		}
		for _, blob := range blobs {
			whole, err := os.ReadFile(blob)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.RemoveAll(filepath.Dir(c.Dir)), os.WriteFile(blob, append(whole, 0), 0o600)); err != nil {
				t.Fatal(err)
			}
			var m *blueprint.Mismatch
			if _, err := ensure(t, s); !errors.As(err, &m) || m.Want.Hex() != filepath.Base(blob) {
				t.Errorf("%s changed: %v", pattern, err)
			}
			if got, _ := os.ReadFile(blob); len(got) != len(whole)+1 {
				t.Errorf("%s: mended in silence", pattern)
			}
			if err := os.WriteFile(blob, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ensure(t, s); err != nil {
				t.Errorf("put right again: %v", err)
			}
		}
	}
}

// TestTreeFormat: the index reads back as it was written.
func TestTreeFormat(t *testing.T) {
	want := []entry{
		{Path: "a", Kind: isFolder, Mode: 0o755},
		{Path: "a/b \"c\"\n", Kind: isFile, Mode: 0o644, Size: 12, Sum: [32]byte{1, 2}},
		{Path: "a/l", Kind: isLink, Target: "../x y"},
	}
	got, err := parseTree(encodeTree(want))
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	for _, bad := range []string{"\n", "x\n", "f 0644 1 \"x\"\n", "f 0644 z 00 \"x\"\n", "d 0755 x\n", "l \"a\n"} {
		if got, err := parseTree([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}
