package confine

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// build makes the tree, entry by entry.
func (r *root) build(mounts []spec.Mount) error {
	for i, m := range mounts {
		if !path.IsAbs(m.Target) || path.Clean(m.Target) != m.Target || m.Target == "/" {
			return fmt.Errorf("mount %q: not a clean absolute path below the root", m.Target)
		}
		if err := r.mount(m, r.sources[i]); err != nil {
			return act("mount", m.Target, err)
		}
	}
	return nil
}

func (r *root) mount(m spec.Mount, s source) error {
	switch m.Kind {
	case spec.Bind:
		return r.bind(m, s)
	case spec.Lower:
		return r.lower(m, s)
	case spec.Tmpfs:
		return r.fresh(m, "tmpfs", "mode="+strconv.FormatUint(uint64(m.Mode), 8), "size="+strconv.FormatInt(m.Size, 10))
	case spec.Proc:
		m.NoExec = true
		return r.fresh(m, "proc")
	case spec.Devpts:
		// Since Linux 4.7 every mount is an instance of its own.
		m.NoExec = true
		return r.fresh(m, "devpts", "ptmxmode=0666", "mode=0620")
	case spec.Mqueue:
		m.NoExec = true
		return r.fresh(m, "mqueue")
	case spec.Dir:
		return r.dir(m)
	case spec.File:
		return r.file(m)
	case spec.Symlink:
		return r.symlink(m)
	case spec.Mask:
		return r.mask(m)
	}
	return fmt.Errorf("unknown kind %q", m.Kind)
}

// attributes are what every mount of kind m has. Nothing that can be written
// to hands out rights (nosuid) or hardware (nodev).
func attributes(m spec.Mount, node bool) uint64 {
	a := uint64(unix.MOUNT_ATTR_NOSUID)
	if !node {
		a |= unix.MOUNT_ATTR_NODEV
	}
	if m.ReadOnly {
		a |= unix.MOUNT_ATTR_RDONLY
	}
	if m.NoExec {
		a |= unix.MOUNT_ATTR_NOEXEC
	}
	return a
}

func (r *root) bind(m spec.Mount, s source) error {
	defer unix.Close(s.fd)
	// Recursive: a plain remount would leave the mounts below writable.
	// Private: what is mounted into it later must not appear elsewhere too.
	attr := &unix.MountAttr{Attr_set: attributes(m, s.node), Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(s.fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
		return act("set attributes of", m.Source, err)
	}
	return r.attach(s.fd, m.Target, s.dir)
}

// lower shows a source as the only layer with content of an overlay without
// an upper one. In it the host's Unix sockets are dead: connect(2) looks for
// the overlay's inode, on which nobody listens.
func (r *root) lower(m spec.Mount, s source) error {
	defer unix.Close(s.fd)
	if !s.dir {
		// A single file cannot be a layer, and is no socket that one could
		// connect to: that is checked here.
		var st unix.Stat_t
		if err := unix.Fstat(s.fd, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			return errors.New("neither a folder nor a regular file")
		}
		m.ReadOnly = true
		dup, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return err
		}
		return r.bind(m, source{fd: dup})
	}
	layer, empty, err := r.layers(s)
	if err != nil {
		return err
	}
	// The kernel wants two layers where none is writable. It looks relative
	// paths up from the working folder; so no path of the host is in the
	// options, which the agent can read.
	if err := unix.Fchdir(r.fd); err != nil {
		return err
	}
	m.ReadOnly = true
	fd, err := newMount("overlay", attributes(m, false), "lowerdir="+layer+":"+empty)
	if err != nil {
		return errors.Join(err, r.unstage(layer, empty))
	}
	defer unix.Close(fd)
	if err := r.attach(fd, m.Target, true); err != nil {
		return err
	}
	return r.unstage(layer, empty)
}

