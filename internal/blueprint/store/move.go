package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// move lays folders where the blueprint wants them. One that is not there, or a
// place that is taken, means that the recipe speaks of another package.
func move(tree *os.Root, a blueprint.Artifact, entries []entry, packages []blueprint.Package) ([]entry, error) {
	for _, m := range a.Manifest.Packages.Moves {
		if err := movable(tree, m, entries, packages); err != nil {
			return nil, fmt.Errorf("unpack blueprint: move %s to %s: %w", m.From, m.To, err)
		}
		if err := tree.Rename(m.From, m.To); err != nil {
			return nil, fmt.Errorf("unpack blueprint: move %s to %s: %w", m.From, m.To, err)
		}
		for i := range entries {
			rest, ok := strings.CutPrefix(entries[i].Path+"/", m.From+"/")
			if !ok {
				continue
			}
			entries[i].Path = path.Join(m.To, rest)
			if e := entries[i]; e.Kind == isLink && !fs.ValidPath(path.Join(path.Dir(e.Path), e.Target)) {
				return nil, fmt.Errorf("unpack blueprint: move %s to %s: link %s would lead out", m.From, m.To, e.Path)
			}
		}
	}
	return entries, nil
}

// movable says why m cannot be done. A package with commands stays: the links to
// them name its old place.
func movable(tree *os.Root, m blueprint.Move, entries []entry, packages []blueprint.Package) error {
	if !slices.ContainsFunc(entries, func(e entry) bool { return e.Path == m.From && e.Kind == isFolder }) {
		return errors.New("no package brings such a folder")
	}
	for _, p := range packages {
		if strings.HasPrefix(p.Path+"/", m.From+"/") && len(p.Bin) > 0 {
			return fmt.Errorf("%s has commands", p)
		}
	}
	for dir := path.Dir(m.To); dir != "."; dir = path.Dir(dir) { // a link there would lay it elsewhere than it is said
		if fi, err := tree.Lstat(dir); err != nil {
			return err
		} else if !fi.IsDir() {
			return fmt.Errorf("%s: not a folder", dir)
		}
	}
	switch _, err := tree.Lstat(m.To); {
	case err == nil:
		return fs.ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}
