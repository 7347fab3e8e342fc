package store

import (
	"context"
	"fmt"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Accept says what may come into the store.
type Accept int

const (
	// Newer takes a version that is newer than all of its name here, and one
	// that is here already, byte for byte.
	Newer Accept = iota
	// Any takes an older one too, and puts other bytes in the place of a
	// version that is here.
	Any
)

// Older means that what came is not newer than what is here: an old version
// served as if it were the newest, or other bytes under the name of one that is
// known.
type Older struct {
	Ref  blueprint.Ref
	Have string           // the newest version of the name that is here
	Was  blueprint.Digest // of the same version, where that is here with other bytes
	Got  blueprint.Digest
}

func (o *Older) Error() string {
	if o.Was != "" {
		return fmt.Sprintf("take blueprint %s: it is here as %s, and these bytes are %s", o.Ref, o.Was.Short(), o.Got.Short())
	}
	return fmt.Sprintf("take blueprint %s: v%s was seen here, which is newer", o.Ref, o.Have)
}

// Hint is what helps.
func (o *Older) Hint() string { return "add --downgrade, if that is what you want" }

// BuiltIn means that a blueprint has the name and version of one that came with
// the program, and is not that.
type BuiltIn struct{ Ref blueprint.Ref }

func (b *BuiltIn) Error() string {
	return fmt.Sprintf("take blueprint %s: one of that name and version came with nemoclaw", b.Ref)
}

// Hint is what helps.
func (b *BuiltIn) Hint() string { return "give it another name, or another version" }

// Add enters a blueprint that was checked. Errors: *Older, *BuiltIn.
func (s *Store) Add(ctx context.Context, a blueprint.Artifact, accept Accept) error {
	if err := s.Admits(a.Manifest.Ref(), a.Digest, accept); err != nil {
		return err
	}
	leave, err := s.begin(ctx, nil)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.keep(ctx, a); err != nil {
		return named(err, a.Manifest.Ref())
	}
	return s.remember(a.Manifest.Ref())
}

// Admits says why a blueprint of that name, version and digest may not come in,
// or nil.
func (s *Store) Admits(ref blueprint.Ref, digest blueprint.Digest, accept Accept) error {
	for _, b := range s.builtin {
		if b.Manifest.Ref() == ref && b.Digest != digest {
			return &BuiltIn{ref}
		}
	}
	if accept == Any {
		return nil
	}
	seen, _, err := s.seen()
	if err != nil {
		return err
	}
	if last, ok := seen[ref.Name]; ok && blueprint.Compare(last, ref.Version) > 0 {
		return &Older{Ref: ref, Have: last, Got: digest}
	}
	all, _, err := s.all()
	if err != nil {
		return err
	}
	for _, a := range all {
		have := a.Manifest.Ref()
		switch {
		case have.Name != ref.Name || a.Digest == digest:
		case have.Version == ref.Version:
			return &Older{Ref: ref, Was: a.Digest, Got: digest}
		case blueprint.Compare(have.Version, ref.Version) > 0:
			return &Older{Ref: ref, Have: have.Version, Got: digest}
		}
	}
	return nil
}
