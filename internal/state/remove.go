package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/sys/mountinfo"
)

// Mounted means that a file system is mounted somewhere in what was to be removed:
// what is in it would be removed too, wherever it comes from.
type Mounted struct{ Dir, Mount string }

func (e *Mounted) Error() string {
	return fmt.Sprintf("remove %s: something is mounted at %s, and its content would go too", e.Dir, e.Mount)
}

// Hint says how to part from it.
func (e *Mounted) Hint() string { return "umount " + e.Mount }

// unmounted wants nothing to be mounted at dir or below. See proc_pid_mountinfo(5).
func unmounted(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(real))
	if err != nil {
		return fmt.Errorf("remove %s: look for what is mounted there: %w", dir, err)
	}
	if len(mounts) > 0 {
		return &Mounted{dir, mounts[0].Mountpoint}
	}
	return nil
}

// Remove deletes the sandbox and its anchor. It is gone from its name at once
// and whole (a rename), whatever a crash interrupts; a later Create sweeps the
// rest. Errors: *NotFound, *Held while its supervisor lives, *Mounted.
func (s Sandbox) Remove() error {
	if !s.taken() {
		return &NotFound{s.name}
	}
	unlock, err := s.lock(false)
	if err != nil {
		return err
	}
	defer unlock()
	if err := unmounted(s.Dir()); err != nil { // while it can still be found
		return err
	}
	// Nothing is made for it: on a full disk, this is what makes room. The lock
	// of the folder itself tells sweep that we live.
	done, err := lockDir(s.Dir())
	if err != nil {
		return fmt.Errorf("remove sandbox %q: %w", string(s.name), err)
	}
	defer done()
	bin := filepath.Join(s.home.Dir, fmt.Sprintf("%s%s-%d-%d", removing, s.name, os.Getpid(), time.Now().UnixNano()))
	if err := os.Rename(s.Dir(), bin); err != nil {
		return fmt.Errorf("remove sandbox %q: %w", string(s.name), err)
	}
	if err := s.forgetAnchor(); err != nil {
		return fmt.Errorf("remove sandbox %q: %w", string(s.name), err)
	}
	if err := RemoveTree(bin); err != nil {
		return fmt.Errorf("remove sandbox %q: %w", string(s.name), err)
	}
	return syncDir(s.home.Dir)
}

// RemoveTree is os.RemoveAll (which follows no link) for trees in which
// the agent has taken rights away from folders, or put folders into each other
// without end. Where something is mounted in it nothing is removed, and the error
// is a *Mounted.
func RemoveTree(dir string) error {
	if err := unmounted(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	if err := flatten(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return os.RemoveAll(dir)
}
