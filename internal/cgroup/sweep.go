package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// prefix begins the name of every group of ours.
const prefix = "nemoclaw-"

// Sweep removes the groups that supervisors of this user left behind when they
// were killed, wherever they are: those that nobody holds and nothing is in.
func Sweep() {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	v1, v2 := hierarchies(mounts)
	tops := map[string]bool{}
	for _, c := range controllers {
		tops[v1[c]] = true
	}
	tops[v2] = true
	delete(tops, "") // what there is none of
	for top := range tops {
		_ = filepath.WalkDir(top, func(dir string, e os.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return nil // what cannot be listed cannot be swept
			}
			if !strings.HasPrefix(e.Name(), prefix) {
				return nil
			}
			clearOut(dir)
			return filepath.SkipDir
		})
	}
}

// sweep is Sweep where groups are made now, which is what a start has time for.
func (p place) sweep() {
	for _, parent := range p.parents {
		entries, _ := os.ReadDir(parent)
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
				clearOut(filepath.Join(parent, e.Name()))
			}
		}
	}
}

// clearOut removes one group, if it is a dead one of this user's.
func clearOut(dir string) {
	f, err := openDir(dir)
	if err != nil {
		return
	}
	defer f.Close()
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || int(st.Uid) != os.Geteuid() {
		return
	}
	// Another may have that name by now, which we do not hold.
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && isAt(f, dir) {
		_ = unix.Rmdir(dir) // refused where something is in it
	}
}

func openDir(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// makeDir makes a group and holds it, so that no sweep takes it before something
// is in it. One that is there is taken over.
func makeDir(dir string) (*os.File, error) {
	const tries = 10 // each lost to a sweep just between two of our steps
	for range tries {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		f, err := openDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != nil {
			f.Close()
			return nil, fmt.Errorf("hold %s: %w", dir, err)
		}
		if isAt(f, dir) {
			return f, nil
		}
		f.Close()
	}
	return nil, &os.PathError{Op: "mkdir", Path: dir, Err: unix.EBUSY}
}

// isAt says whether f is still what dir names.
func isAt(f *os.File, dir string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(dir)
	return err == nil && os.SameFile(held, now)
}
