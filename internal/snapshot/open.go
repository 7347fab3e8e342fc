package snapshot

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// beneath is how everything below a workspace is opened: from a folder that is
// open, down, through no link and no mount, and without waiting for the other
// end of a FIFO.
var beneath = unix.OpenHow{
	Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
}

func openFolder(at int, name string, how unix.OpenHow) (int, error) {
	how.Flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	return unix.Openat2(at, name, &how)
}

// reach opens what fstatat called st, for reading, and holds that it is still
// that. An agent can take the right to read its own files from itself, and so,
// rootless, from us: then it is given back for the moment of opening.
func reach(at int, name string, st *unix.Stat_t, more uint64) (int, error) {
	how := beneath
	how.Flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC | more
	fd, err := unix.Openat2(at, name, &how)
	if errors.Is(err, unix.EACCES) && int(st.Uid) == os.Geteuid() {
		fd, err = force(at, name, st, how)
	}
	if errors.Is(err, unix.EXDEV) {
		return -1, fmt.Errorf("a mount of this machine lies here: %w", err)
	}
	if err != nil {
		return -1, err
	}
	return same(fd, st)
}

// same closes fd unless it is what st says.
func same(fd int, st *unix.Stat_t) (int, error) {
	var now unix.Stat_t
	err := unix.Fstat(fd, &now)
	if err == nil && (now.Dev != st.Dev || now.Ino != st.Ino || now.Mode&unix.S_IFMT != st.Mode&unix.S_IFMT) {
		err = errChanged
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// force opens a file or folder of our own whose mode does not let us.
func force(at int, name string, st *unix.Stat_t, how unix.OpenHow) (int, error) {
	place := how
	place.Flags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat2(at, name, &place)
	if err != nil {
		return -1, err
	}
	if fd, err = same(fd, st); err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	self := fmt.Sprintf("/proc/self/fd/%d", fd)
	if err := unix.Chmod(self, st.Mode&0o7777|0o500); err != nil {
		return -1, err
	}
	opened, err := unix.Openat2(at, name, &how)
	return opened, errors.Join(err, unix.Chmod(self, st.Mode&0o7777))
}

// list are the names in an open folder, in order.
func list(fd int) ([]string, error) {
	own, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) { // a folder that can be read and not entered
		own, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	}
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(own), "folder")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// attributes copies the user's extended attributes; a file system without any
// has none to copy.
func attributes(in, out int) error {
	buf := make([]byte, 64<<10)
	n, err := unix.Flistxattr(in, buf)
	if err != nil || n == 0 {
		return nil
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue // the others are the machine's own
		}
		size, err := unix.Fgetxattr(in, name, value)
		if err != nil {
			continue // it went away
		}
		if err := unix.Fsetxattr(out, name, value[:size], 0); err != nil {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
	}
	return nil
}
