package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// deepest is how far folders may lie in each other: each level costs two
// descriptors.
const deepest = 400

// Copied is what a Copy found.
type Copied struct {
	Files, Folders, Links int
	Bytes                 int64 // as the files say; shared or sparse ones take less
	Shared                bool  // the file system shares the blocks: nothing was copied
	Left                  int   // sockets and devices, which are dead in a copy
	Changed               int   // files that went away or became something else meanwhile
}

// Copy makes the folder to the same as the folder from: contents, links, modes,
// times, holes, user attributes, hard links among its own files, and, as root,
// owners. The folder to exists and is empty, and nobody else can write to it;
// from may be an agent's own, and may change meanwhile. Both paths must be the
// caller's own down to their last part.
func Copy(ctx context.Context, from, to string) (Copied, error) {
	c := copier{ctx: ctx, links: map[inode]string{}, done: Copied{Shared: true}, root: os.Geteuid() == 0}
	in, err := openFolder(unix.AT_FDCWD, from, unix.OpenHow{Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return Copied{}, fmt.Errorf("copy %s: %w", from, err)
	}
	defer unix.Close(in)
	out, err := openFolder(unix.AT_FDCWD, to, unix.OpenHow{Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", to, err)
	}
	defer unix.Close(out)
	c.top = out
	var st unix.Stat_t
	if err := unix.Fstat(in, &st); err != nil {
		return Copied{}, fmt.Errorf("copy %s: %w", from, err)
	}
	if err := c.folder(in, out, ".", 0); err != nil {
		return Copied{}, fmt.Errorf("copy %s: %w", from, err)
	}
	if err := c.finish(in, out, &st); err != nil {
		return Copied{}, fmt.Errorf("copy %s: %w", from, err)
	}
	c.done.Shared = c.done.Shared && c.done.Files > 0
	return c.done, nil
}

type inode struct{ dev, ino uint64 }

type copier struct {
	ctx   context.Context
	top   int              // the copy's root
	links map[inode]string // files with several names: the first one in the copy
	root  bool             // owners can be kept
	done  Copied
}

// gone are the errors of something that is not there any more, or is something
// else by now: the agent goes on while we copy.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, errChanged)
}

var errChanged = errors.New("it became something else")

// folder copies what lies in the folder open at from.
func (c *copier) folder(from, to int, where string, depth int) error {
	if depth > deepest {
		return fmt.Errorf("%s: folders lie more than %d deep", clip(where), deepest)
	}
	names, err := list(from)
	if err != nil {
		return fmt.Errorf("%s: %w", clip(where), err)
	}
	for _, name := range names {
		if err := c.ctx.Err(); err != nil {
			return context.Cause(c.ctx)
		}
		err := c.one(from, to, name, path.Join(where, name), depth)
		if gone(err) {
			c.done.Changed++
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) one(from, to int, name, where string, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(from, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("%s: %w", clip(where), err)
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		err = c.file(from, to, name, where, &st)
	case unix.S_IFDIR:
		return c.below(from, to, name, where, depth, &st)
	case unix.S_IFLNK:
		err = c.link(from, to, name, &st)
	case unix.S_IFIFO:
		err = c.fifo(to, name, &st)
	default:
		c.done.Left++
	}
	if err != nil {
		return fmt.Errorf("%s: %w", clip(where), err)
	}
	return nil
}

func (c *copier) below(from, to int, name, where string, depth int, st *unix.Stat_t) error {
	in, err := reach(from, name, st, unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("%s: %w", clip(where), err)
	}
	defer unix.Close(in)
	if err := unix.Mkdirat(to, name, 0o700); err != nil {
		return fmt.Errorf("%s: make the copy: %w", clip(where), err)
	}
	out, err := openFolder(to, name, beneath)
	if err != nil {
		return fmt.Errorf("%s: make the copy: %w", clip(where), err)
	}
	defer unix.Close(out)
	c.done.Folders++
	if err := c.folder(in, out, where, depth+1); err != nil {
		return err
	}
	if err := c.finish(in, out, st); err != nil {
		return fmt.Errorf("%s: make the copy: %w", clip(where), err)
	}
	return nil
}

func (c *copier) file(from, to int, name, where string, st *unix.Stat_t) error {
	if st.Nlink > 1 {
		if first, ok := c.links[inode{st.Dev, st.Ino}]; ok {
			err := unix.Linkat(c.top, first, to, name, 0)
			if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EMLINK) && !errors.Is(err, unix.ENAMETOOLONG) {
				return err
			} // the first name's folder is closed by now, or lies too deep: a file of its own has the same bytes
		}
	}
	in, err := reach(from, name, st, 0)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := unix.Openat(to, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	defer unix.Close(out)
	if err := c.bytes(in, out, st.Size); err != nil {
		return err
	}
	if st.Nlink > 1 {
		c.links[inode{st.Dev, st.Ino}] = where
	}
	c.done.Files++
	c.done.Bytes += st.Size
	return c.finish(in, out, st)
}

func (c *copier) link(from, to int, name string, st *unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(from, name, buf)
	if errors.Is(err, unix.EINVAL) {
		return errChanged
	}
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(buf[:n]), to, name); err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	c.done.Links++
	return c.dress(to, name, st)
}

func (c *copier) fifo(to int, name string, st *unix.Stat_t) error {
	if err := unix.Mkfifoat(to, name, st.Mode&0o777); err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	return c.dress(to, name, st)
}

// dress gives owner and times to what cannot be opened.
func (c *copier) dress(to int, name string, st *unix.Stat_t) error {
	if c.root {
		if err := unix.Fchownat(to, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(to, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// finish gives an open copy the owner, attributes, mode and times of what it is
// a copy of; times last, since the others change them.
func (c *copier) finish(in, out int, st *unix.Stat_t) error {
	if c.root {
		if err := unix.Fchown(out, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := attributes(in, out); err != nil {
		return err
	}
	if err := unix.Fchmod(out, st.Mode&0o7777); err != nil {
		return err
	}
	return unix.UtimesNanoAt(out, "", []unix.Timespec{st.Atim, st.Mtim}, unix.AT_EMPTY_PATH)
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return fmt.Sprintf("%q", s)
}
