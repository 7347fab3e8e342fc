package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Cleared is what Clear removed.
type Cleared struct {
	Bytes   int64
	Files   int
	Kept    []string // blueprints whose content living sandboxes use
	Damaged []string // of those, the ones whose content was not right: put aside, made anew by the next rebuild
}

// Keep says what Clear and Prune leave alone.
type Keep struct {
	Used []blueprint.Digest // the blueprints of living generations
	// Running are those that sandboxes stand on at this moment. An older nemoclaw
	// unpacked a blueprint by a name that none is looked for by any more; only
	// what still runs since then can have such a tree mounted.
	Running []blueprint.Digest
	Waiting func() // called once where another nemoclaw has to end first; may be nil
}

// Clear forgets all fetched bytes and all unpacked content but that of the
// blueprints that are used. Even of those, content
// that is not right goes: it is renamed, so that a running sandbox that has it
// mounted lives on, and removed by the next Clear. It waits for an Ensure that
// is under way.
func (s *Store) Clear(ctx context.Context, keep Keep) (Cleared, error) {
	if _, err := os.Lstat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return Cleared{}, nil
	}
	if err := s.makeFolders(); err != nil {
		return Cleared{}, err
	}
	unlock, err := lock(ctx, s.path("locks", "all"), unix.LOCK_EX, keep.Waiting)
	if err != nil {
		return Cleared{}, err
	}
	defer unlock()
	if err := s.makeLayout(); err != nil {
		return Cleared{}, err
	}
	c := newClearing(s, keep)
	for _, d := range keep.Used {
		if err := c.keep(ctx, d); err != nil {
			return c.done, err
		}
	}
	return c.done, errors.Join(
		c.trees(),
		c.left(),
		c.sweep("partial"),
		c.sweep("blobs", "sha512"),
		c.sweep("blobs", "sha256"),
		c.sweep("signatures"),
		c.index(ctx),
	)
}

// Prune removes what can be had again without asking anybody who could give
// something else: tarballs, whose hashes the lockfiles know, interrupted
// downloads, and unpacked content of blueprints that are not used. No
// blueprint is forgotten.
func (s *Store) Prune(ctx context.Context, keep Keep) (Cleared, error) {
	if _, err := os.Lstat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return Cleared{}, nil
	}
	unlock, err := lock(ctx, s.path("locks", "all"), unix.LOCK_EX, keep.Waiting)
	if err != nil {
		return Cleared{}, err
	}
	defer unlock()
	c := newClearing(s, keep)
	for _, d := range keep.Used {
		a, err := s.pinned(blueprint.Ref{Digest: d})
		if err != nil {
			return c.done, err // what it stands on is not known, so nothing is removed
		}
		c.root(a.Manifest, d)
		for _, one := range c.used(a.Manifest, d) {
			c.content[s.contentName(one)] = true
		}
	}
	return c.done, errors.Join(c.trees(), c.sweep("partial"), c.sweep("blobs", "sha512"))
}

// clearing is one Clear.
type clearing struct {
	store   *Store
	running []blueprint.Digest // Keep.Running
	digests []blueprint.Digest
	files   map[string]bool // blobs that stay
	content map[string]bool // folders of content that stay
	damaged map[string]bool // those that were put aside
	roots   map[string]bool // what other platforms' folders of content are for
	done    Cleared
}

func newClearing(s *Store, keep Keep) clearing {
	return clearing{
		store: s, running: keep.Running, files: map[string]bool{},
		content: map[string]bool{}, damaged: map[string]bool{}, roots: map[string]bool{},
	}
}

// used are the trees of m, whose digest is d, that are looked for on a machine
// like this one, or stand under something that runs.
func (c *clearing) used(m blueprint.Manifest, d blueprint.Digest) []blueprint.Digest {
	return slices.DeleteFunc(trees(m, d), func(one blueprint.Digest) bool {
		return one != m.BaseDigest() && one != c.store.contentDigest(m) && !(one == d && slices.Contains(c.running, d))
	})
}

