package snapshot

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An archive is a gzipped tar: header.json, the files that go with a sandbox,
// and what lies below workspace/.
const (
	archiveFormat = 1
	headerName    = "header.json"
	treePrefix    = "workspace"
	maxFile       = 1 << 20 // of the files that go with it
	maxEntries    = 5_000_000
	maxNames      = 1 << 30 // bytes of all names together
	maxUnpacked   = 1 << 40
	spare         = 256 << 20 // bytes of the disk that unpacking leaves to others
	entrySize     = 4 << 10   // what the disk takes for one, at the most, beside its bytes
)

// Header says what an archive is of.
type Header struct {
	Format int       `json:"format"`
	Made   time.Time `json:"made"`
	Name   string    `json:"name"` // the sandbox's
	Record Record    `json:"record"`
}

// Bad is an archive that is not taken: damaged, cut short, or made to do harm.
type Bad struct{ Entry, Why string }

func (b *Bad) Error() string {
	if b.Entry == "" {
		return "read archive: " + b.Why
	}
	return fmt.Sprintf("read archive: entry %q: %s", b.Entry, b.Why)
}

// Write packs a tree of ours, which nobody writes to, and the files that go
// with it, by their names.
func Write(ctx context.Context, w io.Writer, h Header, files map[string][]byte, tree string) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	defer root.Close()
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	left := int64(maxUnpacked)
	h.Format = archiveFormat
	head, err := json.Marshal(h)
	if err == nil {
		err = small(archive, headerName, head)
	}
	for _, name := range sorted(files) {
		err = errors.Join(err, small(archive, name, files[name]))
	}
	if err == nil {
		err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
			if err == nil {
				err = context.Cause(ctx)
			}
			if err == nil {
				err = pack(archive, root, name, e, &left)
			}
			return err
		})
	}
	if err = errors.Join(err, archive.Close(), zip.Close()); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

func sorted(files map[string][]byte) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func small(archive *tar.Writer, name string, body []byte) error {
	err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(body)), Typeflag: tar.TypeReg, Format: tar.FormatPAX})
	if err == nil {
		_, err = archive.Write(body)
	}
	return err
}

// pack writes one thing of the tree, of which left bytes can still be taken: a
// file may be nothing but a hole, as long as no disk is. Pipes are left out: they
// hold nothing.
func pack(archive *tar.Writer, root *os.Root, name string, e fs.DirEntry, left *int64) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	h := tar.Header{Name: path.Join(treePrefix, name), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
	switch {
	case e.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return archive.WriteHeader(&h)
	case e.Type()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = root.Readlink(name); err != nil {
			return err
		}
		return archive.WriteHeader(&h)
	case !e.Type().IsRegular():
		return nil
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if *left -= h.Size; *left < 0 {
		return fmt.Errorf("%s: with it the workspace is longer than the %d GB that an archive may hold", clip(name), maxUnpacked>>30)
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := archive.WriteHeader(&h); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// Read unpacks an archive into tree, which is empty and ours alone; owner is
// whose everything becomes where we are root. known are the names of the files
// that may go with it. An archive may come from anybody: the error is *Bad where
// it is not in form, and tree is then to be thrown away.
func Read(ctx context.Context, r io.Reader, tree string, owner int, known []string) (Header, map[string][]byte, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return Header{}, nil, fmt.Errorf("read archive: %w", err)
	}
	defer root.Close()
	zip, err := gzip.NewReader(r)
	if err != nil {
		return Header{}, nil, &Bad{Why: "not gzip: " + err.Error()}
	}
	in := reading{
		ctx: ctx, archive: tar.NewReader(zip), root: root, owner: owner, known: known,
		files: map[string][]byte{}, seen: map[string]bool{}, isFolder: map[string]bool{".": true}, room: roomAt(tree),
	}
	if err := in.all(); err != nil {
		return Header{}, nil, err
	}
	if _, err := io.Copy(io.Discard, zip); err != nil { // its checksum stands at the end
		return Header{}, nil, &Bad{Why: err.Error()}
	}
	var h Header
	if err := json.Unmarshal(in.files[headerName], &h); err != nil || h.Format != archiveFormat {
		return Header{}, nil, &Bad{headerName, fmt.Sprintf("format %d: want %d", h.Format, archiveFormat)}
	}
	return h, in.files, in.close()
}

type reading struct {
	ctx     context.Context
	archive *tar.Reader
	root    *os.Root
	owner   int
	known   []string
	files   map[string][]byte
	seen    map[string]bool
	folders []*tar.Header // their modes and times come last
	bytes   int64

	names    int             // bytes of them
	isFolder map[string]bool // those that this archive has made; there are no others
	room     int64           // bytes that may be unpacked
}

// roomAt is how much an archive may unpack to at dir: its sizes are whatever its
// maker wrote, and a few bytes can stand for as many as there are.
func roomAt(dir string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return maxUnpacked // the writes will tell
	}
	others := min(spare, int64(st.Blocks)*st.Bsize/16) // of a small disk, less
	return min(maxUnpacked, max(0, int64(st.Bavail)*st.Bsize-others))
}

// take counts what is about to be written.
func (in *reading) take(h *tar.Header) error {
	if h.Size < 0 || h.Size > in.room-in.bytes-entrySize {
		return &Bad{h.Name, fmt.Sprintf("too large: what it unpacks to does not fit into the %d MB that the disk can give", in.room>>20)}
	}
	in.bytes += h.Size + entrySize
	return nil
}

func (in *reading) all() error {
	for n := 0; ; n++ {
		if err := context.Cause(in.ctx); err != nil {
			return err
		}
		h, err := in.archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &Bad{Why: err.Error()}
		}
		if n >= maxEntries {
			return &Bad{Why: fmt.Sprintf("more than %d entries", maxEntries)}
		}
		if err := in.one(h); err != nil {
			return err
		}
	}
}

