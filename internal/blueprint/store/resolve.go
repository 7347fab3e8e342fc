package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Unknown says that no blueprint here is called that.
type Unknown struct {
	Ref  blueprint.Ref
	Have []string
}

func (u *Unknown) Error() string {
	name := u.Ref.String()
	if u.Ref.Digest != "" {
		name += " (" + u.Ref.Digest.Short() + ")"
	}
	return fmt.Sprintf("find blueprint %s: not here; there are %s", name, strings.Join(u.Have, ", "))
}

// Hint is what helps.
func (u *Unknown) Hint() string { return "nemoclaw blueprint list" }

// resolve decides which blueprint ref means. A digest in ref decides alone;
// else the built-in ones come first, and what the cache calls by a built-in's
// name and version is passed over: the program's own copy cannot be replaced.
func (s *Store) resolve(ref blueprint.Ref) (blueprint.Artifact, error) {
	if ref.Digest != "" {
		return s.pinned(ref)
	}
	all, damaged, err := s.all()
	if err != nil {
		return blueprint.Artifact{}, err
	}
	var found *blueprint.Artifact
	unknown := &Unknown{Ref: ref}
	for i, a := range all {
		unknown.Have = append(unknown.Have, a.Manifest.Ref().String())
		if a.Manifest.Name != ref.Name || ref.Version != "" && a.Manifest.Version != ref.Version {
			continue
		}
		found = &all[i] // in order: the last is the newest
	}
	if found == nil && damaged != nil {
		return blueprint.Artifact{}, damaged // it may be the one that was asked for
	}
	if found == nil {
		return blueprint.Artifact{}, unknown
	}
	return *found, nil
}

// pinned opens the blueprint whose digest was decided before.
func (s *Store) pinned(ref blueprint.Ref) (blueprint.Artifact, error) {
	for _, a := range s.builtin {
		if a.Digest == ref.Digest {
			return a, sameName(ref, a)
		}
	}
	digests, err := s.cached()
	if err != nil {
		return blueprint.Artifact{}, err
	}
	if !slices.Contains(digests, ref.Digest) {
		all, _, err := s.all()
		if err != nil {
			return blueprint.Artifact{}, err
		}
		return blueprint.Artifact{}, missing(ref, all)
	}
	a, err := s.open(ref.Digest)
	if err != nil {
		return blueprint.Artifact{}, named(err, ref)
	}
	return a, sameName(ref, a)
}

// missing says why a decided digest cannot be had: what is called so now is
// something else, or nothing is called so.
func missing(ref blueprint.Ref, all []blueprint.Artifact) error {
	unknown := &Unknown{Ref: ref}
	for _, a := range all {
		if a.Manifest.Name == ref.Name && a.Manifest.Version == ref.Version {
			return &blueprint.Mismatch{Blueprint: ref.String(), What: "manifest", Want: ref.Digest, Got: a.Digest}
		}
		unknown.Have = append(unknown.Have, a.Manifest.Ref().String())
	}
	return unknown
}

// all are the built-in blueprints and the cached ones that have other names or
// versions, by name, oldest first. A damaged one is left out and told of: it
// must not stand in the way of the others.
func (s *Store) all() (list []blueprint.Artifact, damaged, err error) {
	list = slices.Clone(s.builtin)
	digests, err := s.cached()
	if err != nil {
		return nil, nil, err
	}
	for _, d := range digests {
		if slices.ContainsFunc(list, func(a blueprint.Artifact) bool { return a.Digest == d }) {
			continue
		}
		a, err := s.open(d)
		if err != nil {
			damaged = err
			continue
		}
		if !slices.ContainsFunc(list, func(b blueprint.Artifact) bool { return b.Manifest.Ref() == a.Manifest.Ref() }) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b blueprint.Artifact) int {
		return blueprint.Order(a.Manifest.Identity, b.Manifest.Identity)
	})
	return list, damaged, nil
}

func sameName(ref blueprint.Ref, a blueprint.Artifact) error {
	have := a.Manifest.Ref()
	if ref.Name != "" && ref.Name != have.Name || ref.Version != "" && ref.Version != have.Version {
		return fmt.Errorf("find blueprint %s: %s is %s", ref, ref.Digest.Short(), have)
	}
	return nil
}

// named tells a Mismatch whose bytes they were.
func named(err error, ref blueprint.Ref) error {
	var m *blueprint.Mismatch
	if errors.As(err, &m) && m.Blueprint == "" {
		m.Blueprint = ref.String()
	}
	return err
}
