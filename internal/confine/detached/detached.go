package detached

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Take makes a detached copy of the tree at m's source, through no symbolic
// link unless the spec says so. It is recursive, since a user namespace may not
// take a tree without the mounts below it: they could hide something. See
// openat2(2), open_tree(2).
func Take(m spec.Mount) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}
	if !m.Links {
		how.Resolve = unix.RESOLVE_NO_SYMLINKS
	}
	at, err := unix.Openat2(unix.AT_FDCWD, m.Source, &how)
	if errors.Is(err, unix.ELOOP) {
		return -1, fmt.Errorf("a symbolic link stands in its path, so it is not what was handed over: %w", err)
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	return unix.OpenTree(at, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
}
