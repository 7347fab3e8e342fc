package blueprint

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/blueprints"
)

// Builtin builds the blueprints that came with this program, by name and then
// from the oldest to the newest.
func Builtin() ([]Artifact, error) {
	recipes, err := fs.Glob(blueprints.Recipes, "*/*/"+RecipeFile)
	if err != nil {
		return nil, err
	}
	var all []Artifact
	for _, file := range recipes {
		folder := strings.TrimSuffix(file, "/"+RecipeFile)
		a, err := buildIn(folder)
		if err != nil {
			return nil, fmt.Errorf("built-in blueprint %s: %w", folder, err)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Artifact) int { return Order(a.Manifest.Identity, b.Manifest.Identity) })
	return all, nil
}

// buildIn builds the recipe in folder, which is NAME/VERSION.
func buildIn(folder string) (Artifact, error) {
	dir, err := fs.Sub(blueprints.Recipes, folder)
	if err != nil {
		return Artifact{}, err
	}
	a, err := Build(dir)
	if err != nil {
		return Artifact{}, err
	}
	if m := a.Manifest; m.Name+"/"+m.Version != folder {
		return Artifact{}, fmt.Errorf("it calls itself %s", m.Ref())
	}
	return a, nil
}

// Order sorts by name, then from the oldest version to the newest.
func Order(a, b Identity) int {
	if a.Name != b.Name {
		return strings.Compare(a.Name, b.Name)
	}
	return Compare(a.Version, b.Version)
}
