package store

import (
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
	Debs     int   // Debian packages of its base, on this platform
	DebBytes int64 // of their files, as the lock says
	Download int64 // bytes that making it ready would fetch, but for what the cache has
	Bytes    int64 // on disk, unpacked, its base included
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
		Artifact: a,
	}
	lock, err := a.Lock()
	if err != nil {
		return Info{}, err
	}
	if packages, err := lock.For(s.platformOf(a.Manifest)); err == nil {
		info.Packages = len(packages)
	}
	debs, err := a.Debs()
	if err != nil {
		return Info{}, err
	}
	for _, d := range debs.Packages[s.platform.Arch] {
		info.Debs++
		info.DebBytes += d.Size
	}
	info.Ready = true
	s.look(&info, a.Manifest.BaseDigest(), a.Manifest.Debian != nil, func() int64 { return info.DebBytes })
	s.look(&info, s.contentDigest(a.Manifest), a.Manifest.HasContent(), func() int64 {
		if a.Manifest.Packages == nil {
			return 0
		}
		return a.Manifest.Packages.Download
	})
	return info, nil
}

// look counts one tree of what there is to unpack. A damaged one is not ready:
// Ensure and Verify say how.
func (s *Store) look(info *Info, d blueprint.Digest, wanted bool, download func() int64) {
	if !wanted {
		return
	}
	r, err := s.unpacked(d)
	if err != nil {
		info.Ready = false
		info.Download += download()
		return
	}
	info.Bytes += r.Bytes
}
