package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Generation is one state of what is locked: made at creation, at an upgrade
// and at a rebuild. Dir keeps sandbox.yaml as it was locked, its digest, and
// whatever else the maker puts there.
type Generation struct {
	Number int
	Dir    string
}

const (
	lockedDigest   = "sandbox.sha256"
	lockedSettings = "sandbox.yaml"
)

// locked is the digest of sandbox.yaml that g was made with.
func (g Generation) locked() (string, error) {
	data, err := os.ReadFile(filepath.Join(g.Dir, lockedDigest))
	if err != nil {
		return "", fmt.Errorf("read locked digest: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// ActiveGeneration is the one in force.
func (s Sandbox) ActiveGeneration() (Generation, error) {
	link, err := os.Readlink(s.in("active"))
	if errors.Is(err, fs.ErrNotExist) && !s.Exists() {
		return Generation{}, &NotFound{s.name}
	}
	if err != nil {
		return Generation{}, fmt.Errorf("find active generation: %w", err)
	}
	n, err := strconv.Atoi(filepath.Base(link))
	if err != nil || link != generationPath(n) {
		return Generation{}, fmt.Errorf("find active generation: link to %q: want generations/N", link)
	}
	return Generation{n, s.in(link)}, nil
}

func generationPath(n int) string { return filepath.Join("generations", strconv.Itoa(n)) }

// Generations lists all of them, oldest first.
func (s Sandbox) Generations() ([]Generation, error) {
	entries, err := os.ReadDir(s.in("generations"))
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	last := 0
	have := map[int]bool{}
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 {
			have[n] = true
			last = max(last, n)
		}
	}
	var all []Generation
	for n := 1; n <= last; n++ {
		if have[n] {
			all = append(all, Generation{n, s.in(generationPath(n))})
		}
	}
	return all, nil
}

// NewGeneration makes the next generation, locked to sandbox.yaml as it is on
// disk now. It is not in force until Activate. The caller holds the lock.
func (s Sandbox) NewGeneration() (Generation, error) {
	data, err := s.readSettings()
	if err != nil {
		return Generation{}, err
	}
	all, err := s.Generations()
	if err != nil {
		return Generation{}, err
	}
	next := 1
	if len(all) > 0 {
		next = all[len(all)-1].Number + 1
	}
	return makeGeneration(s.Dir(), next, data)
}

func makeGeneration(dir string, n int, settings []byte) (Generation, error) {
	g := Generation{n, filepath.Join(dir, generationPath(n))}
	if err := os.Mkdir(g.Dir, 0o700); err != nil {
		return Generation{}, fmt.Errorf("make generation: %w", err)
	}
	err := WriteDurable(filepath.Join(g.Dir, lockedSettings), settings, 0o600)
	if err == nil {
		err = WriteDurable(filepath.Join(g.Dir, lockedDigest), []byte(digest(settings)+"\n"), 0o600)
	}
	if err == nil {
		err = syncDir(filepath.Dir(g.Dir))
	}
	return g, err
}

// Activate puts g in force: its settings become sandbox.yaml and the link is
// switched atomically. The caller holds the lock. After a crash between the
// two, sandbox.yaml counts as edited and nothing starts: Activate again.
func (s Sandbox) Activate(g Generation) error {
	settings, err := os.ReadFile(filepath.Join(g.Dir, lockedSettings))
	if err != nil {
		return fmt.Errorf("activate generation %d: %w", g.Number, err)
	}
	if err := WriteDurable(s.Settings(), settings, 0o600); err != nil {
		return err
	}
	return activate(s.Dir(), g.Number)
}

func activate(dir string, n int) error {
	tmp := filepath.Join(dir, ".active-new")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("activate generation %d: %w", n, err)
	}
	if err := os.Symlink(generationPath(n), tmp); err != nil {
		return fmt.Errorf("activate generation %d: %w", n, err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "active")); err != nil {
		return fmt.Errorf("activate generation %d: %w", n, err)
	}
	return syncDir(dir)
}
