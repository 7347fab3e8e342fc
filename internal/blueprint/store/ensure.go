package store

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Ensure makes the blueprint that ref means whole and ready here: it resolves,
// checks, fetches what is missing, checks that, unpacks, and reads the
// unpacked tree again. With everything here already it only checks, and asks
// nobody. Interrupted at any point, it leaves nothing that could be taken for
// whole, and the next call goes on where it was. p may be nil.
//
// Errors: *Unknown, *blueprint.Mismatch, *Hostile, *registry.None,
// *registry.Status, *Unreadable, the context's.
func (s *Store) Ensure(ctx context.Context, ref blueprint.Ref, p Progress) (Content, error) {
	return s.have(ctx, ref, p, s.read)
}

// Prepare is Ensure without the last reading, for who hands the content to a
// supervisor: that one reads every file before it starts anything, and a second
// reading just before finds nothing that it does not.
func (s *Store) Prepare(ctx context.Context, ref blueprint.Ref, p Progress) (Content, error) {
	return s.have(ctx, ref, p, nil)
}

// have makes the content of ref and, with the blueprint's locks still held,
// reads it.
func (s *Store) have(ctx context.Context, ref blueprint.Ref, p Progress, read func(context.Context, Content, Progress) error) (Content, error) {
	a, err := s.resolve(ref)
	if err != nil {
		return Content{}, err
	}
	if err := a.Manifest.RunsOn(s.platform); err != nil {
		return Content{}, err
	}
	unlock, err := s.lockFor(ctx, a, p)
	if err != nil {
		return Content{}, err
	}
	defer unlock()
	if err := s.keep(ctx, a); err != nil {
		return Content{}, named(err, a.Manifest.Ref())
	}
	c, err := s.ready(ctx, a, p)
	if err == nil && read != nil {
		err = read(ctx, c, p)
	}
	if err != nil {
		return Content{}, named(err, a.Manifest.Ref())
	}
	return c, nil
}

// lockFor keeps Clear and other processes that work on the same blueprint away.
func (s *Store) lockFor(ctx context.Context, a blueprint.Artifact, p Progress) (func(), error) {
	all, err := s.begin(ctx, p.waits("clear the cache"))
	if err != nil {
		return nil, err
	}
	one, err := lock(ctx, s.path("locks", a.Digest.Hex()), unix.LOCK_EX, p.waits("make the same blueprint ready"))
	if err != nil {
		all()
		return nil, err
	}
	return func() { one(); all() }, nil
}

// ready gives the content of a, made now if it is not here.
func (s *Store) ready(ctx context.Context, a blueprint.Artifact, p Progress) (Content, error) {
	c := Content{Manifest: a.Manifest, Digest: a.Digest, Artifact: a}
	under, err := s.base(ctx, a, p)
	if err != nil {
		return Content{}, err
	}
	if under.dir != "" {
		c.Base, c.base = under.tree(), under
	}
	if !a.Manifest.HasContent() {
		c.Tree = c.seal()
		return c, nil
	}
	own, err := s.content(ctx, a, p)
	if err != nil {
		return Content{}, err
	}
	c.Dir, c.content = own.tree(), own
	c.Tree = c.seal()
	return c, nil
}

// content gives the unpacked content of a, made now if it is not here.
func (s *Store) content(ctx context.Context, a blueprint.Artifact, p Progress) (record, error) {
	return s.shared(ctx, s.contentDigest(a.Manifest), p.waits("unpack the files that it shares with another version"), func() error { return s.build(ctx, a, p) })
}

// shared gives what is unpacked as digest, which make makes if it is not here.
// Blueprints share it, so others that want the same wait, and say so.
func (s *Store) shared(ctx context.Context, digest blueprint.Digest, waiting func(), make func() error) (record, error) {
	unlock, err := lock(ctx, s.path("locks", digest.Hex()), unix.LOCK_EX, waiting)
	if err != nil {
		return record{}, err
	}
	defer unlock()
	found, err := s.unpacked(digest)
	if errors.Is(err, errNoContent) {
		if err = make(); err == nil {
			found, err = s.unpacked(digest)
		}
	}
	return found, err
}

// read reads every file of c.
func (s *Store) read(ctx context.Context, c Content, p Progress) error {
	if err := s.verify(ctx, c.base, p); err != nil {
		return err
	}
	return s.verify(ctx, c.content, p)
}

// build fetches and unpacks.
func (s *Store) build(ctx context.Context, a blueprint.Artifact, p Progress) error {
	lock, err := a.Lock()
	if err != nil {
		return err
	}
	packages, err := lock.For(s.platformOf(a.Manifest))
	if err != nil {
		return err
	}
	if err := s.room(contentSize(a.Manifest)); err != nil {
		return err
	}
	if len(packages) == 0 {
		return s.unpackAll(ctx, a, nil, p)
	}
	m, end := start(ctx, p, Step{Phase: Fetching, FilesTotal: len(packages), BytesTotal: a.Manifest.Packages.Download})
	from := source{find: s.registry}
	var parcels []parcel
	for _, one := range packages {
		parcels = append(parcels, from.parcel(one))
	}
	err = s.fetch(ctx, parcels, m)
	end(err)
	if err != nil {
		return err
	}
	return s.unpackAll(ctx, a, packages, p)
}
