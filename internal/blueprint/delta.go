package blueprint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Delta is one thing in which two blueprints differ. Was or Is is "" where it
// is missing.
type Delta struct {
	What string `json:"what"` // agent, file /sandbox/.bashrc, package node_modules/a …
	Was  string `json:"was,omitempty"`
	Is   string `json:"is,omitempty"`
}

// Differences are all things in which b is not as a, other than the texts of
// the two policies, which have meanings of their own to compare.
func Differences(a, b Artifact) ([]Delta, error) {
	was, err := a.properties()
	if err != nil {
		return nil, err
	}
	is, err := b.properties()
	if err != nil {
		return nil, err
	}
	var out []Delta
	keys := maps.Clone(was)
	maps.Copy(keys, is)
	for _, what := range slices.Sorted(maps.Keys(keys)) {
		if was[what] != is[what] {
			out = append(out, Delta{what, was[what], is[what]})
		}
	}
	slices.SortStableFunc(out, func(x, y Delta) int { return cmp.Compare(rank(x.What), rank(y.What)) })
	return out, nil
}

// rank puts what people ask about first.
func rank(what string) int {
	kind, _, _ := strings.Cut(what, " ")
	return slices.Index([]string{"", "file", "package"}, kind) // -1: everything else, first
}

// properties is a blueprint as words, each thing by its name.
func (a Artifact) properties() (map[string]string, error) {
	m := a.Manifest
	p := map[string]string{
		"base": m.Base.Describe(), "needs": m.Needs, "platforms": strings.Join(m.Platforms, " "),
		"login": strings.Join(m.Login, " "), "path": strings.Join(m.Path, " "),
	}
	if m.Kernel != nil {
		p["kernel"] = m.Kernel.String()
	}
	if m.Agent != nil {
		p["agent"] = m.Agent.Name + ": " + strings.Join(m.Agent.Argv, " ")
	}
	for name, value := range m.Env {
		p["variable "+name] = value
	}
	for _, port := range m.Ports {
		p["port "+port.Name] = fmt.Sprint(port.Port)
	}
	for _, s := range m.Seeds {
		p["file "+s.Path] = s.Mode + " " + s.File.Digest.Short()
	}
	debs, err := a.Debs()
	if err != nil {
		return nil, err
	}
	for architecture, all := range debs.Packages {
		for _, d := range all {
			p["package "+d.Name+" ("+architecture+")"] = d.Version + " " + d.Digest.Short()
		}
	}
	if m.Packages == nil {
		return p, nil
	}
	for _, f := range m.Packages.Additions {
		p["file "+f.Path] = f.File.Digest.Short()
	}
	for _, moved := range m.Packages.Moves {
		p["folder "+moved.To] = "from " + moved.From
	}
	for _, f := range m.Packages.Removals {
		p["file "+f] = "left out"
	}
	lock, err := a.Lock()
	if err != nil {
		return nil, err
	}
	for _, one := range lock.Packages {
		where := strings.TrimPrefix(one.Path, "node_modules/")
		p["package "+where] = one.Version
		if one.Version != "" {
			p["package "+where] += " " + one.Integrity.Short()
		}
	}
	return p, nil
}
