package store

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"pault.ag/go/debian/deb"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// A pinned base is unpacked into a folder of its own beside the contents, by
// the digest of what decides it, so that all blueprints that stand on it share
// it. It holds usr and etc; a package's bin, sbin and lib go into usr, as in
// every Debian of today, and what it has elsewhere is left out, since a sandbox
// has no such place.

// base gives the unpacked base of a, made now if it is not here; nothing for
// the machine's own /usr.
func (s *Store) base(ctx context.Context, a blueprint.Artifact, p Progress) (record, error) {
	digest := a.Manifest.BaseDigest()
	if digest == "" {
		return record{}, nil
	}
	return s.shared(ctx, digest, p.waits("unpack the base that it shares with another blueprint"), func() error { return s.buildBase(ctx, a, p) })
}

// EnsureBase makes the base of a ready, and gives its folder; "" is the
// machine's own /usr.
func (s *Store) EnsureBase(ctx context.Context, a blueprint.Artifact, p Progress) (string, error) {
	leave, err := s.begin(ctx, p.waits("clear the cache"))
	if err != nil {
		return "", err
	}
	defer leave()
	under, err := s.base(ctx, a, p)
	if err == nil {
		err = s.verify(ctx, under, p)
	}
	if err != nil || under.dir == "" {
		return "", named(err, a.Manifest.Ref())
	}
	return under.tree(), nil
}

// buildBase fetches and unpacks.
func (s *Store) buildBase(ctx context.Context, a blueprint.Artifact, p Progress) error {
	lock, err := a.Debs()
	if err != nil {
		return err
	}
	debs, err := lock.For(s.platform)
	if err != nil {
		return err
	}
	d := a.Manifest.Debian
	if err := s.room(d.Download + d.Unpacked); err != nil {
		return err
	}
	var parcels []parcel
	from := archive{find: s.mirrors}
	for _, one := range debs {
		parcels = append(parcels, from.parcel(one))
	}
	m, end := start(ctx, p, Step{Phase: Fetching, FilesTotal: len(debs), BytesTotal: d.Download})
	err = s.fetch(ctx, parcels, m)
	end(err)
	if err != nil {
		return err
	}
	return s.make(ctx, a, a.Manifest.BaseDigest(), p, Step{Phase: Unpacking, FilesTotal: len(debs), BytesTotal: d.Unpacked},
		func(dir string, m *meter) ([]entry, error) { return s.fillBase(ctx, dir, d, debs, m) })
}

