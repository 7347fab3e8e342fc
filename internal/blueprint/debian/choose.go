package debian

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pault.ag/go/debian/control"
	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Unmet is a need that nothing meets.
type Unmet struct{ Of, Need string }

func (u *Unmet) Error() string {
	return fmt.Sprintf("choose packages: %s needs %s: not to be had", u.Of, u.Need)
}

// Choose gives the packages that are wanted and all that those need, in order
// of names.
func Choose(all []control.BinaryIndex, want, without []string) ([]blueprint.Deb, error) {
	c := choice{newest: map[string]*control.BinaryIndex{}, provides: map[string][]string{}, without: without, taken: map[string]bool{}}
	for i := range all {
		if have := c.newest[all[i].Package]; have == nil || version.Compare(all[i].Version, have.Version) > 0 {
			c.newest[all[i].Package] = &all[i]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.newest)) {
		stands := c.newest[name].GetProvides()
		for _, p := range stands.GetAllPossibilities() {
			c.provides[p.Name] = append(c.provides[p.Name], name)
		}
	}
	for _, name := range want {
		if c.newest[name] == nil {
			return nil, &Unmet{"the recipe", name}
		}
		c.take(name)
	}
	for len(c.open) > 0 { // those wanted first, so that they answer alternatives
		name := c.open[0]
		c.open = c.open[1:]
		if err := c.needs(c.newest[name]); err != nil {
			return nil, err
		}
	}
	var out []blueprint.Deb
	for _, name := range slices.Sorted(maps.Keys(c.taken)) {
		p := c.newest[name]
		d := blueprint.Deb{Name: name, Version: p.Version.String(), Path: p.Filename, Size: int64(p.Size)}
		if err := d.Digest.UnmarshalText([]byte("sha256:" + p.SHA256)); err != nil {
			return nil, fmt.Errorf("choose packages: %s: %w", name, err)
		}
		out = append(out, d)
	}
	return out, nil
}

type choice struct {
	newest   map[string]*control.BinaryIndex
	provides map[string][]string // a name that is no package's own -> who stands for it
	without  []string
	taken    map[string]bool
	open     []string // taken, and not yet asked what they need
}

func (c *choice) take(name string) {
	if !c.taken[name] {
		c.taken[name] = true
		c.open = append(c.open, name)
	}
}

func (c *choice) needs(p *control.BinaryIndex) error {
	for _, r := range append(p.GetPreDepends().Relations, p.GetDepends().Relations...) {
		name, ok := c.meet(r)
		if !ok {
			return &Unmet{p.Package, relation(r)}
		}
		if name != "" {
			c.take(name)
		}
	}
	return nil
}

// meet chooses who meets r: "" where the recipe does without.
func (c *choice) meet(r dependency.Relation) (string, bool) {
	var first string
	for _, p := range r.Possibilities {
		for _, name := range c.candidates(p) {
			if c.taken[name] {
				return name, true
			}
			if first == "" {
				first = name
			}
		}
	}
	for _, p := range r.Possibilities {
		if slices.Contains(c.without, p.Name) {
			return "", true
		}
	}
	return first, first != ""
}

func (c *choice) candidates(p dependency.Possibility) (names []string) {
	if have := c.newest[p.Name]; have != nil && (p.Version == nil || p.Version.SatisfiedBy(have.Version)) {
		names = append(names, p.Name)
	}
	if p.Version == nil { // a versioned need is not met by who only stands for the name
		names = append(names, c.provides[p.Name]...)
	}
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(c.without, n) })
}

func relation(r dependency.Relation) string {
	var words []string
	for _, p := range r.Possibilities {
		word := p.Name
		if p.Version != nil {
			word += " (" + p.Version.Operator + " " + p.Version.Number + ")"
		}
		words = append(words, word)
	}
	return strings.Join(words, " or ")
}
