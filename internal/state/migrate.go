package state

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// migration turns sandbox.yaml of one version into the next.
type migration func([]byte) ([]byte, error)

// migrations[i] leads from version i+1 to i+2. Version 1 is the first form, so
// there is none yet.
var migrations []migration

// migrate brings data to the newest version in memory and says which version
// it had. Load uses it for reading; nothing is written.
func migrate(data []byte, steps []migration) (newest []byte, from int, err error) {
	var head struct {
		Version int `yaml:"version"`
	}
	if err := yaml.Load(data, &head); err != nil {
		return nil, 0, err
	}
	last := len(steps) + 1
	if head.Version > last {
		return nil, head.Version, &Newer{File: "sandbox.yaml", Have: head.Version, Know: last}
	}
	if head.Version < 1 {
		return nil, head.Version, fmt.Errorf("version %d: want 1 to %d", head.Version, last)
	}
	for _, step := range steps[head.Version-1:] {
		if data, err = step(data); err != nil {
			return nil, head.Version, fmt.Errorf("migrate from version %d: %w", head.Version, err)
		}
	}
	return data, head.Version, nil
}

// Migrate writes sandbox.yaml in the newest form, keeps the old one beside it
// as sandbox.yaml.vN and locks the new digest. Nothing happens when it is the
// newest already. The caller holds the lock and has loaded it.
func (s Sandbox) Migrate() error { return s.migrateWith(migrations) }

func (s Sandbox) migrateWith(steps []migration) error {
	if len(steps) == 0 {
		return nil // a start pays for no second reading
	}
	data, err := s.readSettings()
	if err != nil {
		return err
	}
	newest, from, err := migrate(data, steps)
	if err != nil || from == len(steps)+1 {
		return err
	}
	if err := WriteDurable(fmt.Sprintf("%s.v%d", s.Settings(), from), data, 0o600); err != nil {
		return err
	}
	if err := WriteDurable(s.Settings(), newest, 0o600); err != nil {
		return err
	}
	g, err := s.NewGeneration(Note{Why: "migrate"})
	if err != nil {
		return err
	}
	return s.Activate(g)
}

// Newer means that a later nemoclaw wrote a file of a sandbox's.
type Newer struct {
	File       string
	Have, Know int
}

func (e *Newer) Error() string {
	return fmt.Sprintf("%s has version %d: this program knows up to %d", e.File, e.Have, e.Know)
}

// Hint says what to do.
func (e *Newer) Hint() string { return "use the newer nemoclaw that wrote it" }
