package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// File is one file of a new sandbox.
type File struct {
	Path string // below the sandbox's folder: "network-policy.yaml", "workspace/.openclaw/openclaw.json"
	Data []byte
	Mode os.FileMode // 0 is 0600
}

const (
	making   = ".new-"
	removing = ".gone-"
)

// Create makes the sandbox: everything is built in a folder of a temporary
// name and then renamed, so that it exists whole or not at all. What earlier
// makers and removers left behind when they were killed is swept away.
// Errors: *Taken, *Unsafe.
func (s Sandbox) Create(set Settings, files ...File) error {
	if err := s.home.make(); err != nil {
		return err
	}
	if s.taken() {
		return &Taken{s.name, s.home.Free(s.name)}
	}
	s.home.sweep()
	set.Version, set.Name = SettingsVersion, string(s.name)
	if set.Created.IsZero() {
		set.Created = time.Now().UTC().Truncate(time.Second)
	}
	tmp, done, err := s.home.scratch(making)
	if err != nil {
		return err
	}
	defer done()
	if err := build(tmp, set, files); err != nil {
		return fmt.Errorf("create sandbox %q: %w", string(s.name), err)
	}
	// A book of an earlier sandbox of this name is gone with it.
	if err := s.forgetAnchor(); err != nil {
		return fmt.Errorf("create sandbox %q: %w", string(s.name), err)
	}
	err = unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, s.Dir(), unix.RENAME_NOREPLACE)
	if errors.Is(err, fs.ErrExist) {
		return &Taken{s.name, s.home.Free(s.name)}
	}
	if err != nil {
		return fmt.Errorf("create sandbox %q: %w", string(s.name), err)
	}
	return syncDir(s.home.Dir)
}

func (h Home) make() error {
	for _, dir := range []string{h.Dir, h.Anchors()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make home: %w", err)
		}
	}
	return checkOwner(h.Dir)
}

// Scratch makes an empty folder on the disk of the sandboxes. done removes what is
// left of it; of a process that was killed, a later Create does.
func (h Home) Scratch() (dir string, done func(), err error) {
	if err := h.make(); err != nil {
		return "", nil, err
	}
	return h.scratch(making)
}

// scratch makes a folder of a temporary name and locks it, so that sweep can
// tell a living maker from a dead one. done removes whatever is still there.
func (h Home) scratch(prefix string) (dir string, done func(), err error) {
	dir, err = os.MkdirTemp(h.Dir, prefix+"*")
	if err != nil {
		return "", nil, fmt.Errorf("make folder: %w", err)
	}
	unlock, err := lockDir(dir)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		// Another's sweep was quicker than our lock and takes the folder away.
		return h.scratch(prefix)
	}
	if err != nil {
		return "", nil, fmt.Errorf("lock folder: %w", err)
	}
	return dir, func() {
		_ = RemoveTree(dir)
		unlock()
	}, nil
}

func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !same(f, dir) {
		return nil, errors.Join(fs.ErrNotExist, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// sweep removes what killed makers and removers left. It is a courtesy: what
// it cannot remove stays and harms nobody.
func (h Home) sweep() {
	entries, _ := os.ReadDir(h.Dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), making) && !strings.HasPrefix(e.Name(), removing) {
			continue
		}
		dir := filepath.Join(h.Dir, e.Name())
		unlock, err := lockDir(dir)
		if err != nil {
			continue // its maker lives
		}
		_ = RemoveTree(dir)
		unlock()
	}
}

func build(dir string, set Settings, files []File) error {
	for _, sub := range []string{"workspace", "generations", "audit", "run"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	settings, err := encode(set)
	if err != nil {
		return err
	}
	for _, f := range append(files, File{Path: "sandbox.yaml", Data: settings}) {
		if err := put(dir, f); err != nil {
			return err
		}
	}
	if set.User != 0 {
		if err := give(filepath.Join(dir, "workspace"), int(set.User)); err != nil {
			return err
		}
	}
	g, err := makeGeneration(dir, 1, settings, Note{Made: set.Created, Why: "create"})
	if err != nil {
		return err
	}
	return activate(dir, g.Number)
}

// give makes a fresh workspace the sandbox's own. Nothing has lived there yet,
// so that no link in it leads elsewhere.
func give(workspace string, user int) error {
	return filepath.WalkDir(workspace, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
}

func put(dir string, f File) error {
	if !filepath.IsLocal(f.Path) {
		return fmt.Errorf("file %q: not below the sandbox's folder", f.Path)
	}
	if f.Mode == 0 {
		f.Mode = 0o600
	}
	path := filepath.Join(dir, f.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return WriteDurable(path, f.Data, f.Mode)
}