// fillBase unpacks every package below dir/tree. Which comes first makes no
// difference: but for folders, no two may bring the same thing.
func (s *Store) fillBase(ctx context.Context, dir string, d *blueprint.Debian, debs []blueprint.Deb, m *meter) ([]entry, error) {
	tree, err := s.skeleton(dir)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	var mu sync.Mutex // guards entries
	var entries []entry
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0)) // each holds one package in memory
	for _, one := range debs {
		group.Go(func() error {
			m.item(one.String())
			u := newUndebbing(one, tree, s.bounds, d.Leave, m)
			err := u.run(inner, s.blobPath(one.Digest))
			m.file()
			mu.Lock()
			defer mu.Unlock()
			entries = append(entries, u.entries...)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	u := newUndebbing(blueprint.Deb{Name: "links of the base"}, tree, s.bounds, nil, m)
	for _, l := range d.Links {
		if err := u.link(l.Path, l.Path, l.Target); err != nil {
			return nil, err
		}
	}
	return append(entries, u.entries...), nil
}

// undebbing is one Debian package on its way into the base: deb(5).
type undebbing struct {
	deb    blueprint.Deb
	root   *os.Root
	bounds bounds
	leave  []string
	meter  *meter

	entries []entry
	folders map[string]bool  // known to stand
	files   map[string]entry // made by this package: what its hard links may name
	bytes   int64
	buf     []byte
}

func newUndebbing(d blueprint.Deb, root *os.Root, b bounds, leave []string, m *meter) *undebbing {
	return &undebbing{
		deb: d, root: root, bounds: b, leave: leave, meter: m,
		folders: map[string]bool{".": true}, files: map[string]entry{}, buf: make([]byte, 128<<10),
	}
}

// maxMembers is more than a Debian package has: debian-binary, control, data.
const maxMembers = 10

// run reads the package into memory, so that what was hashed is what is
// unpacked, whatever becomes of the file meanwhile.
func (u *undebbing) run(ctx context.Context, file string) error {
	body, err := u.read(file)
	if err != nil {
		return err
	}
	parts, err := deb.LoadAr(bytes.NewReader(body))
	if err != nil {
		return u.hostile("", "not a Debian package: "+err.Error())
	}
	for range maxMembers {
		part, err := parts.Next()
		if err != nil {
			return u.hostile("", "not a Debian package: no data in it: "+err.Error())
		}
		if part.Size < 0 || part.Size > int64(len(body)) {
			return u.hostile(part.Name, "not a size")
		}
		if strings.HasPrefix(part.Name, "data.tar") {
			return u.data(ctx, part)
		}
	}
	return u.hostile("", fmt.Sprintf("not a Debian package: no data in its first %d parts", maxMembers))
}

func (u *undebbing) read(file string) ([]byte, error) {
	f, err := openBlob(file)
	if err != nil {
		return nil, fmt.Errorf("unpack package %s: %w", u.deb, err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, u.deb.Size+1))
	if err != nil {
		return nil, fmt.Errorf("unpack package %s: %w", u.deb, err)
	}
	if got := blueprint.Sum(body); got != u.deb.Digest {
		return nil, &blueprint.Mismatch{What: "cached package " + u.deb.String(), Want: u.deb.Digest, Got: got}
	}
	return body, nil
}

func (u *undebbing) data(ctx context.Context, part *deb.ArEntry) error {
	files, closer, err := part.Tarfile()
	if err != nil {
		return u.hostile(part.Name, err.Error())
	}
	defer closer.Close()
	return u.bounds.each(ctx, files, func(entry, why string) error { return u.hostile(cmp.Or(entry, part.Name), why) }, u.entry)
}

func (u *undebbing) entry(h *tar.Header, body io.Reader) error {
	name, err := u.place(h)
	if err != nil || name == "" {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(h.Name, name)
	case tar.TypeReg:
		return u.file(h, name, body)
	case tar.TypeSymlink:
		return u.link(h.Name, name, h.Linkname)
	case tar.TypeLink:
		return u.hardLink(h, name)
	}
	return u.hostile(h.Name, fmt.Sprintf("type %q: neither file, folder nor link", h.Typeflag))
}

// merged are the folders that are links into usr.
var merged = map[string]bool{"bin": true, "sbin": true, "lib": true, "lib32": true, "lib64": true, "libx32": true, "libo32": true}

// place is where an entry goes, or "" where it is left out.
func (u *undebbing) place(h *tar.Header) (string, error) {
	name, err := u.inside(h.Name)
	if err != nil {
		return "", err
	}
	if merged[name] && h.Typeflag == tar.TypeSymlink {
		return "", nil // the package that makes the layout; a sandbox has it anyway
	}
	name = intoUsr(name)
	if top, _, below := strings.Cut(name, "/"); top != "usr" && top != "etc" || !below && h.Typeflag != tar.TypeDir {
		return "", nil
	}
	for _, folder := range u.leave {
		if name == folder || strings.HasPrefix(name, folder+"/") {
			return "", nil
		}
	}
	return name, nil
}

func (u *undebbing) inside(text string) (string, error) {
	name, why := u.bounds.spelled(text)
	if why != "" {
		return "", u.hostile(clipped(text), why)
	}
	return name, nil
}

func intoUsr(name string) string {
	if top, _, _ := strings.Cut(name, "/"); merged[top] {
		return "usr/" + name
	}
	return name
}

// folder makes one and those above it. Another package may have made it, but
// never as anything else: os.Root goes through links inside the tree, so each
// step is looked at.
func (u *undebbing) folder(text, name string) error {
	if u.folders[name] {
		return nil
	}
	if err := u.folder(text, path.Dir(name)); err != nil {
		return err
	}
	err := u.root.Mkdir(name, folderMode)
	if errors.Is(err, fs.ErrExist) {
		if info, err := u.root.Lstat(name); err != nil || !info.IsDir() {
			return u.hostile(text, fmt.Sprintf("%q is something else already", name))
		}
		u.folders[name] = true
		return nil
	}
	if err := errors.Join(err, u.root.Chmod(name, folderMode)); err != nil {
		return fmt.Errorf("unpack package %s: %w", u.deb, err)
	}
	u.folders[name] = true
	u.entries = append(u.entries, entry{Path: name, Kind: isFolder, Mode: folderMode})
	return nil
}

// file writes one. A program's rights to be somebody else (setuid, setgid) are
// not taken over: nobody in a sandbox could use them.
func (u *undebbing) file(h *tar.Header, name string, body io.Reader) error {
	if err := u.folder(h.Name, path.Dir(name)); err != nil {
		return err
	}
	if why := u.bounds.outgrown(&u.bytes, h.Size, "package"); why != "" {
		return u.hostile(h.Name, why)
	}
	mode := modeOf(h)
	w := writing{root: u.root, name: name, mode: mode, when: h.ModTime, meter: u.meter, buf: u.buf}
	made, err := w.file(body)
	if errors.Is(err, fs.ErrExist) {
		return u.twice(h.Name)
	}
	if err != nil {
		return fmt.Errorf("unpack package %s: %q: %w", u.deb, name, err)
	}
	u.files[name] = made
	u.entries = append(u.entries, made)
	return nil
}

// link makes a symbolic link. It may be absolute, or lead out of the tree:
// nothing on this side of the walls goes through it.
func (u *undebbing) link(text, name, target string) error {
	if err := u.folder(text, path.Dir(name)); err != nil {
		return err
	}
	if _, why := u.bounds.printable(target); why != "" || target == "" {
		return u.hostile(text, "a link to nothing that could be a path")
	}
	err := u.root.Symlink(target, name)
	if errors.Is(err, fs.ErrExist) {
		return u.twice(text)
	}
	if err != nil {
		return fmt.Errorf("unpack package %s: %w", u.deb, err)
	}
	u.entries = append(u.entries, entry{Path: name, Kind: isLink, Target: target})
	return nil
}

// hardLink gives a file that this package has brought another name.
func (u *undebbing) hardLink(h *tar.Header, name string) error {
	target, err := u.inside(h.Linkname)
	if err != nil {
		return err
	}
	made, ok := u.files[intoUsr(target)]
	if !ok {
		return u.hostile(h.Name, fmt.Sprintf("a hard link to %q, which is no file of the package before it", clipped(h.Linkname)))
	}
	if err := u.folder(h.Name, path.Dir(name)); err != nil {
		return err
	}
	err = u.root.Link(made.Path, name)
	if errors.Is(err, fs.ErrExist) {
		return u.twice(h.Name)
	}
	if err != nil {
		return fmt.Errorf("unpack package %s: %w", u.deb, err)
	}
	made.Path = name
	u.files[name] = made
	u.entries = append(u.entries, made)
	return nil
}

func (u *undebbing) twice(text string) error {
	return u.hostile(text, "in the place of something else")
}

func (u *undebbing) hostile(entry, why string) error {
	return &Hostile{Package: u.deb.String(), Entry: entry, Why: why}
}
