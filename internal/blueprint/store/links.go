package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// link makes node_modules/.bin/COMMAND for every command that the lockfile
// names, relative, as npm does. Where two packages have the same command, one
// that the recipe itself asks for comes first, then the first by its place.
func link(tree *os.Root, packages []blueprint.Package) ([]entry, error) {
	order := slices.Clone(packages)
	slices.SortStableFunc(order, func(a, b blueprint.Package) int {
		switch {
		case a.Direct == b.Direct:
			return 0
		case a.Direct:
			return -1
		}
		return 1
	})
	var made []entry
	folders := map[string]bool{}
	taken := map[string]bool{}
	for _, p := range order {
		shelf := path.Join(modulesOf(p), ".bin")
		for command, file := range p.Bin {
			at := path.Join(shelf, command)
			if taken[at] || !isFileIn(tree, path.Join(p.Path, file)) {
				continue
			}
			taken[at] = true
			if !folders[shelf] {
				if err := makeShelf(tree, shelf); err != nil {
					return nil, err
				}
				folders[shelf] = true
				made = append(made, entry{Path: shelf, Kind: isFolder, Mode: folderMode})
			}
			target := path.Join("..", relative(p), file)
			if err := tree.Symlink(target, at); err != nil {
				return nil, fmt.Errorf("unpack package %s: %w", p, err)
			}
			made = append(made, entry{Path: at, Kind: isLink, Target: target})
		}
	}
	return made, nil
}

func makeShelf(tree *os.Root, shelf string) error {
	err := tree.Mkdir(shelf, folderMode)
	if errors.Is(err, fs.ErrExist) {
		return &Hostile{Package: shelf, Why: "a package brings its own .bin"}
	}
	return errors.Join(err, tree.Chmod(shelf, folderMode))
}

// modulesOf is the node_modules folder in which p lies.
func modulesOf(p blueprint.Package) string {
	dir := path.Dir(p.Path)
	if path.Base(dir) != "node_modules" {
		dir = path.Dir(dir) // a scope lies between
	}
	return dir
}

// relative is where p lies in its node_modules folder: a, or @b/c.
func relative(p blueprint.Package) string {
	return p.Path[len(modulesOf(p))+1:]
}

func isFileIn(tree *os.Root, name string) bool {
	info, err := tree.Lstat(name)
	return err == nil && info.Mode().IsRegular()
}
