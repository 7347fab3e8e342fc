package preset

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/presets"
)

// Rules are what a preset adds.
type Rules struct {
	Name    string
	Entries []policy.Entry
	Left    []string // what its rules do not open, in plain words
}

// Unknown is a name that is no preset's.
type Unknown struct {
	Name string
	Near string
}

func (e *Unknown) Error() string { return fmt.Sprintf("no preset named %q", e.Name) }

// Hint says which there are.
func (e *Unknown) Hint() string {
	if e.Near != "" {
		return fmt.Sprintf("did you mean %q?", e.Near)
	}
	return "nemoclaw policy presets"
}

// Names are those of all presets, sorted.
func Names() []string {
	files, err := presets.Files.ReadDir(".")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Load reads a preset's file.
func Load(name string) (policy.Preset, error) {
	if !slices.Contains(Names(), name) {
		return policy.Preset{}, &Unknown{name, policy.Nearest(name, Names())}
	}
	text, err := presets.Files.ReadFile(name + ".yaml")
	if err != nil {
		return policy.Preset{}, fmt.Errorf("read preset: %w", err)
	}
	return policy.ParsePreset(name+".yaml", text)
}

// Resolve gives a preset's rules, asking its tool where it has one. Each note
// says that the rule came from the preset.
func Resolve(ctx context.Context, name string) (Rules, error) {
	p, err := Load(name)
	if err != nil {
		return Rules{}, err
	}
	r := Rules{Name: name, Entries: p.Rules}
	if p.Tool != "" {
		if r.Entries, r.Left, err = configured(ctx, p.Tool); err != nil {
			return Rules{}, err
		}
		r.Entries = p.Hosts(r.Entries)
	}
	for i := range r.Entries {
		r.Entries[i].Note = "preset " + name + ": " + r.Entries[i].Note
	}
	return r, nil
}
