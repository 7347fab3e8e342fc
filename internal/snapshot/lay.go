package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxLook is the most bytes that Look reads.
const MaxLook = 1 << 20

// Look reads a regular file of at most MaxLook bytes below a workspace, through
// no link and no mount. It is fs.ErrNotExist where nothing has the name.
func Look(workspace, name string) ([]byte, error) {
	refuse := func(err error) ([]byte, error) { return nil, fmt.Errorf("look at %s: %w", clip(name), err) }
	dir, err := openFolder(unix.AT_FDCWD, workspace, unix.OpenHow{Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return refuse(err)
	}
	defer unix.Close(dir)
	how := beneath
	how.Flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat2(dir, name, &how)
	if err != nil {
		return refuse(err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return refuse(err)
	}
	body, err := io.ReadAll(io.LimitReader(f, MaxLook+1))
	if err == nil && len(body) > MaxLook {
		err = fmt.Errorf("more than %d bytes", MaxLook)
	}
	if err != nil {
		return refuse(err)
	}
	return body, nil
}

// Laid is a file for a workspace.
type Laid struct {
	Path string // below it
	Data []byte
	Mode os.FileMode
	User int  // whose it becomes; ours where it is 0
	Over bool // it may take the place of a file; else only of nothing
}

// Lay puts a file into a workspace in which nobody lives at the moment, with the
// folders above it, through no link and no mount. It is whole or not there.
func Lay(workspace string, l Laid) error {
	err := lay(workspace, l)
	if err != nil {
		return fmt.Errorf("lay down %s: %w", clip(l.Path), err)
	}
	return nil
}

func lay(workspace string, l Laid) error {
	if !fs.ValidPath(l.Path) || l.Path == "." {
		return errors.New("not a place below the workspace")
	}
	dir, err := openFolder(unix.AT_FDCWD, workspace, unix.OpenHow{Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(dir) }()
	parts := strings.Split(l.Path, "/")
	for _, part := range parts[:len(parts)-1] {
		below, err := enter(dir, part, l.User)
		if err != nil {
			return err
		}
		_ = unix.Close(dir)
		dir = below
	}
	const tmp = ".nemoclaw-new"
	_ = unix.Unlinkat(dir, tmp, 0) // of one that was killed
	if err := write(dir, tmp, l); err != nil {
		_ = unix.Unlinkat(dir, tmp, 0)
		return err
	}
	flags := uint(unix.RENAME_NOREPLACE)
	if l.Over {
		flags = 0
	}
	if err := unix.Renameat2(dir, tmp, dir, path.Base(l.Path), flags); err != nil {
		_ = unix.Unlinkat(dir, tmp, 0)
		return err
	}
	return unix.Fsync(dir)
}

// enter opens a folder, made where nothing has its name.
func enter(dir int, name string, user int) (int, error) {
	err := unix.Mkdirat(dir, name, 0o700)
	made := err == nil
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	fd, err := openFolder(dir, name, beneath)
	if err == nil && made && user != 0 {
		err = unix.Fchown(fd, user, user)
	}
	return fd, err
}

func write(dir int, name string, l Laid) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(l.Data)
	if err == nil && l.User != 0 {
		err = f.Chown(l.User, l.User)
	}
	return errors.Join(err, f.Chmod(l.Mode.Perm()), f.Sync(), f.Close())
}