// root marks the trees of m for machines of other kinds, of which nothing is
// known here.
func (c *clearing) root(m blueprint.Manifest, d blueprint.Digest) {
	for _, one := range trees(m, d) {
		c.roots[one.Hex()] = true
	}
}

// keep marks what belongs to d, if it is right.
func (c *clearing) keep(ctx context.Context, d blueprint.Digest) error {
	a, err := c.store.pinned(blueprint.Ref{Digest: d})
	if err != nil {
		return nil // not here, or damaged: its blobs go, and a built-in one comes back by itself
	}
	name := a.Manifest.Ref().String()
	c.done.Kept = append(c.done.Kept, name)
	if _, err := c.store.open(d); err == nil {
		c.digests = append(c.digests, d)
		c.files[d.Hex()] = true
		c.root(a.Manifest, d)
		for digest := range a.Blobs {
			c.files[digest.Hex()] = true
		}
	}
	for _, one := range c.used(a.Manifest, d) {
		if err := c.keepTree(ctx, one, name); err != nil {
			return err
		}
	}
	return nil
}

// keepTree marks what was unpacked, or puts it aside.
func (c *clearing) keepTree(ctx context.Context, d blueprint.Digest, name string) error {
	at := c.store.contentName(d)
	switch { // another blueprint's, too
	case c.content[at]:
		return nil
	case c.damaged[at]:
		c.done.Damaged = append(c.done.Damaged, name)
		return nil
	}
	found, err := c.store.unpacked(d)
	if errors.Is(err, errNoContent) {
		return nil
	}
	if err == nil {
		err = c.store.verify(ctx, found, nil)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.done.Damaged = append(c.done.Damaged, name)
		c.damaged[at] = true
		return c.aside(at)
	}
	c.content[at] = true
	return nil
}

// aside renames damaged content, under a name that this Clear leaves alone.
func (c *clearing) aside(name string) error {
	to, err := os.MkdirTemp(c.store.path("content"), oldPrefix)
	if err != nil {
		return err
	}
	c.content[filepath.Base(to)] = true
	return os.Rename(c.store.path("content", name), filepath.Join(to, name))
}

// trees removes the content that nobody keeps. Other platforms' stays where
// its blueprint stays.
func (c *clearing) trees() error {
	entries, err := os.ReadDir(c.store.path("content"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		digits, _, _ := strings.Cut(e.Name(), "-")
		other := e.Name() != c.store.contentName(blueprint.Digest("sha256:"+digits)) &&
			c.roots[digits]
		if c.content[e.Name()] || other {
			continue
		}
		if err := c.remove(c.store.path("content", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// left removes what a killed process was writing to the store's own files.
func (c *clearing) left() error {
	found, _ := filepath.Glob(c.store.path(newPrefix + "*")) // the pattern is well-formed
	for _, f := range found {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the files of a folder that are not to stay.
func (c *clearing) sweep(parts ...string) error {
	dir := c.store.path(parts...)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if c.files[e.Name()] {
			continue
		}
		if err := c.remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// remove takes name away whole: first from its place, then file by file, so
// that a crash leaves nothing half.
func (c *clearing) remove(name string) error {
	_ = filepath.WalkDir(name, func(_ string, e fs.DirEntry, err error) error { // counted as far as it can be read
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				c.done.Bytes += info.Size()
				c.done.Files++
			}
		}
		return nil
	})
	away := filepath.Join(filepath.Dir(name), newPrefix+"gone-"+filepath.Base(name))
	if err := os.Rename(name, away); err != nil {
		return err
	}
	return os.RemoveAll(away)
}

// index forgets the names of what is gone; an index that cannot be read is
// begun anew.
func (c *clearing) index(ctx context.Context) error {
	if _, err := c.store.index(); err != nil {
		if err := os.Remove(c.store.path(ocispec.ImageIndexFile)); err != nil {
			return err
		}
	}
	return c.store.editIndex(ctx, func(list []ocispec.Descriptor) []ocispec.Descriptor {
		return slices.DeleteFunc(list, func(d ocispec.Descriptor) bool {
			return !slices.Contains(c.digests, blueprint.Digest(d.Digest))
		})
	})
}
