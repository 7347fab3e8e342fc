package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLay: a file comes whole, with the folders above it; what is there stays
// unless it may be replaced; and nothing is read or written through a link, out
// of the workspace, or from what is no file.
func TestLay(t *testing.T) {
	dir := t.TempDir()
	work, outside := filepath.Join(dir, "work"), filepath.Join(dir, "outside")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(errors.Join(os.Mkdir(work, 0o700), os.Mkdir(outside, 0o700), os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600)))
	must(errors.Join(os.Symlink("../outside", filepath.Join(work, "led")), os.Symlink("../outside/secret", filepath.Join(work, "link")), unix.Mkfifo(filepath.Join(work, "fifo"), 0o600)))
	must(os.WriteFile(filepath.Join(work, "file"), []byte("mine"), 0o600))

	must(Lay(work, Laid{Path: "a/b/new", Data: []byte("new"), Mode: 0o644}))
	if body, err := Look(work, "a/b/new"); err != nil || string(body) != "new" {
		t.Errorf("%q, %v", body, err)
	}
	if fi, err := os.Stat(filepath.Join(work, "a/b/new")); err != nil || fi.Mode() != 0o644 {
		t.Errorf("%v, %v", fi, err)
	}
	if err := Lay(work, Laid{Path: "file", Data: []byte("theirs"), Mode: 0o600}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	must(Lay(work, Laid{Path: "file", Data: []byte("newer"), Mode: 0o600, Over: true}))
	if body, err := Look(work, "file"); err != nil || string(body) != "newer" {
		t.Errorf("%q, %v", body, err)
	}
	for _, name := range []string{"led/new", "../outside/new", "/" + outside + "/new", "file/below", ".", "", "fifo/x"} {
		if err := Lay(work, Laid{Path: name, Data: []byte("x"), Mode: 0o600, Over: true}); err == nil {
			t.Errorf("laid down at %q", name)
		}
	}
	must(Lay(work, Laid{Path: "link", Data: []byte("x"), Mode: 0o600, Over: true})) // takes the link's own place
	for _, name := range []string{"led/secret", "../outside/secret", outside + "/secret", "fifo", "a", "."} {
		if body, err := Look(work, name); err == nil {
			t.Errorf("read %q: %q", name, body)
		}
	}
	if _, err := Look(work, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	entries, err := os.ReadDir(outside)
	if body, readErr := os.ReadFile(filepath.Join(outside, "secret")); err != nil || readErr != nil || len(entries) != 1 || string(body) != "secret" {
		t.Errorf("outside: %v, %q, %v %v", entries, body, err, readErr)
	}
}
