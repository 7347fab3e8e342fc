package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Verify reads the whole unpacked tree again: every file by its bytes, and
// that nothing was added or is missing. The error is a *blueprint.Mismatch
// that names the first thing found. Content without a tree has nothing to
// check.
func (s *Store) Verify(c Content) error {
	if got := c.seal(); got != c.Tree {
		return &blueprint.Mismatch{Blueprint: c.Manifest.Ref().String(), What: "content: index", Want: c.Tree, Got: got}
	}
	err := errors.Join(s.verify(context.Background(), c.base, nil), s.verify(context.Background(), c.content, nil))
	return named(err, c.Manifest.Ref())
}

// Reread is Verify of whatever was unpacked for m, whose digest is d: with a
// true result every file of it was read and is right.
func (s *Store) Reread(ctx context.Context, m blueprint.Manifest, d blueprint.Digest) (bool, error) {
	any := false
	for _, one := range trees(m, d) {
		found, err := s.unpacked(one)
		if errors.Is(err, errNoContent) {
			continue
		}
		if err == nil {
			any, err = true, s.verify(ctx, found, nil)
		}
		if err != nil {
			return false, err
		}
	}
	return any, nil
}

// trees are the digests under which things were unpacked for m, whose digest is
// d: its base and its content, both of which others may share.
func trees(m blueprint.Manifest, d blueprint.Digest) []blueprint.Digest {
	all := []blueprint.Digest{d} // where an older nemoclaw unpacked
	for _, one := range []blueprint.Digest{m.BaseDigest(), m.ContentDigest(), underOther(m.ContentDigest())} {
		if one != "" {
			all = append(all, one)
		}
	}
	return all
}

// verify reads what was unpacked; the zero record is nothing.
func (s *Store) verify(ctx context.Context, r record, p Progress) error {
	if r.dir == "" {
		return nil
	}
	index, err := readIndex(filepath.Join(r.dir, indexName), r.Index)
	if err != nil {
		return err
	}
	first := Step{Phase: Checking, FilesTotal: len(index)}
	for _, e := range index {
		first.BytesTotal += e.Size
	}
	m, end := start(ctx, p, first)
	err = verifyTree(ctx, r.tree(), index, m)
	end(err)
	return err
}

// readIndex reads the index of a tree and holds it to its recorded digest.
func readIndex(file string, want blueprint.Digest) ([]entry, error) {
	f, err := openBlob(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &blueprint.Mismatch{What: "content: index", Why: "missing"}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxIndex))
	if err != nil {
		return nil, err
	}
	if got := blueprint.Sum(body); got != want {
		return nil, &blueprint.Mismatch{What: "content: index", Want: want, Got: got}
	}
	return parseTree(body)
}

const maxIndex = 256 << 20

// verifyTree compares a tree with its index, folder by folder.
func verifyTree(ctx context.Context, dir string, index []entry, m *meter) error {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return changed("its tree", err.Error())
	}
	defer unix.Close(root)
	folders := byFolder(index)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0)) // while one waits for the disk another hashes
	for _, f := range folders {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f.verify(root, m)
		})
	}
	return group.Wait()
}

// folder is one folder of a tree and what belongs into it.
type folder struct {
	path  string
	mode  uint32
	holds map[string]entry
}

// byFolder sorts an index into folders, the tree itself included.
func byFolder(index []entry) map[string]*folder {
	folders := map[string]*folder{".": {path: ".", mode: folderMode, holds: map[string]entry{}}}
	for _, e := range index {
		if e.Kind == isFolder {
			folders[e.Path] = &folder{path: e.Path, mode: e.Mode, holds: map[string]entry{}}
		}
	}
	for _, e := range index {
		if in := folders[path.Dir(e.Path)]; in != nil {
			in.holds[path.Base(e.Path)] = e
		}
	}
	return folders
}

func (f *folder) verify(root int, m *meter) error {
	fd, err := unix.Openat2(root, f.path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return changed(f.path, err.Error())
	}
	dir := os.NewFile(uintptr(fd), f.path)
	defer dir.Close()
	if err := modeIs(fd, f.path, unix.S_IFDIR|f.mode); err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := f.holds[name]; !ok {
			return changed(path.Join(f.path, name), "added")
		}
	}
	if len(names) != len(f.holds) {
		return f.missing(names)
	}
	r := reader{sum: make([]byte, 0, sha256.Size), buf: make([]byte, 128<<10), meter: m}
	for name, e := range f.holds {
		if err := r.verify(fd, name, e); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) missing(names []string) error {
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	for name := range f.holds {
		if !there[name] {
			return changed(path.Join(f.path, name), "missing")
		}
	}
	return nil
}

// reader compares the entries of one folder; it keeps its buffers.
type reader struct {
	sum, buf []byte
	meter    *meter
}

func (r *reader) verify(dir int, name string, e entry) error {
	switch e.Kind {
	case isFile:
		return r.file(dir, name, e)
	case isLink:
		n, err := unix.Readlinkat(dir, name, r.buf)
		if err != nil || string(r.buf[:n]) != e.Target {
			return changed(e.Path, "not the link it was")
		}
	}
	return nil // a folder is compared by itself
}

func (r *reader) file(dir int, name string, e entry) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return changed(e.Path, err.Error())
	}
	defer unix.Close(fd)
	if err := modeIs(fd, e.Path, unix.S_IFREG|e.Mode); err != nil {
		return err
	}
	h := sha256.New()
	for {
		n, err := unix.Read(fd, r.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", e.Path, err)
		}
		if n == 0 {
			break
		}
		h.Write(r.buf[:n])
		r.meter.bytes(int64(n))
	}
	r.meter.file()
	if [sha256.Size]byte(h.Sum(r.sum)) != e.Sum {
		return &blueprint.Mismatch{What: "content: " + e.Path, Want: e.digest(), Got: blueprint.Finish(h)}
	}
	return nil
}

// modeIs compares type and permission bits, setuid and its like included.
func modeIs(fd int, name string, want uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode != want {
		return changed(name, fmt.Sprintf("mode %06o, was %06o", st.Mode, want))
	}
	return nil
}

func changed(name, why string) error {
	return &blueprint.Mismatch{What: "content: " + name, Why: why}
}
