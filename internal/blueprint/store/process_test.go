package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestTwoProcesses: several processes that need the same blueprint at once all
// get it, and each package is fetched once.
func TestTwoProcesses(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_DIR"); dir != "" {
		asChild(t, dir, os.Getenv("STORE_TEST_REGISTRY"))
		return
	}
	r := newRig(t)
	r.usualPackages()
	dir := filepath.Join(t.TempDir(), "blueprints")
	if err := r.store(dir).makeFolders(); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(dir, "lock.json")
	if err := os.WriteFile(lock, []byte(strings.Join(r.lock, ", ")), 0o600); err != nil {
		t.Fatal(err)
	}
	var children []*exec.Cmd
	for range 4 {
		child := exec.Command(os.Args[0], "-test.run=^TestTwoProcesses$", "-test.v")
		child.Env = append(os.Environ(), "STORE_TEST_DIR="+dir, "STORE_TEST_REGISTRY="+r.server.URL)
		child.Stdout, child.Stderr = new(strings.Builder), os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	for _, child := range children {
		if err := child.Wait(); err != nil {
			t.Errorf("a child: %v: %v", err, child.Stdout)
		}
	}
	if got := r.asked.Load(); got != 2 {
		t.Errorf("%d requests for 2 packages", got)
	}
}

func asChild(t *testing.T, dir, url string) {
	lock, err := os.ReadFile(filepath.Join(dir, "lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.lock = []string{string(lock)}
	r.server.URL = url
	s := r.store(dir)
	c, err := s.Ensure(t.Context(), blueprint.Ref{Name: "demo"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(c); err != nil {
		t.Fatal(err)
	}
}
