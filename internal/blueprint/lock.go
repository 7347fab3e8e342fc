package blueprint

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Lock is an npm lockfile (lockfileVersion 3): every package that a blueprint
// consists of, each pinned by its integrity.
type Lock struct {
	Packages []Package // in order of Path
}

// Package is one package of a lockfile.
type Package struct {
	Path      string // where it is unpacked: node_modules/a/node_modules/@b/c
	Name      string // as the registry knows it: @b/c
	Version   string
	Integrity Digest            // sha512 of its tarball
	Bin       map[string]string // command -> file in the package
	Direct    bool              // asked for by the recipe itself
	Optional  bool              // may be left out where it is for another platform
	Script    bool              // has an install script, which is never run
	os, cpu   []string
	libc      []string
}

// maxPackages bounds a lockfile; real ones have hundreds.
const maxPackages = 20_000

var (
	pathForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(node_modules/(@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~-]+/)+$`)
	})
	packageForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(@[A-Za-z0-9._~-]+/)?[A-Za-z0-9_~-][A-Za-z0-9._~-]*$`)
	})
	binForm     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$`) })
	versionForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9][0-9A-Za-z.+-]*$`) })
)

type lockFile struct {
	Version  int                  `json:"lockfileVersion"`
	Packages map[string]lockEntry `json:"packages"`
}

type lockEntry struct {
	Name                 string            `json:"name"`
	Version              string            `json:"version"`
	Integrity            string            `json:"integrity"`
	Link                 bool              `json:"link"`
	InBundle             bool              `json:"inBundle"`
	Dev                  bool              `json:"dev"`
	Optional             bool              `json:"optional"`
	Extraneous           bool              `json:"extraneous"`
	Script               bool              `json:"hasInstallScript"`
	OS                   words             `json:"os"`
	CPU                  words             `json:"cpu"`
	Libc                 words             `json:"libc"`
	Bin                  map[string]string `json:"bin"`
	Dependencies         map[string]string `json:"dependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
}

// words is one string or a list of them: npm writes both.
type words []string

// UnmarshalJSON reads either.
func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// ParseLock reads a lockfile. npm adds keys over time, so unknown ones pass;
// but every package must be from a registry, with a sha512.
func ParseLock(b []byte) (Lock, error) {
	var file lockFile
	if err := json.Unmarshal(b, &file); err != nil {
		return Lock{}, fmt.Errorf("parse lockfile: %w", err)
	}
	if file.Version != 3 {
		return Lock{}, fmt.Errorf("parse lockfile: lockfileVersion %d: want 3", file.Version)
	}
	if len(file.Packages) > maxPackages {
		return Lock{}, fmt.Errorf("parse lockfile: %d packages: want at most %d", len(file.Packages), maxPackages)
	}
	root := file.Packages[""]
	var lock Lock
	for _, where := range slices.Sorted(maps.Keys(file.Packages)) {
		entry := file.Packages[where]
		if where == "" || entry.Dev || entry.InBundle {
			continue // a bundled package comes in its parent's tarball, under its parent's digest
		}
		p, err := entry.read(where)
		if err != nil {
			return Lock{}, fmt.Errorf("parse lockfile: package %q: %w", clip(where), err)
		}
		name := strings.TrimPrefix(where, "node_modules/")
		_, needed := root.Dependencies[name]
		_, wanted := root.OptionalDependencies[name]
		p.Direct = needed || wanted
		lock.Packages = append(lock.Packages, p)
	}
	return lock, nil
}

func (e lockEntry) read(where string) (Package, error) {
	if e.Link || e.Extraneous {
		return Package{}, fmt.Errorf("a link or a stranger: not a package of a registry")
	}
	if !pathForm().MatchString(where+"/") || !fs.ValidPath(where) {
		return Package{}, fmt.Errorf("not a place below node_modules")
	}
	_, name, _ := cutLast(where, "node_modules/")
	if e.Name != "" {
		name = e.Name
	}
	if !packageForm().MatchString(name) || !fs.ValidPath(name) {
		return Package{}, fmt.Errorf("name %q: not a package's", clip(name))
	}
	if !versionForm().MatchString(e.Version) || len(e.Version) > 256 {
		return Package{}, fmt.Errorf("version %q: want one", clip(e.Version))
	}
	integrity, err := ParseIntegrity(e.Integrity)
	if err != nil {
		return Package{}, err
	}
	for command, file := range e.Bin {
		if !binForm().MatchString(command) || !fs.ValidPath(path.Clean(file)) {
			return Package{}, fmt.Errorf("bin %q: %q: not a file of the package", clip(command), clip(file))
		}
	}
	return Package{
		Path: where, Name: name, Version: e.Version, Integrity: integrity, Bin: e.Bin,
		Optional: e.Optional, Script: e.Script, os: e.OS, cpu: e.CPU, libc: e.Libc,
	}, nil
}

// For chooses the packages for p. One that is for other platforms is left out
// if the lockfile calls it optional, else that is an error; and so is whatever
// stands beneath one that is left out.
func (l Lock) For(p Platform) ([]Package, error) {
	var chosen []Package
	left := ""
	for _, one := range l.Packages {
		if left != "" && strings.HasPrefix(one.Path, left) {
			continue
		}
		if p.takes(one.os, one.cpu, one.libc) {
			chosen = append(chosen, one)
			continue
		}
		if !one.Optional {
			return nil, fmt.Errorf("package %s@%s: not made for %s, and not optional", one.Name, one.Version, p)
		}
		left = one.Path + "/"
	}
	return chosen, nil
}

// Base is the package's name without its scope, as tarballs are called.
func (p Package) Base() string { return path.Base(p.Name) }

// String is NAME@VERSION.
func (p Package) String() string { return p.Name + "@" + p.Version }

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
