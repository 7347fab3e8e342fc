package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// The names in one folder below content.
const (
	treeName   = "tree"
	indexName  = "index"
	recordName = "record.json"
	newPrefix  = ".new-"
	oldPrefix  = ".damaged-"
)

// record says what the folder beside it holds.
type record struct {
	Format    int              `json:"format"`
	Blueprint string           `json:"blueprint"` // NAME@VERSION for which it was made, for people
	Digest    blueprint.Digest `json:"digest"`
	Platform  string           `json:"platform"`
	Index     blueprint.Digest `json:"index"` // of the file named index
	Bytes     int64            `json:"bytes"`
	Files     int              `json:"files"`

	dir string // where it was read
}

const recordFormat = 1

var errNoContent = errors.New("not unpacked here")

func (r record) tree() string { return filepath.Join(r.dir, treeName) }

// contentName is the folder of one blueprint for one platform: a home may be
// shared by machines of several kinds.
func (s *Store) contentName(d blueprint.Digest) string {
	name := d.Hex() + "-" + s.platform.OS + "-" + s.platform.Arch
	if s.platform.Libc == "musl" {
		name += "-musl"
	}
	return name
}

// unpacked reads the record of what was unpacked for d.
func (s *Store) unpacked(d blueprint.Digest) (record, error) {
	dir := s.path("content", s.contentName(d))
	body, err := readBounded(filepath.Join(dir, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); err == nil {
			return record{}, &blueprint.Mismatch{What: "content: record.json", Why: "missing"}
		}
		return record{}, errNoContent
	}
	if err != nil {
		return record{}, err
	}
	r := record{dir: dir}
	if err := known(filepath.Join(dir, recordName), body); err != nil {
		return record{}, err
	}
	if err := json.Unmarshal(body, &r); err != nil || r.Format != recordFormat || r.Digest != d {
		return record{}, &blueprint.Mismatch{What: "content: record.json", Why: "not the record of this blueprint"}
	}
	return r, nil
}

// known refuses a record that a later nemoclaw wrote, whatever else is in it.
func known(file string, body []byte) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(body, &head); err == nil && head.Format > recordFormat {
		return &newer{file, strconv.Itoa(head.Format), strconv.Itoa(recordFormat)}
	}
	return nil
}

// contentDigest is what the content of m goes by here. Where the machine's own C
// library is another than that of a pinned base, one lock chooses different
// packages for the two.
func (s *Store) contentDigest(m blueprint.Manifest) blueprint.Digest {
	d := m.ContentDigest()
	if s.platformOf(m).Libc != s.platform.Libc {
		return underOther(d)
	}
	return d
}

// underOther is d with another C library than the machine's.
func underOther(d blueprint.Digest) blueprint.Digest {
	if d == "" {
		return ""
	}
	return blueprint.Sum([]byte("content " + string(d) + "\nwith the C library of its base\n"))
}

// NoRoom says that the disk is too full.
type NoRoom struct {
	Dir        string
	Need, Have int64 // bytes
}

func (n *NoRoom) Error() string {
	return fmt.Sprintf("unpack blueprint: %s has %d MB free, %d MB are needed", n.Dir, n.Have>>20, n.Need>>20)
}

// Hint is what helps.
func (n *NoRoom) Hint() string {
	return fmt.Sprintf("free %d MB, or set NEMOCLAW_HOME to a folder on another disk", (n.Need-n.Have)>>20+1)
}

// room asks before the work begins whether it can end.
func (s *Store) room(need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return nil // the writes will tell
	}
	if have := int64(st.Bavail) * st.Bsize; have < need {
		return &NoRoom{Dir: s.dir, Need: need, Have: have}
	}
	return nil
}

// contentSize is what the content of m needs on disk.
func contentSize(m blueprint.Manifest) (need int64) {
	if p := m.Packages; p != nil {
		need = p.Download + p.Unpacked
	}
	for _, l := range m.Layers {
		need += 3 * l.Size // a guess, since nothing says it; the writes will tell
	}
	return need
}