func (in *reading) one(h *tar.Header) error {
	name := strings.TrimSuffix(h.Name, "/")
	if in.names += len(name); in.names > maxNames {
		return &Bad{Why: fmt.Sprintf("more than %d MB of names", maxNames>>20)}
	}
	if strings.Count(name, "/") > deepest+1 {
		return &Bad{clip(name), fmt.Sprintf("folders lie more than %d deep", deepest)}
	}
	if !fs.ValidPath(name) || in.seen[name] || strings.ContainsRune(name, 0) {
		return &Bad{h.Name, "not a place inside, or twice"}
	}
	in.seen[name] = true
	if h.Mode&^0o777 != 0 {
		return &Bad{h.Name, fmt.Sprintf("mode %o: setuid, setgid or sticky", h.Mode)}
	}
	if name != treePrefix && !strings.HasPrefix(name, treePrefix+"/") {
		return in.file(h, name)
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, treePrefix), "/")
	if name == "" {
		return nil
	}
	if !in.isFolder[path.Dir(name)] {
		return &Bad{h.Name, "what is above it is no folder"}
	}
	if err := in.take(h); err != nil {
		return err
	}
	return in.below(h, name)
}

// file takes one of those that go with the workspace.
func (in *reading) file(h *tar.Header, name string) error {
	if h.Typeflag != tar.TypeReg || h.Size > maxFile || name != headerName && !slices.Contains(in.known, name) {
		return &Bad{h.Name, "not a file of a sandbox"}
	}
	body, err := io.ReadAll(in.archive)
	if err != nil {
		return &Bad{h.Name, err.Error()}
	}
	in.files[name] = body
	return nil
}

func (in *reading) below(h *tar.Header, name string) (err error) {
	switch h.Typeflag {
	case tar.TypeDir:
		h.Name = name
		in.folders = append(in.folders, h)
		err = in.root.Mkdir(name, 0o700)
		in.isFolder[name] = true
	case tar.TypeSymlink:
		err = in.root.Symlink(h.Linkname, name) // an agent's links may lead anywhere: nobody follows them
	case tar.TypeReg:
		err = in.content(h, name)
	default:
		return &Bad{h.Name, fmt.Sprintf("type %q: neither file, folder nor link", h.Typeflag)}
	}
	if err == nil && os.Geteuid() == 0 {
		err = in.root.Lchown(name, in.owner, in.owner)
	}
	if err != nil {
		return fmt.Errorf("read archive: %q: %w", h.Name, err)
	}
	return nil
}

func (in *reading) content(h *tar.Header, name string) error {
	f, err := in.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in.archive)
	if err != nil && !errors.As(err, new(*fs.PathError)) {
		err = &Bad{h.Name, err.Error()}
	}
	err = errors.Join(err, f.Chmod(fs.FileMode(h.Mode)), f.Close())
	if err != nil {
		return err
	}
	return in.root.Chtimes(name, h.ModTime, h.ModTime)
}

// close gives the folders their modes and times, the inner ones first.
func (in *reading) close() error {
	for _, h := range slices.Backward(in.folders) {
		err := errors.Join(in.root.Chtimes(h.Name, h.ModTime, h.ModTime), in.root.Chmod(h.Name, fs.FileMode(h.Mode)))
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
	}
	return nil
}
