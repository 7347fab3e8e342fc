package throwaway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// prefix begins the name of every Place.
const prefix = "nemoclaw-run."

// Place is what a run needs on the disk: a folder in TMPDIR that is the caller's
// alone, with the run's /sandbox in it. It is locked (flock(2)) as long as its
// maker lives, so that a later run can tell what is left of one that was killed.
type Place struct {
	dir  string
	lock *os.File
}

// MakePlace makes one.
func MakePlace() (Place, error) {
	for {
		dir, err := os.MkdirTemp("", prefix)
		if err != nil {
			return Place{}, fmt.Errorf("make a folder for the sandbox: %w", err)
		}
		lock, err := hold(dir)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue // a sweep came between, and takes it away
		}
		p := Place{dir, lock}
		if unlocked(err) {
			err = nil // nobody can tell there that it is dead, so that no sweep touches it
		}
		if err == nil {
			err = os.Mkdir(p.Workspace(), 0o700)
		}
		if err != nil {
			return Place{}, errors.Join(fmt.Errorf("make a folder for the sandbox: %w", err), p.Remove(os.RemoveAll))
		}
		return p, nil
	}
}

// Workspace is the run's /sandbox.
func (p Place) Workspace() string { return filepath.Join(p.dir, "sandbox") }

// In is the path of something of the run's that is not inside.
func (p Place) In(name string) string { return filepath.Join(p.dir, name) }

// Remove takes it away by remove, which is given its folder; there may be none.
func (p Place) Remove(remove func(dir string) error) error {
	if p.dir == "" {
		return nil
	}
	err := remove(p.dir)
	if p.lock != nil {
		p.lock.Close()
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

// Sweep takes away, by remove, what runs of this user that were killed have left
// in TMPDIR, until more says no. It is a courtesy: what cannot be removed stays.
func Sweep(more func() bool, remove func(dir string) error) {
	all, err := os.Open(os.TempDir())
	if err != nil {
		return
	}
	defer all.Close()
	for more() {
		const some = 256 // names at a time: a TMPDIR may be large
		names, err := all.Readdirnames(some)
		for _, name := range names {
			if len(name) > len(prefix) && name[:len(prefix)] == prefix {
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
