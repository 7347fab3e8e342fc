package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Folder is one in TMPDIR that is the caller's alone. It is locked (flock(2)) as
// long as its maker lives, so that what is left of one that was killed can be told.
type Folder struct {
	Dir  string
	lock *os.File
}

// MakeFolder makes one whose name begins with prefix.
func MakeFolder(prefix string) (Folder, error) {
	for {
		dir, err := os.MkdirTemp("", prefix)
		if err != nil {
			return Folder{}, &NoFolder{err}
		}
		lock, err := hold(dir)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue // a sweep came between, and takes it away
		}
		f := Folder{dir, lock}
		if err != nil && !unlocked(err) { // where nothing can be locked no sweep touches it
			return Folder{}, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Remove(os.RemoveAll))
		}
		return f, nil
	}
}

// NoFolder means that TMPDIR takes none.
type NoFolder struct{ Err error }

func (e *NoFolder) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *NoFolder) Unwrap() error { return e.Err }

// Hint names the variable, where it is to blame.
func (e *NoFolder) Hint() string {
	if os.Getenv("TMPDIR") == "" {
		return ""
	}
	return "export TMPDIR=/tmp, or another folder that you may write to"
}

// Remove takes it away by remove, which is given its path; there may be none.
func (f Folder) Remove(remove func(dir string) error) error {
	if f.Dir == "" {
		return nil
	}
	err := remove(f.Dir)
	if f.lock != nil {
		f.lock.Close()
	}
	return err
}

// hold locks the folder dir: EWOULDBLOCK where another does, fs.ErrNotExist where
// it is gone, or another, by then.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil && !stands(f, dir) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unlocked says whether err is that of a file system on which nothing can be locked.
func unlocked(err error) bool {
	return errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}

// stands says whether f, a folder of our own that nobody else could write to, is
// what dir names.
func stands(f *os.File, dir string) bool {
	var have, want unix.Stat_t
	return unix.Fstat(int(f.Fd()), &have) == nil && unix.Lstat(dir, &want) == nil &&
		have.Dev == want.Dev && have.Ino == want.Ino &&
		int(have.Uid) == os.Geteuid() && have.Mode&0o077 == 0
}

// SweepFolders takes away, by remove, those of this user's whose name begins with
// prefix and whose maker was killed, until more says no. It is a courtesy: what
// cannot be removed stays.
func SweepFolders(prefix string, more func() bool, remove func(dir string) error) {
	all, err := os.Open(os.TempDir())
	if err != nil {
		return
	}
	defer all.Close()
	for more() {
		const some = 256 // names at a time: a TMPDIR may be large
		names, err := all.Readdirnames(some)
		for _, name := range names {
			if len(name) > len(prefix) && strings.HasPrefix(name, prefix) {
				sweep(filepath.Join(all.Name(), name), remove)
			}
		}
		if err != nil {
			return
		}
	}
}

func sweep(dir string, remove func(string) error) {
	lock, err := hold(dir)
	if err != nil {
		return // its maker lives, or it is none of ours
	}
	_ = remove(dir)
	lock.Close()
}
