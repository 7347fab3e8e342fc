package state

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Remove deletes the sandbox and its anchor. It is gone from its name at once
// and whole (a rename), whatever a crash interrupts; a later Create sweeps the
// rest. Errors: *NotFound, *Held while its supervisor lives.
func (s Sandbox) Remove() error {
	if !s.taken() {
		return &NotFound{s.name}
	}
	unlock, err := s.lock(false)
	if err != nil {
		return err
	}
	defer unlock()
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
// without end.
func RemoveTree(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	if err := flatten(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return os.RemoveAll(dir)
}
