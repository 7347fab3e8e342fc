package state

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inOwn marks the copy of this test that has mounts of its own.
const inOwn = "NEMOCLAW_TEST_MOUNTS"

// What is mounted somewhere in a sandbox's folder belongs to somebody else, and is
// not removed with it.
func TestMountedIsNotRemoved(t *testing.T) {
	if os.Getenv(inOwn) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command("unshare", "--user", "--map-root-user", "--mount", self, "-test.v", "-test.run=^TestMountedIsNotRemoved$")
		c.Env = append(os.Environ(), inOwn+"=1")
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestMountedIsNotRemoved") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	theirs, dir := t.TempDir(), filepath.Join(t.TempDir(), "a sandbox's")
	file, at := filepath.Join(theirs, "file"), filepath.Join(dir, "workspace", "here")
	if err := errors.Join(os.MkdirAll(at, 0o700), os.WriteFile(file, nil, 0o600), unix.Mount(theirs, at, "", unix.MS_BIND, "")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(dir), link); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, at, filepath.Join(link, filepath.Base(dir))} {
		var mounted *Mounted
		if err := RemoveTree(d); !errors.As(err, &mounted) || mounted.Mount != at {
			t.Errorf("remove %s: %v: want it to name %s", d, err, at)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("what was mounted there: %v", err)
	}
	if err := unix.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
	if err := RemoveTree(dir); err != nil { // the control
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("what was mounted there: %v", err)
	}
}
