package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestClear: fetched bytes go, the content of living sandboxes stays and is
// still checked; without living ones everything goes.
func TestClear(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	dir := t.TempDir()
	s := r.store(dir)
	c, err := ensure(t, s)
	if err != nil {
		t.Fatal(err)
	}
	cleared, err := s.Clear(t.Context(), []blueprint.Digest{c.Digest})
	if err != nil || cleared.Files != 2 || len(cleared.Kept) != 1 || len(cleared.Damaged) != 0 {
		t.Errorf("Clear: %+v, %v; want the two tarballs gone", cleared, err)
	}
	if left := files(t, filepath.Join(dir, "blobs/sha512")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	asked := r.asked.Load()
	if again, err := ensure(t, s); err != nil || again.Tree != c.Tree || r.asked.Load() != asked {
		t.Errorf("after Clear: %+v, %v, %d requests", again, err, r.asked.Load()-asked)
	}
	if _, err := s.Clear(t.Context(), nil); err != nil {
		t.Error(err)
	}
	for _, room := range []string{"content", "blobs", "partial"} {
		if left := files(t, filepath.Join(dir, room)); len(left) != 0 {
			t.Errorf("nobody uses it, left: %v", left)
		}
	}
	if c, err = ensure(t, s); err != nil || r.asked.Load() == asked {
		t.Errorf("fetched anew: %v", err)
	}
}

// TestClearDamagedIndex: an index.json that cannot be read has a remedy, and it
// works.
func TestClearDamagedIndex(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	dir := t.TempDir()
	s := r.store(dir)
	c, err := ensure(t, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = ensure(t, s)
	hinted, ok := err.(interface{ Hint() string })
	if !ok || hinted.Hint() != "nemoclaw blueprint cache clear" {
		t.Errorf("got %v", err)
	}
	if _, err := s.Clear(t.Context(), []blueprint.Digest{c.Digest}); err != nil {
		t.Error(err)
	}
	if _, err := ensure(t, s); err != nil {
		t.Error(err)
	}
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
	if _, err := s.Clear(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.path("content")); len(left) != 0 {
		t.Errorf("Clear left %v", left)
	}
}

// TestClearNothing: without a store there is nothing to do or to make.
func TestClearNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blueprints")
	if _, err := openShellStore(t, dir).Clear(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("Clear made the folder")
	}
}
