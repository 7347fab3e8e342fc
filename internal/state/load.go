package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v4"
)

// Load reads sandbox.yaml and holds it to the digest that the active
// generation locked. Errors: *NotFound, *Edited, *Newer, *Broken.
func (s Sandbox) Load() (Settings, error) {
	data, err := s.readSettings()
	if err != nil {
		return Settings{}, err
	}
	active, err := s.ActiveGeneration()
	if err != nil {
		return Settings{}, err
	}
	want, err := active.locked()
	if err != nil {
		return Settings{}, err
	}
	if digest(data) == want {
		return s.decode(data)
	}
	if s.leftBehind(data) {
		return s.SettingsOf(active)
	}
	return Settings{}, &Edited{s.name}
}

// LoadEdited reads sandbox.yaml as it is, whatever its digest: what `rebuild`
// starts from. Errors: *NotFound, *Newer, *Broken.
func (s Sandbox) LoadEdited() (Settings, error) {
	data, err := s.readSettings()
	if err != nil {
		return Settings{}, err
	}
	if s.leftBehind(data) {
		return s.Load()
	}
	return s.decode(data)
}

func (s Sandbox) readSettings() ([]byte, error) {
	data, err := os.ReadFile(s.Settings())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFound{s.name}
	}
	if err != nil {
		return nil, fmt.Errorf("load sandbox: %w", err)
	}
	return data, nil
}

func (s Sandbox) decode(data []byte) (Settings, error) {
	data, _, err := migrate(data, migrations)
	var set Settings
	if err == nil {
		err = yaml.Load(data, &set, yaml.WithKnownFields())
	}
	if err == nil && set.Name != string(s.name) {
		err = fmt.Errorf("name %q: want %q, as the folder's", set.Name, string(s.name))
	}
	if err == nil {
		err = set.Limits.check()
	}
	if newer := (*Newer)(nil); errors.As(err, &newer) {
		return Settings{}, newer
	}
	if err != nil {
		return Settings{}, &Broken{s.name, err}
	}
	return set, nil
}

func encode(set Settings) ([]byte, error) {
	data, err := yaml.Dump(&set)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	head := "# What was decided when this sandbox was created. Its digest is locked:\n" +
		"# after an edit, `nemoclaw " + set.Name + " rebuild` puts it in force.\n"
	return append([]byte(head), data...), nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Adopt reads the settings of a sandbox of another machine, whatever it was
// called there. Errors: *Newer, *Broken.
func (s Sandbox) Adopt(data []byte) (Settings, error) {
	var head struct {
		Name string `yaml:"name"`
	}
	if err := yaml.Load(data, &head); err != nil {
		return Settings{}, &Broken{s.name, err}
	}
	set, err := Sandbox{home: s.home, name: Name(head.Name)}.decode(data)
	set.Name = string(s.name)
	return set, err
}

// Edited means that sandbox.yaml is not what was locked.
type Edited struct{ Name Name }

func (e *Edited) Error() string {
	return fmt.Sprintf("load sandbox %q: sandbox.yaml was edited since it was locked", string(e.Name))
}

// Hint is the command that puts the edit in force.
func (e *Edited) Hint() string { return fmt.Sprintf("nemoclaw %s rebuild", e.Name) }

// Broken means that sandbox.yaml cannot be read as Settings.
type Broken struct {
	Name  Name
	Cause error
}

func (e *Broken) Error() string {
	return fmt.Sprintf("load sandbox %q: sandbox.yaml: %v", string(e.Name), e.Cause)
}
func (e *Broken) Unwrap() error { return e.Cause }

// Hint is the command that puts a mended file in force.
func (e *Broken) Hint() string { return fmt.Sprintf("mend it, then nemoclaw %s rebuild", e.Name) }
