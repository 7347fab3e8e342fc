package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Size is what a tree takes.
type Size struct {
	Files  int
	Bytes  int64 // as the files say
	OnDisk int64 // in blocks: what a copy takes where none can be shared
}

// Measure walks the tree below dir, through no link and no mount. What cannot
// be entered is not counted; a tree that changes meanwhile gives some answer.
func Measure(ctx context.Context, dir string) (Size, error) {
	top, err := openFolder(unix.AT_FDCWD, dir, unix.OpenHow{Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return Size{}, fmt.Errorf("measure %s: %w", dir, err)
	}
	defer unix.Close(top)
	var s Size
	seen := map[inode]bool{}
	err = measure(ctx, top, &s, seen, 0)
	return s, err
}

func measure(ctx context.Context, fd int, s *Size, seen map[inode]bool, depth int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	names, err := list(fd)
	if err != nil || depth > deepest {
		return nil
	}
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			at := inode{st.Dev, st.Ino}
			if st.Nlink > 1 && seen[at] {
				continue
			}
			seen[at] = st.Nlink > 1
			s.Files++
			s.Bytes += st.Size
			s.OnDisk += st.Blocks * 512
		case unix.S_IFDIR:
			s.OnDisk += st.Blocks * 512
			if in, err := openFolder(fd, name, beneath); err == nil {
				err = measure(ctx, in, s, seen, depth+1)
				_ = unix.Close(in)
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// shares says whether the file system of dir lets two files share blocks.
func shares(dir string) bool {
	a, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return false
	}
	defer os.Remove(a.Name())
	defer a.Close()
	b, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return false
	}
	defer os.Remove(b.Name())
	defer b.Close()
	if _, err := a.Write(make([]byte, 4096)); err != nil {
		return false
	}
	return unix.IoctlFileClone(int(b.Fd()), int(a.Fd())) == nil
}

// syncAll makes everything below dir durable with one call.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
