package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestClear: fetched bytes go, the content of living sandboxes stays and is
// still checked; without living ones everything goes.
func TestClear(t *testing.T) {
	r, s, c := made(t)
	cleared, err := s.Clear(t.Context(), Keep{Used: []blueprint.Digest{c.Digest}})
	if err != nil || cleared.Files != 2 || len(cleared.Kept) != 1 || len(cleared.Damaged) != 0 {
		t.Errorf("Clear: %+v, %v; want the two tarballs gone", cleared, err)
	}
	if left := files(t, filepath.Join(s.dir, "blobs/sha512")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	asked := r.asked.Load()
	if again, err := ensure(t, s); err != nil || again.Tree != c.Tree || r.asked.Load() != asked {
		t.Errorf("after Clear: %+v, %v, %d requests", again, err, r.asked.Load()-asked)
	}
	if _, err := s.Clear(t.Context(), Keep{}); err != nil {
		t.Error(err)
	}
	for _, room := range []string{"content", "blobs", "partial"} {
		if left := files(t, filepath.Join(s.dir, room)); len(left) != 0 {
			t.Errorf("nobody uses it, left: %v", left)
		}
	}
	if c, err = ensure(t, s); err != nil || r.asked.Load() == asked {
		t.Errorf("fetched anew: %v", err)
	}
}

// TestOldTrees: what an older nemoclaw unpacked by the name of the blueprint
// itself goes, unless something that was started from it still runs; another kind
// of machine's stays.
func TestOldTrees(t *testing.T) {
	for name, room := range map[string]func(*Store, Keep) error{
		"clear": func(s *Store, k Keep) error { _, err := s.Clear(t.Context(), k); return err },
		"prune": func(s *Store, k Keep) error { _, err := s.Prune(t.Context(), k); return err },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.usualPackages()
			s := r.store(t.TempDir())
			c, err := ensure(t, s)
			if err != nil {
				t.Fatal(err)
			}
			old, other := s.path("content", s.contentName(c.Digest)), s.path("content", c.Digest.Hex()+"-plan9-mips")
			if err := oldTree(c, old); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(other, 0o700); err != nil {
				t.Fatal(err)
			}
			used := []blueprint.Digest{c.Digest}
			if err := room(s, Keep{Used: used, Running: used}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(filepath.Join(old, treeName)); err != nil {
				t.Errorf("a running sandbox stands on it: %v", err)
			}
			if err := room(s, Keep{Used: used}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(old); !os.IsNotExist(err) {
				t.Errorf("nothing refers to it: %v", err)
			}
			if _, err := os.Lstat(other); err != nil {
				t.Errorf("another machine's: %v", err)
			}
			if err := s.Verify(c); err != nil {
				t.Errorf("the one in use: %v", err)
			}
		})
	}
}

// oldTree lays c's tree at dir, as an older nemoclaw would have.
func oldTree(c Content, dir string) error {
	if err := os.CopyFS(dir, os.DirFS(c.content.dir)); err != nil {
		return err
	}
	r := c.content
	r.Digest = c.Digest
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordName), body, 0o600)
}

// TestClearDamagedIndex: an index.json that cannot be read has a remedy, and it
// works.
func TestClearDamagedIndex(t *testing.T) {
	_, s, c := made(t)
	if err := os.WriteFile(filepath.Join(s.dir, "index.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ensure(t, s)
	hinted, ok := err.(interface{ Hint() string })
	if !ok || hinted.Hint() != "nemoclaw blueprint cache clear" {
		t.Errorf("got %v", err)
	}
	if _, err := s.Clear(t.Context(), Keep{Used: []blueprint.Digest{c.Digest}}); err != nil {
		t.Error(err)
	}
	if _, err := ensure(t, s); err != nil {
		t.Error(err)
	}
}

// TestNewerIndex: that of a later nemoclaw is refused, and not written over.
func TestNewerIndex(t *testing.T) {
	_, s, _ := made(t)
	file := filepath.Join(s.dir, "index.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(text), `"schemaVersion": 2`, `"schemaVersion": 3`, 1)
	if err := os.WriteFile(file, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cached(); err == nil || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("got %v", err)
	}
	if err := s.editIndex(t.Context(), func([]ocispec.Descriptor) []ocispec.Descriptor { return nil }); err == nil {
		t.Error("it was edited")
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != later {
		t.Errorf("it is %s, %v", now, err)
	}
}

// TestNewerForms: a store whose layout, or whose unpacked content, is of a later nemoclaw's
// form is refused with what to do; neither is taken for damage and mended.
func TestNewerForms(t *testing.T) {
	_, s, c := made(t)
	refused := func(what string, err error) {
		t.Helper()
		hinted, ok := err.(interface{ Hint() string })
		if !ok || hinted.Hint() != "use the newer nemoclaw that wrote it" {
			t.Errorf("%s: %v", what, err)
		}
	}
	record := filepath.Join(filepath.Dir(c.Dir), recordName)
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(text), `"format": 1`, `"format": 2`, 1)
	if err := os.WriteFile(record, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.unpacked(s.contentDigest(c.Manifest))
	refused("content", err)
	if now, err := os.ReadFile(record); err != nil || string(now) != later {
		t.Errorf("it is %s, %v", now, err)
	}
	layout := s.path("oci-layout")
	if err := os.WriteFile(layout, []byte(`{"imageLayoutVersion":"2.0.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.cached()
	refused("layout", err)
}

// TestClearSweeps: what a killed process left goes too.
func TestClearSweeps(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	dir := t.TempDir()
	s := r.store(dir)
	if err := s.makeFolders(); err != nil {
		t.Fatal(err)
	}
	half := s.path("content", newPrefix+s.contentName(s.contentDigest(r.artifact("1.0.0").Manifest))+"-123", treeName)
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ensure(t, s); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(half); err == nil {
		t.Error("Ensure left the half-made folder of its own blueprint")
	}
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Clear(t.Context(), Keep{}); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.path("content")); len(left) != 0 {
		t.Errorf("Clear left %v", left)
	}
}

// TestClearNothing: without a store there is nothing to do or to make.
func TestClearNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blueprints")
	if _, err := openShellStore(t, dir).Clear(t.Context(), Keep{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("Clear made the folder")
	}
}
