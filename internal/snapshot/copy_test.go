package snapshot

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// told is a tree as text: kind, mode, owner, size, time and content of
// everything in it.
func told(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		line := fmt.Sprintf("%s %o %d:%d %d.%d", rel, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
		switch {
		case e.Type().IsRegular():
			body, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d links %q", st.Nlink, body)
		case e.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(name)
			line += " → " + to
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(all)
	return all
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// furnish makes a tree with one of everything that an agent can make.
func furnish(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "workspace")
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(in("a/b"), 0o750), os.Mkdir(in("empty"), 0o700),
		os.WriteFile(in("a/plain"), []byte("hello\x00\n"), 0o644),
		os.WriteFile(in("a/b/program"), []byte("#!/bin/sh\n"), 0o755),
		os.WriteFile(in(" odd\n\x1b[2Jname"), []byte("x"), 0o600),
		os.WriteFile(in("nothing"), nil, 0o600),
		os.Link(in("a/plain"), in("a/b/second")),
		os.Symlink("a/plain", in("inward")), os.Symlink("/etc/shadow", in("outward")), os.Symlink("/nowhere", in("dangling")),
		unix.Mkfifo(in("pipe"), 0o600))
	sparse, err := os.Create(in("sparse"))
	must(t, err)
	_, err = sparse.WriteAt([]byte("far"), 4<<20)
	must(t, err, sparse.Close())
	_ = unix.Setxattr(in("a/plain"), "user.note", []byte("kept"), 0) // where the file system has them
	old := time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)
	must(t, os.Chtimes(in("a/plain"), old, old), os.Chtimes(in("empty"), old, old))
	return dir
}

func empty(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	must(t, os.Mkdir(dir, 0o700))
	return dir
}

func TestCopyIsTheSame(t *testing.T) {
	from, to := furnish(t), empty(t)
	done, err := Copy(t.Context(), from, to)
	must(t, err)
	if diff := cmp.Diff(told(t, from), told(t, to)); diff != "" {
		t.Error(diff)
	}
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(to, "sparse"), &st))
	if st.Blocks*512 > 1<<20 {
		t.Errorf("the hole was filled: %d blocks", st.Blocks)
	}
	if done.Files != 5 || done.Folders != 3 || done.Changed != 0 {
		t.Errorf("%+v", done)
	}
	// Nothing in the copy is a name of a file that the agent can still write.
	must(t, os.WriteFile(filepath.Join(from, "a/plain"), []byte("overwritten"), 0o644))
	if body, err := os.ReadFile(filepath.Join(to, "a/plain")); err != nil || string(body) != "hello\x00\n" {
		t.Errorf("the copy says %q, %v", body, err)
	}
	var value [10]byte
	if n, err := unix.Getxattr(filepath.Join(from, "a/plain"), "user.note", value[:]); err == nil {
		if m, err := unix.Getxattr(filepath.Join(to, "a/plain"), "user.note", value[:]); err != nil || m != n {
			t.Errorf("attribute: %q, %v", value[:max(m, 0)], err)
		}
	}
}

// TestCopyStaysInside: no link is followed, whatever it leads to, and what
// lies outside is in no copy.
func TestCopyStaysInside(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	must(t, os.Mkdir(outside, 0o700), os.WriteFile(filepath.Join(outside, "key"), []byte("the key"), 0o600))
	from := filepath.Join(t.TempDir(), "workspace")
	must(t, os.Mkdir(from, 0o700), os.Symlink(outside, filepath.Join(from, "folder")),
		os.Symlink(filepath.Join(outside, "key"), filepath.Join(from, "file")), os.Symlink(".", filepath.Join(from, "loop")))
	to := empty(t)
	_, err := Copy(t.Context(), from, to)
	must(t, err)
	for _, line := range told(t, to) {
		if strings.Contains(line, "the key") {
			t.Error(line)
		}
	}
	if to, err := os.Readlink(filepath.Join(to, "folder")); err != nil || to != outside {
		t.Errorf("the link itself: %q, %v", to, err) // the control: it was there to be followed
	}
}

