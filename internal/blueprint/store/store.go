package store

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// Store is the folder of blueprints. It holds nothing open and may be used by
// several goroutines and processes at once.
type Store struct {
	dir      string
	builtin  []blueprint.Artifact
	registry func(context.Context) (*registry.Registry, error)
	mirrors  func(context.Context) (*registry.Mirrors, error)
	platform blueprint.Platform
	bounds   bounds
	reached  func(step string) // told before each step to the disk; nil but in tests
}

func (s *Store) reach(step string) {
	if s.reached != nil {
		s.reached(step)
	}
}

// Options are what tests and other machines may choose; the zero value is what
// the product uses.
type Options struct {
	Builtin  []blueprint.Artifact                              // nil: blueprint.Builtin
	Registry func(context.Context) (*registry.Registry, error) // nil: registry.Find
	Mirrors  func(context.Context) (*registry.Mirrors, error)  // nil: registry.FindMirrors
	Platform blueprint.Platform                                // zero: this machine's
	// Proxy is the way to the registry where neither the environment nor npm's
	// configuration names one; nil: directly.
	Proxy func(*url.URL) (*url.URL, error)
}

// Content is what a blueprint consists of, checked and unpacked.
type Content struct {
	Manifest blueprint.Manifest
	Digest   blueprint.Digest // the blueprint's
	// Dir is the unpacked tree, for a read-only mount at blueprint.ContentDir;
	// "" where the blueprint is nothing but its base.
	Dir string
	// Base is the unpacked base, which takes the place of the machine's /usr;
	// "" where the machine's own is the base.
	Base string
	// Tree is the digest of the index of every file in Dir, and in Base where
	// there is one. Kept by the caller outside the store and set again in a
	// later Verify, it finds a store that was changed together with its own
	// record.
	Tree blueprint.Digest
	// Artifact has the bytes of seeds and policies: Artifact.Seed, Artifact.Bytes.
	Artifact blueprint.Artifact

	base, content record
}

// seal is Tree, of what lies in the store now.
func (c Content) seal() blueprint.Digest {
	if c.Base == "" {
		return c.content.Index
	}
	return blueprint.Sum([]byte("base " + string(c.base.Index) + "\ncontent " + string(c.content.Index) + "\n"))
}

// Open takes the store in dir, which need not exist: reading makes nothing.
func Open(dir string) (*Store, error) { return OpenWith(dir, Options{}) }

// OpenWith is Open with choices.
func OpenWith(dir string, o Options) (*Store, error) {
	s := &Store{dir: filepath.Clean(dir), builtin: o.Builtin, registry: o.Registry, mirrors: o.Mirrors, platform: o.Platform, bounds: usual}
	if s.builtin == nil {
		all, err := blueprint.Builtin()
		if err != nil {
			return nil, err
		}
		s.builtin = all
	}
	if s.registry == nil {
		s.registry = func(ctx context.Context) (*registry.Registry, error) { return registry.Find(ctx, o.Proxy) }
	}
	if s.mirrors == nil {
		s.mirrors = func(context.Context) (*registry.Mirrors, error) { return registry.FindMirrors(o.Proxy) }
	}
	if s.platform.OS == "" {
		s.platform = here()
	}
	return s, nil
}

// here is this machine's platform, with its C library.
func here() blueprint.Platform {
	p := blueprint.Here()
	if found, _ := filepath.Glob("/lib/ld-musl-*.so.1"); len(found) > 0 {
		p.Libc = "musl"
	}
	return p
}

// platformOf is what packages of m are chosen for: a pinned base brings its own
// C library.
func (s *Store) platformOf(m blueprint.Manifest) blueprint.Platform {
	p := s.platform
	if m.Base == blueprint.Debianed {
		p.Libc = ""
	}
	return p
}

// makeFolders makes the store's folders, for their owner alone, and refuses one that
// somebody else could have put there.
func (s *Store) makeFolders() error {
	for _, name := range []string{"", "blobs", "blobs/sha256", "blobs/sha512", "partial", "content", "locks", "signatures"} {
		if err := ownFolder(filepath.Join(s.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func ownFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make blueprint store: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("make blueprint store: %s: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("make blueprint store: %s: not a folder", dir)
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("make blueprint store: %s: others can write to it (owner %d, mode %04o)", dir, st.Uid, st.Mode&0o7777)
	}
	return nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// blobPath is where the bytes of d lie.
func (s *Store) blobPath(d blueprint.Digest) string {
	return s.path("blobs", d.Algorithm(), d.Hex())
}
