package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Generation is one state of what is locked: made at creation, at an upgrade
// and at a rebuild. Dir keeps sandbox.yaml as it was locked, its digest, and
// the note that its maker left.
type Generation struct {
	Number int
	Dir    string
}

// Note says of a generation what nothing else does.
type Note struct {
	Version  int       `json:"v,omitempty"` // noteVersion; an older nemoclaw wrote none
	Made     time.Time `json:"made,omitzero"`
	Why      string    `json:"why,omitempty"`      // created, upgrade, rebuild
	Snapshot string    `json:"snapshot,omitempty"` // of the workspace, taken before it was put in force
	Untried  bool      `json:"untried,omitempty"`  // it has never been started in force; of a change that goes on or was killed
}

const (
	lockedDigest   = "sandbox.sha256"
	lockedSettings = "sandbox.yaml"
	noteName       = "note.json"
	noteVersion    = 1
)

// locked is the digest of sandbox.yaml that g was made with.
func (g Generation) locked() (string, error) {
	data, err := os.ReadFile(filepath.Join(g.Dir, lockedDigest))
	if err != nil {
		return "", fmt.Errorf("read locked digest: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// text is sandbox.yaml as g locked it.
func (g Generation) text() ([]byte, error) {
	want, err := g.locked()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(g.Dir, lockedSettings))
	if err != nil {
		return nil, fmt.Errorf("read generation %d: %w", g.Number, err)
	}
	if digest(data) != want {
		return nil, fmt.Errorf("read generation %d: its sandbox.yaml is not what was locked", g.Number)
	}
	return data, nil
}

// SettingsOf is what generation g of s locked.
func (s Sandbox) SettingsOf(g Generation) (Settings, error) {
	data, err := g.text()
	if err != nil {
		return Settings{}, err
	}
	return s.decode(data)
}

// Note is what the maker of g left; one of an older nemoclaw has none.
func (g Generation) Note() (Note, error) {
	var n Note
	data, err := os.ReadFile(filepath.Join(g.Dir, noteName))
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = known(data, noteName, noteVersion)
	}
	if err == nil {
		err = json.Unmarshal(data, &n)
	}
	if err != nil {
		return Note{}, fmt.Errorf("read note of generation %d: %w", g.Number, err)
	}
	return n, nil
}

// known is a *Newer where a JSON file's "v" is later than know: whatever else
// is in it need not have the form that this program reads.
func known(data []byte, file string, know int) error {
	var head struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(data, &head); err == nil && head.Version > know {
		return &Newer{File: file, Have: head.Version, Know: know}
	}
	return nil
}

// ReadState reads a JSON file of a sandbox's into v. Errors: fs.ErrNotExist,
// *Newer where its "v" is later than know, and those of encoding/json.
func ReadState(path string, know int, v any) error {
	data, err := os.ReadFile(path)
	if err == nil {
		err = known(data, filepath.Base(path), know)
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// SetNote replaces the note of g, durably.
func (g Generation) SetNote(n Note) error {
	n.Version = noteVersion
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return WriteDurable(filepath.Join(g.Dir, noteName), append(data, '\n'), 0o600)
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
// disk now. It is not in force until Activate. The caller holds Changing.
func (s Sandbox) NewGeneration(n Note) (Generation, error) {
	if err := s.Settle(); err != nil {
		return Generation{}, err
	}
	data, err := s.readSettings()
	if err != nil {
		return Generation{}, err
	}
	return s.nextGeneration(data, n)
}

// NewGenerationOf is NewGeneration with other settings.
func (s Sandbox) NewGenerationOf(set Settings, n Note) (Generation, error) {
	set.Version, set.Name = SettingsVersion, string(s.name)
	data, err := encode(set)
	if err != nil {
		return Generation{}, err
	}
	return s.nextGeneration(data, n)
}

func (s Sandbox) nextGeneration(data []byte, n Note) (Generation, error) {
	if err := s.sweepGenerations(); err != nil {
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
	return makeGeneration(s.Dir(), next, data, n)
}

// sweepGenerations removes what was half made or half removed by commands that
// were killed.
func (s Sandbox) sweepGenerations() error {
	entries, err := os.ReadDir(s.in("generations"))
	for _, e := range entries {
		if err == nil && (strings.HasPrefix(e.Name(), making) || strings.HasPrefix(e.Name(), removing)) {
			err = os.RemoveAll(s.in(filepath.Join("generations", e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("sweep generations: %w", err)
	}
	return nil
}

// makeGeneration makes it under another name and renames it: one that can be
// seen is whole.
func makeGeneration(dir string, n int, settings []byte, note Note) (Generation, error) {
	g := Generation{n, filepath.Join(dir, generationPath(n))}
	tmp := Generation{n, filepath.Join(filepath.Dir(g.Dir), making+strconv.Itoa(n))}
	err := os.RemoveAll(tmp.Dir) // of a maker that was killed
	if err == nil {
		err = os.Mkdir(tmp.Dir, 0o700)
	}
	if err == nil {
		err = WriteDurable(filepath.Join(tmp.Dir, lockedSettings), settings, 0o600)
	}
	if err == nil {
		err = WriteDurable(filepath.Join(tmp.Dir, lockedDigest), []byte(digest(settings)+"\n"), 0o600)
	}
	if err == nil {
		err = tmp.SetNote(note)
	}
	if err == nil {
		err = os.Rename(tmp.Dir, g.Dir)
	}
	if err != nil {
		return Generation{}, errors.Join(fmt.Errorf("make generation %d: %w", n, err), os.RemoveAll(tmp.Dir))
	}
	return g, syncDir(filepath.Dir(g.Dir))
}

// Forget removes a generation that is not in force: first from its name, so
// that none is ever seen half.
func (s Sandbox) Forget(g Generation) error {
	active, err := s.ActiveGeneration()
	if err != nil {
		return err
	}
	if active.Number == g.Number {
		return fmt.Errorf("forget generation %d: it is in force", g.Number)
	}
	gone := filepath.Join(filepath.Dir(g.Dir), removing+strconv.Itoa(g.Number))
	if err := os.Rename(g.Dir, gone); err != nil {
		return fmt.Errorf("forget generation %d: %w", g.Number, err)
	}
	return os.RemoveAll(gone)
}

// Activate puts g in force with one rename: that of the link. sandbox.yaml is
// the operator's copy of what the link leads to, and follows; until it has, a
// journal says which text it still is, so that Load goes by the link. The
// caller holds Changing and the lock.
func (s Sandbox) Activate(g Generation) error {
	settings, err := g.text()
	if err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	old, err := s.readSettings()
	if err != nil {
		return err
	}
	if err := WriteDurable(s.in(journalName), []byte(digest(old)+"\n"), 0o600); err != nil {
		return err
	}
	if err := activate(s.Dir(), g.Number); err != nil {
		return err
	}
	if err := WriteDurable(s.Settings(), settings, 0o600); err != nil {
		return err
	}
	if err := os.Remove(s.in(journalName)); err != nil {
		return fmt.Errorf("activate generation %d: %w", g.Number, err)
	}
	return nil
}

// Settle finishes a switch that was cut short. The caller holds the lock or
// Changing.
func (s Sandbox) Settle() error {
	if _, err := os.Lstat(s.in(journalName)); err != nil {
		return nil
	}
	data, err := s.readSettings()
	if err != nil {
		return err
	}
	if !s.leftBehind(data) {
		return os.Remove(s.in(journalName)) // all but this was done
	}
	active, err := s.ActiveGeneration()
	if err != nil {
		return err
	}
	return s.Activate(active)
}

// journalName is the file that says which text of sandbox.yaml a switch that
// was not finished has left behind.
const journalName = ".switching"

// leftBehind says whether data, of sandbox.yaml, is what a switch cut short had
// still to replace. A file that was saved after the journal was written is the
// operator's, even where the text is the same again.
func (s Sandbox) leftBehind(data []byte) bool {
	was, err := os.ReadFile(s.in(journalName))
	if err != nil || strings.TrimSpace(string(was)) != digest(data) {
		return false
	}
	journal, err := os.Stat(s.in(journalName))
	if err != nil {
		return false
	}
	settings, err := os.Stat(s.Settings())
	return err == nil && !settings.ModTime().After(journal.ModTime())
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