// layers puts s and an empty folder into the stage, and says their names. The
// empty one is a file system of its own: a mere folder would be a removed one
// once the stage is gone, and nothing merged with a removed folder can be
// listed.
func (r *root) layers(s source) (layer, empty string, err error) {
	layer, empty = r.staging(), r.staging()
	at, err := r.place("/"+layer, true)
	if err != nil {
		return "", "", err
	}
	defer unix.Close(at)
	if err := r.fresh(spec.Mount{Target: "/" + empty, ReadOnly: true}, "tmpfs", "size=4k", "nr_inodes=1"); err != nil {
		return "", "", err
	}
	err = unix.MoveMount(s.fd, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	return layer, empty, act("stage", layer, err)
}

func (r *root) staging() string {
	r.staged++
	return path.Join(stage, strconv.Itoa(r.staged))
}

func (r *root) unstage(layer, empty string) error {
	for _, d := range []string{layer, empty} {
		if err := unix.Unmount(d, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return act("unmount", d, err)
		}
		if err := unix.Unlinkat(r.fd, d, unix.AT_REMOVEDIR); err != nil {
			return act("remove", d, err)
		}
	}
	return nil
}

// fresh mounts a new file system.
func (r *root) fresh(m spec.Mount, kind string, options ...string) error {
	fd, err := newMount(kind, attributes(m, kind == "devpts"), options...)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if kind == "tmpfs" {
		if err := r.own(fd); err != nil {
			return err
		}
	}
	return r.attach(fd, m.Target, true)
}

// attach moves a detached mount to its place.
func (r *root) attach(fd int, target string, dir bool) error {
	if done, err := r.attachNew(fd, target, dir); done || err != nil {
		return err
	}
	at, err := r.place(target, dir)
	if err != nil {
		return act("make place for", target, err)
	}
	defer unix.Close(at)
	if err := unix.MoveMount(fd, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return act("attach", target, err)
	}
	r.forget(target)
	return nil
}

// attachNew does it where nothing stands yet and the folder is ours, so that
// what is made is what is mounted on: most of the tree, in two calls.
func (r *root) attachNew(fd int, target string, dir bool) (done bool, err error) {
	f, err := r.folder(path.Dir(target))
	if err != nil {
		return false, act("make place for", target, err)
	}
	if !f.ours {
		return false, nil
	}
	name := path.Base(target)
	if err := makeAt(f.fd, name, dir); err != nil {
		return false, nil // place says what is wrong, if anything is
	}
	return true, act("attach", target, unix.MoveMount(fd, "", f.fd, name, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

func (r *root) dir(m spec.Mount) error {
	f, err := r.ourFolder(m.Target)
	if err != nil {
		return err
	}
	r.modes = append(r.modes, m)
	if makeAt(f.fd, path.Base(m.Target), true) == nil {
		return nil
	}
	fd, err := r.place(m.Target, true) // it is there already, or cannot be
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return r.mustOwn(fd)
}

func (r *root) file(m spec.Mount) error {
	f, err := r.ourFolder(m.Target)
	if err != nil {
		return err
	}
	fd, err := unix.Openat(f.fd, path.Base(m.Target), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, m.Mode)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, m.Data)
}

func (r *root) symlink(m spec.Mount) error {
	f, err := r.ourFolder(m.Target)
	if err != nil {
		return err
	}
	return unix.Symlinkat(m.Source, f.fd, path.Base(m.Target))
}

// mustOwn holds that nothing is written into a folder of the host.
func (r *root) mustOwn(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if !r.ours[st.Dev] {
		return errors.New("its folder is the host's")
	}
	return nil
}

// mask puts an empty, unreadable folder or file over target, if there is one.
func (r *root) mask(m spec.Mount) error {
	at, err := r.open(m.Target, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return r.fresh(spec.Mount{Target: m.Target, ReadOnly: true, NoExec: true}, "tmpfs", "mode=0", "size=4k", "nr_inodes=1")
	}
	return r.maskFile(at)
}

// maskFile mounts a file of mode 0 that has no name any more.
func (r *root) maskFile(at int) error {
	const name = stage + "-mask"
	if err := makeAt(r.fd, name, false); err != nil {
		return err
	}
	if err := unix.Fchmodat(r.fd, name, 0, 0); err != nil {
		return err
	}
	fd, err := unix.OpenTree(r.fd, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return err
	}
	return unix.Unlinkat(r.fd, name, 0)
}

// newMount makes a detached mount of a new file system. An option is
// "key=value". See fsopen(2), fsconfig(2), fsmount(2).
func newMount(kind string, attributes uint64, options ...string) (int, error) {
	ctx, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, act("open file system", kind, err)
	}
	defer unix.Close(ctx)
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		if err := unix.FsconfigSetString(ctx, key, value); err != nil {
			return -1, act("set "+o+" of", kind, err)
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, act("make", kind, err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, int(attributes))
	return fd, act("mount", kind, err)
}
