package state

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// shallow is how deep a tree may be that os.RemoveAll removes: it keeps a
// descriptor open for each level.
const shallow = 100

// flat is a tree whose folders are made to be removable.
type flat struct {
	top   int      // its root
	moved []string // folders that lay deep, by their names in top
	next  int      // of such names
}

// flatten gives the owner the rights on every folder of the tree, and moves those
// that lie deep to its top. Nobody uses the tree any more; no link is followed.
func flatten(dir string) error {
	top, err := openFolder(unix.AT_FDCWD, dir)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(top)
	f := flat{top: top}
	if err := f.folder(top, 0); err != nil {
		return err
	}
	for len(f.moved) > 0 {
		name := f.moved[0]
		f.moved = f.moved[1:]
		if err := f.below(top, name, 0); err != nil {
			return err
		}
	}
	return nil
}

// folder looks at what lies in the open folder at.
func (f *flat) folder(at, depth int) error {
	names, err := namesIn(at)
	if err != nil {
		return err
	}
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue
		}
		if depth < shallow {
			err = f.below(at, name, depth)
		} else {
			err = f.raise(at, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// below looks at a folder in the folder at.
func (f *flat) below(at int, name string, depth int) error {
	fd, err := openFolder(at, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f.folder(fd, depth+1)
}

// raise moves a folder to the top, to be looked at there.
func (f *flat) raise(at int, name string) error {
	fd, err := openFolder(at, name) // with its rights, without which it cannot be moved
	if err != nil {
		return err
	}
	unix.Close(fd)
	for ; ; f.next++ {
		to := fmt.Sprintf(".deep-%d", f.next)
		err := unix.Renameat2(at, name, f.top, to, unix.RENAME_NOREPLACE)
		if err == nil {
			f.moved = append(f.moved, to)
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}

// openFolder opens a folder, which has its owner's rights from then on.
func openFolder(at int, name string) (int, error) {
	const how = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	place, err := unix.Openat(at, name, unix.O_PATH|how, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(place)
	if err := unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", place), 0o700); err != nil {
		return -1, err
	}
	return unix.Openat(place, ".", unix.O_RDONLY|how, 0)
}

func namesIn(fd int) ([]string, error) {
	own, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(own), "folder")
	defer dir.Close()
	return dir.Readdirnames(-1)
}
