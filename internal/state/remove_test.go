package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An agent must not be able to leave something that its operator cannot remove.
func TestDeepTreeIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.MkdirAll(filepath.Join(dir, ".deep-0", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("kept"), 0o400); err != nil {
		t.Fatal(err)
	}
	dig(t, dir, outside, 500)
	few(t, 150)
	if err := os.RemoveAll(dir); !errors.Is(err, unix.EMFILE) && !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("the control: %v, want that descriptors run out, or rights are missing", err)
	}
	if err := RemoveTree(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if info, err := os.Stat(outside); err != nil || info.Mode() != 0o400 {
		t.Errorf("what a link led to: %v, %v", info.Mode(), err)
	}
}

// dig puts folders into each other, in each a file, a link to outside and a
// folder that nobody may enter.
func dig(t *testing.T, dir, outside string, deep int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at, err := unix.Open(dir, unix.O_DIRECTORY, 0)
	must(err)
	name := strings.Repeat("d", 100)
	for range deep {
		must(unix.Mkdirat(at, name, 0o700))
		must(unix.Symlinkat(outside, at, "link"))
		must(unix.Mkdirat(at, "closed", 0))
		below, err := unix.Openat(at, name, unix.O_DIRECTORY, 0)
		must(err)
		must(unix.Fchmod(at, 0o500))
		unix.Close(at)
		at = below
	}
	unix.Close(at)
}

// few bounds the descriptors of this process until the test ends.
func few(t *testing.T, most uint64) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) })
}
