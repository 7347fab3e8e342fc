package store

import (
	"errors"
	"slices"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Info is what `blueprint list` and `blueprint inspect` show.
type Info struct {
	Manifest blueprint.Manifest
	Digest   blueprint.Digest
	Packages int   // of this platform; 0 where it does not run or has none
	Builtin  bool  // came with this program
	Cached   bool  // in the folder; a built-in one is put there when first used
	Ready    bool  // nothing is to be fetched or unpacked
	Bytes    int64 // on disk, unpacked
	Artifact blueprint.Artifact
}

// List tells of every blueprint here, by name, oldest first. damaged is a
// cached one that cannot be read; the others are still listed.
func (s *Store) List() (list []Info, damaged, err error) {
	all, damaged, err := s.all()
	if err != nil {
		return nil, nil, err
	}
	for _, a := range all {
		info, err := s.info(a)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, info)
	}
	return list, damaged, nil
}

// Inspect tells of the blueprint that ref means.
func (s *Store) Inspect(ref blueprint.Ref) (Info, error) {
	a, err := s.resolve(ref)
	if err != nil {
		return Info{}, err
	}
	return s.info(a)
}

func (s *Store) info(a blueprint.Artifact) (Info, error) {
	digests, err := s.cached()
	if err != nil {
		return Info{}, err
	}
	info := Info{
		Manifest: a.Manifest,
		Digest:   a.Digest,
		Builtin:  slices.ContainsFunc(s.builtin, func(b blueprint.Artifact) bool { return b.Digest == a.Digest }),
		Cached:   slices.Contains(digests, a.Digest),
		Ready:    !a.Manifest.HasContent(),
		Artifact: a,
	}
	lock, err := a.Lock()
	if err != nil {
		return Info{}, err
	}
	if packages, err := lock.For(s.platform); err == nil {
		info.Packages = len(packages)
	}
	r, err := s.unpacked(a.Digest)
	if err != nil && !errors.Is(err, errNoContent) {
		return info, nil // damaged: Ensure and Verify say how
	}
	if err == nil {
		info.Ready, info.Bytes = true, r.Bytes
	}
	return info, nil
}