// TestCopyWhileItChanges: an agent that swaps folders and files for links all
// the time gets nothing from outside into the copy, and does not stop it.
func TestCopyWhileItChanges(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	must(t, os.Mkdir(outside, 0o700), os.WriteFile(filepath.Join(outside, "f"), []byte("the key"), 0o600))
	from := filepath.Join(t.TempDir(), "workspace")
	must(t, os.Mkdir(from, 0o700), os.Mkdir(filepath.Join(from, "d"), 0o700),
		os.WriteFile(filepath.Join(from, "d/f"), []byte("harmless"), 0o600), os.Symlink(outside, filepath.Join(from, "evil")))
	ctx, cancel := context.WithCancel(t.Context())
	swapped := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(from, "d"), unix.AT_FDCWD, filepath.Join(from, "evil"), unix.RENAME_EXCHANGE)
		}
		swapped <- n
	}()
	changed := 0
	for range 500 {
		to := empty(t)
		done, err := Copy(t.Context(), from, to)
		must(t, err)
		changed += done.Changed
		for _, line := range told(t, to) {
			if strings.Contains(line, "the key") {
				t.Fatal(line)
			}
		}
	}
	cancel()
	t.Logf("%d swaps, %d of them caught in the act", <-swapped, changed)
}

// TestCopyOfClosedFolders: an agent that takes all rights from its own files
// does not keep its operator from a copy, and finds them as it left them.
func TestCopyOfClosedFolders(t *testing.T) {
	from, to := furnish(t), empty(t)
	must(t, os.Chmod(filepath.Join(from, "a/plain"), 0), os.Chmod(filepath.Join(from, "a/b"), 0), os.Chmod(filepath.Join(from, "a"), 0))
	_, err := Copy(t.Context(), from, to)
	must(t, err)
	for _, dir := range []string{from, to} {
		for _, name := range []string{"a", "a/b", "a/plain"} {
			var st unix.Stat_t
			must(t, unix.Lstat(filepath.Join(dir, name), &st))
			if st.Mode&0o777 != 0 {
				t.Errorf("%s of %s has mode %o", name, dir, st.Mode)
			}
			must(t, os.Chmod(filepath.Join(dir, name), 0o700))
		}
	}
	if diff := cmp.Diff(told(t, from), told(t, to)); diff != "" {
		t.Error(diff)
	}
}

func TestCopyRefusesWhatHasNoEnd(t *testing.T) {
	from, to := t.TempDir(), empty(t)
	fd, err := unix.Open(from, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for range deepest + 5 { // deeper than any path: only step by step
		must(t, unix.Mkdirat(fd, "d", 0o700))
		next, err := unix.Openat(fd, "d", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err, unix.Close(fd))
		fd = next
	}
	must(t, unix.Close(fd))
	if _, err := Copy(t.Context(), from, to); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("got %v", err)
	}
}

// TestCopyOfSecondNamesFarBelow: a file with two names, the first of which no path
// reaches, is copied as two.
func TestCopyOfSecondNamesFarBelow(t *testing.T) {
	from, to := empty(t), empty(t)
	part := strings.Repeat("d", 250)
	at, err := unix.Open(from, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for range 20 { // 5,000 bytes: more than a path may have
		must(t, unix.Mkdirat(at, part, 0o755))
		below, err := unix.Openat(at, part, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err, unix.Close(at))
		at = below
	}
	must(t, os.WriteFile(filepath.Join(from, "z"), []byte("both"), 0o644))
	top, err := unix.Open(from, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err, unix.Linkat(top, "z", at, "a", 0), unix.Close(top), unix.Close(at))
	done, err := Copy(t.Context(), from, to)
	must(t, err)
	if b, err := os.ReadFile(filepath.Join(to, "z")); err != nil || string(b) != "both" || done.Files != 2 {
		t.Errorf("%q, %v, %+v", b, err, done)
	}
}
