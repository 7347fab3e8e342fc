package confine

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/detached"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// stage is a folder of the new root in which layers of overlays and contents
// of files lie until they are mounted; it is gone before anything runs.
const stage = ".stage"

// rootSize bounds the small files and folders of the root itself.
const rootSize = "16m"

// root is the tree under construction: a tmpfs that becomes "/".
type root struct {
	fd      int             // its top folder
	sources []source        // of the mounts, by position; opened before the old tree is out of reach
	ours    map[uint64]bool // devices of file systems made here: the only ones in which files are made
	modes   []spec.Mount    // folders whose mode is set when nothing more is made in them
	folders map[string]folder
	umask   int
	staged  int
}

// folder is one of the new tree. Most entries stand side by side: its
// descriptor is kept.
type folder struct {
	fd   int
	ours bool // it lies in a file system made here, into which alone we write
}

// source is a detached mount, waiting for its place.
type source struct {
	fd   int
	dir  bool
	node bool // a device
}

// openSources takes hold of every source while the host's tree is still
// there. Detached mounts handed over by the supervisor take a path's place.
func (r *root) openSources(mounts []spec.Mount, handed []int) error {
	r.sources = make([]source, len(mounts))
	for i, m := range mounts {
		if m.Kind != spec.Bind && m.Kind != spec.Lower {
			continue
		}
		s, err := openSource(m, handed)
		if err != nil {
			return act("open", m.Source, err)
		}
		r.sources[i] = s
	}
	return nil
}

func openSource(m spec.Mount, handed []int) (source, error) {
	var fd int
	switch {
	case m.Fd > len(handed):
		return source{}, fmt.Errorf("descriptor %d of %d", m.Fd, len(handed))
	case m.Fd > 0:
		fd = handed[m.Fd-1]
	default:
		var err error
		if fd, err = detached.Take(m); err != nil {
			return source{}, err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return source{}, err
	}
	kind := st.Mode & unix.S_IFMT
	return source{fd: fd, dir: kind == unix.S_IFDIR, node: kind == unix.S_IFCHR}, nil
}

// lay puts the empty root over the old one. The old tree stays reachable from
// the process's root folder until pivot.
func (r *root) lay() error {
	fd, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode=0755", "size="+rootSize)
	if err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return act("move mount to", "/", err)
	}
	r.fd, r.ours, r.folders = fd, map[uint64]bool{}, map[string]folder{}
	r.umask = unix.Umask(0) // modes are meant as they are given
	return r.own(fd)
}

// own remembers the file system of fd as one made here.
func (r *root) own(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("look at new file system: %w", err)
	}
	r.ours[st.Dev] = true
	return nil
}

// finish sets the modes that would have been in the way until now.
func (r *root) finish() error {
	for _, m := range r.modes {
		f, err := r.folder(path.Dir(m.Target))
		if err == nil {
			err = unix.Fchmodat(f.fd, path.Base(m.Target), m.Mode, 0)
		}
		if err != nil {
			return act("set mode of", m.Target, err)
		}
	}
	r.forget("")
	unix.Umask(r.umask)
	if r.staged > 0 {
		if err := unix.Unlinkat(r.fd, stage, unix.AT_REMOVEDIR); err != nil {
			return act("remove", stage, err)
		}
	}
	return nil
}

// pivot makes the new root the only one there is. See pivot_root(2), notes:
// with "." for both, the old root lies over the new one until it is unmounted.
func (r *root) pivot() error {
	if err := unix.Fchdir(r.fd); err != nil {
		return act("enter", "new root", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return act("pivot to", "new root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return act("unmount", "old root", err)
	}
	return act("enter", "/", unix.Chdir("/"))
}

// close makes the root itself read-only; what is mounted below keeps its own
// right.
func (r *root) close() error {
	defer unix.Close(r.fd)
	return act("set read-only", "/", unix.MountSetattr(r.fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}))
}

// beneath is how every name in the new tree is looked up: parts of it are the
// agent's own workspace, where a link may point anywhere.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

func (r *root) open(target string, flags uint64) (int, error) {
	return openBeneath(r.fd, relative(target), flags)
}

func openBeneath(dir int, name string, flags uint64) (int, error) {
	return unix.Openat2(dir, name, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC | unix.O_NOFOLLOW, Resolve: beneath})
}

func relative(target string) string {
	if t := strings.TrimPrefix(target, "/"); t != "" {
		return t
	}
	return "."
}

// place makes sure that target stands, as a folder or as an empty file, and
// opens it as a path.
func (r *root) place(target string, dir bool) (int, error) {
	if fd, err := r.open(target, unix.O_PATH); !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	f, err := r.folder(path.Dir(target))
	if err != nil {
		return -1, err
	}
	name := path.Base(target)
	if err := makeAt(f.fd, name, dir); err != nil {
		return -1, err
	}
	return openBeneath(f.fd, name, unix.O_PATH)
}

// writeAll is write(2) until all is written: one call may take a part.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return unix.EIO
		default:
			b = b[n:]
		}
	}
	return nil
}

func makeAt(parent int, name string, dir bool) error {
	if dir {
		return unix.Mkdirat(parent, name, 0o755)
	}
	return unix.Mknodat(parent, name, unix.S_IFREG|0o644, 0)
}

// folder opens the folder dir, making what is missing on the way. Its
// descriptor stays r's.
func (r *root) folder(dir string) (folder, error) {
	if f, ok := r.folders[dir]; ok {
		return f, nil
	}
	fd, err := r.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		fd, err = r.makeFolder(dir)
	}
	if err != nil {
		return folder{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return folder{}, err
	}
	r.folders[dir] = folder{fd, r.ours[st.Dev]}
	return r.folders[dir], nil
}

func (r *root) makeFolder(dir string) (int, error) {
	up, err := r.folder(path.Dir(dir))
	if err != nil {
		return -1, err
	}
	if err := makeAt(up.fd, path.Base(dir), true); err != nil {
		return -1, err
	}
	return openBeneath(up.fd, path.Base(dir), unix.O_PATH|unix.O_DIRECTORY)
}

// forget lets go of target and what is beneath: something else stands there
// now.
func (r *root) forget(target string) {
	for dir, f := range r.folders {
		if dir == target || strings.HasPrefix(dir, target+"/") {
			unix.Close(f.fd)
			delete(r.folders, dir)
		}
	}
}

// ourFolder is the folder of target, into which something is written.
func (r *root) ourFolder(target string) (folder, error) {
	f, err := r.folder(path.Dir(target))
	if err == nil && !f.ours {
		err = errors.New("its folder is the host's")
	}
	return f, err
}
