package state

import (
	"errors"
	"fmt"
	"io/fs"
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
// the agent has taken rights away from folders.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root, rootErr := os.OpenRoot(dir)
	if rootErr != nil {
		return err
	}
	defer root.Close()
	open(root, ".")
	return os.RemoveAll(dir)
}

// open gives the owner its rights on every folder below path. Nothing is
// reached through a link: os.Root refuses to leave, and links are no folders.
func open(root *os.Root, path string) {
	if root.Chmod(path, 0o700) != nil {
		return
	}
	f, err := root.Open(path)
	if err != nil {
		return
	}
	entries, _ := f.ReadDir(-1)
	_ = f.Close()
	for _, e := range entries {
		if e.IsDir() {
			open(root, filepath.Join(path, e.Name()))
		}
	}
}