// unpackAll makes the content of a. The caller holds the content's lock.
func (s *Store) unpackAll(ctx context.Context, a blueprint.Artifact, packages []blueprint.Package, p Progress) error {
	return s.make(ctx, a, s.contentDigest(a.Manifest), p, Step{Phase: Unpacking, FilesTotal: len(packages), BytesTotal: unpackedSize(a.Manifest)},
		func(dir string, m *meter) ([]entry, error) { return s.fill(ctx, dir, a, packages, m) })
}

// make makes the tree that fill fills under another name, syncs it and renames
// it to digest's. The caller holds digest's lock.
func (s *Store) make(ctx context.Context, a blueprint.Artifact, digest blueprint.Digest, p Progress, first Step, fill func(dir string, m *meter) ([]entry, error)) (err error) {
	name := s.contentName(digest)
	s.sweep(name)
	dir, err := os.MkdirTemp(s.path("content"), newPrefix+name+"-")
	if err != nil {
		return fmt.Errorf("unpack blueprint: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	m, end := start(ctx, p, first)
	defer func() { end(err) }()
	entries, err := fill(dir, m)
	if err != nil {
		return err
	}
	s.reach("describe content")
	if err := s.describe(dir, a, digest, entries); err != nil {
		return err
	}
	s.reach("sync content")
	if err := syncTree(dir); err != nil {
		return err
	}
	s.reach("rename content")
	if err := os.Rename(dir, s.path("content", name)); err != nil {
		return fmt.Errorf("unpack blueprint: %w", err)
	}
	s.reach("sync folder of content")
	return syncFolder(s.path("content"))
}

// sweep removes what a process that was killed left of name. Nobody works on
// it: the caller holds its lock.
func (s *Store) sweep(name string) {
	left, _ := filepath.Glob(s.path("content", newPrefix+name+"-*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
}

// fill unpacks every package below dir/tree, the largest first.
func (s *Store) fill(ctx context.Context, dir string, a blueprint.Artifact, packages []blueprint.Package, m *meter) ([]entry, error) {
	tree, err := s.skeleton(dir)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	entries, err := frames(tree, packages)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // guards entries
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range s.largestFirst(packages) {
		group.Go(func() error {
			made, err := s.unpackOne(inner, tree, unpacking{pkg: p, bounds: s.bounds, meter: m})
			mu.Lock()
			defer mu.Unlock()
			entries = append(entries, made...)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	links, err := link(tree, packages)
	if err != nil {
		return nil, err
	}
	layers, err := s.layers(ctx, tree, a, m)
	if err != nil {
		return nil, err
	}
	entries = slices.Concat(entries, layers)
	if a.Manifest.Packages == nil {
		return entries, nil
	}
	if entries, err = move(tree, a, entries, packages); err != nil {
		return nil, err
	}
	entries, err = remove(tree, a, entries)
	if err != nil {
		return nil, err
	}
	added, err := add(tree, a)
	return slices.Concat(entries, links, added), err
}

func unpackedSize(m blueprint.Manifest) int64 {
	if m.Packages == nil {
		return 0
	}
	return m.Packages.Unpacked
}

// remove takes away the files that the blueprint leaves out. One that is not
// there, or is no file, means that the recipe speaks of another package.
func remove(tree *os.Root, a blueprint.Artifact, entries []entry) ([]entry, error) {
	for _, name := range a.Manifest.Packages.Removals {
		at := slices.IndexFunc(entries, func(e entry) bool { return e.Path == name && e.Kind == isFile })
		if at < 0 {
			return nil, fmt.Errorf("unpack blueprint: remove %s: no package brings such a file", name)
		}
		if err := tree.Remove(name); err != nil {
			return nil, fmt.Errorf("unpack blueprint: remove %s: %w", name, err)
		}
		entries = slices.Delete(entries, at, at+1)
	}
	return entries, nil
}

// add lays the blueprint's own files among the packages.
func add(tree *os.Root, a blueprint.Artifact) ([]entry, error) {
	var made []entry
	for _, one := range a.Manifest.Packages.Additions {
		body := a.Bytes(one.File)
		file, err := tree.OpenFile(one.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		if err != nil {
			return nil, fmt.Errorf("unpack blueprint: add %s: %w", one.Path, err)
		}
		_, err = file.Write(body)
		if err := errors.Join(err, file.Chmod(fileMode), file.Close()); err != nil {
			return nil, fmt.Errorf("unpack blueprint: add %s: %w", one.Path, err)
		}
		made = append(made, entry{Path: one.Path, Kind: isFile, Mode: fileMode, Size: int64(len(body)), Sum: sha256.Sum256(body)})
	}
	return made, nil
}

func (s *Store) skeleton(dir string) (*os.Root, error) {
	name := filepath.Join(dir, treeName)
	if err := errors.Join(os.Mkdir(name, folderMode), os.Chmod(name, folderMode)); err != nil {
		return nil, fmt.Errorf("unpack blueprint: %w", err)
	}
	return os.OpenRoot(name)
}

// frames makes the folders that packages lie in, the packages' own included.
func frames(tree *os.Root, packages []blueprint.Package) ([]entry, error) {
	var made []entry
	seen := map[string]bool{}
	for _, p := range packages {
		parts := strings.Split(p.Path, "/")
		for i := range parts {
			name := path.Join(parts[:i+1]...)
			if seen[name] {
				continue
			}
			seen[name] = true
			if err := errors.Join(tree.Mkdir(name, folderMode), tree.Chmod(name, folderMode)); err != nil {
				return nil, fmt.Errorf("unpack package %s: %w", p, err)
			}
			made = append(made, entry{Path: name, Kind: isFolder, Mode: folderMode})
		}
	}
	return made, nil
}

func (s *Store) unpackOne(ctx context.Context, tree *os.Root, u unpacking) ([]entry, error) {
	tarball, err := openBlob(s.blobPath(u.pkg.Integrity))
	if err != nil {
		return nil, fmt.Errorf("unpack package %s: %w", u.pkg, err)
	}
	defer tarball.Close()
	u.meter.item(u.pkg.String())
	made, err := unpack(ctx, tree, tarball, u)
	u.meter.file()
	return made, err
}

// largestFirst puts the packages whose tarballs take longest at the front, so
// that no core is left alone with the last of them.
func (s *Store) largestFirst(packages []blueprint.Package) []blueprint.Package {
	size := map[blueprint.Digest]int64{}
	for _, p := range packages {
		if info, err := os.Stat(s.blobPath(p.Integrity)); err == nil {
			size[p.Integrity] = info.Size()
		}
	}
	order := slices.Clone(packages)
	slices.SortStableFunc(order, func(a, b blueprint.Package) int {
		return int(size[b.Integrity] - size[a.Integrity])
	})
	return order
}

// describe writes the index and the record.
func (s *Store) describe(dir string, a blueprint.Artifact, digest blueprint.Digest, entries []entry) error {
	index := encodeTree(entries)
	r := record{
		Format: recordFormat, Blueprint: a.Manifest.Ref().String(), Digest: digest,
		Platform: s.platform.String(), Index: blueprint.Sum(index),
	}
	for _, e := range entries {
		if e.Kind == isFile {
			r.Files++
			r.Bytes += e.Size
		}
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, indexName), index, 0o600),
		os.WriteFile(filepath.Join(dir, recordName), append(body, '\n'), 0o600),
	)
}

// syncTree makes everything below dir durable with one call, instead of one a
// file.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("unpack blueprint: syncfs: %w", err)
	}
	return nil
}
