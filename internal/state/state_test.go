package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newHome(t testing.TB) Home {
	t.Helper()
	t.Setenv("NEMOCLAW_HOME", filepath.Join(t.TempDir(), "home"))
	h, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func settings() Settings {
	return Settings{
		Created: time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC), Agent: "openclaw", Driver: "native",
		Blueprint: Blueprint{Name: "openclaw", Version: "0.1.0", Digest: "sha256:" + strings.Repeat("a", 64)},
		Mounts:    []Mount{{Host: "/home/me/p", Sandbox: "/sandbox/p", ReadOnly: true}},
		Limits:    Limits{MemoryBytes: 1 << 30, Pids: 1024, CPUs: 1.5}, Ports: Ports{Gateway: 18789},
		Walls: Walls{NetworkOff: true},
	}
}

func create(t testing.TB, h Home, name Name) Sandbox {
	t.Helper()
	s := h.Sandbox(name)
	if err := s.Create(settings(), File{Path: "network-policy.yaml", Data: []byte("egress: []\n")}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFindAndListMakeNothing(t *testing.T) {
	h := newHome(t)
	if names, err := h.List(); err != nil || len(names) != 0 {
		t.Errorf("List = %v, %v", names, err)
	}
	s := h.Sandbox("demo")
	var missing *NotFound
	if _, err := s.Load(); !errors.As(err, &missing) {
		t.Errorf("Load: %v", err)
	}
	if _, err := s.Lock(); !errors.As(err, &missing) {
		t.Errorf("Lock: %v", err)
	}
	if err := s.Remove(); !errors.As(err, &missing) {
		t.Errorf("Remove: %v", err)
	}
	if pid, held := s.Holder(); pid != 0 || held {
		t.Errorf("Holder = %d, %v", pid, held)
	}
	if _, err := os.Lstat(h.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
}

func TestFindRefusesAFolderThatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("NEMOCLAW_HOME", dir)
	for mode, fine := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o770: false, 0o777: false, os.ModeSticky | 0o777: false} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		var unsafe *Unsafe
		if _, err := Find(); (err == nil) != fine || !fine && !errors.As(err, &unsafe) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

func TestFindRefusesAnothersFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give the folder away")
	}
	dir := t.TempDir()
	t.Setenv("NEMOCLAW_HOME", dir)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(); err == nil || !strings.Contains(err.Error(), "uid 65534") {
		t.Errorf("another's folder: %v", err)
	}
}

func TestCreateAndLoad(t *testing.T) {
	h := newHome(t)
	s := create(t, h, "demo")
	want := settings()
	want.Version, want.Name = SettingsVersion, "demo"
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if g, err := s.ActiveGeneration(); err != nil || g.Number != 1 || g.Dir != filepath.Join(s.Dir(), "generations", "1") {
		t.Errorf("generation %+v, %v", g, err)
	}
	if data, err := os.ReadFile(s.PolicyFile()); err != nil || string(data) != "egress: []\n" {
		t.Errorf("policy %q, %v", data, err)
	}
	for _, dir := range []string{h.Dir, h.Anchors(), s.Dir(), s.Workspace(), s.AuditDir(), s.RunDir()} {
		if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	create(t, h, "another")
	if names, err := h.List(); err != nil || !slices.Equal(names, []Name{"another", "demo"}) {
		t.Errorf("List = %v, %v", names, err)
	}
	var taken *Taken
	if err := s.Create(settings()); !errors.As(err, &taken) || taken.Hint() != "try demo-2" {
		t.Errorf("Create twice: %v", err)
	}
}

func TestCreateLeavesNothingHalfMade(t *testing.T) {
	h := newHome(t)
	s := h.Sandbox("demo")
	for _, bad := range []File{{Path: "../escape"}, {Path: "/tmp/escape"}, {Path: "workspace/../../escape"}, {Path: "run"}} {
		if err := s.Create(settings(), File{Path: "ok", Data: []byte("x")}, bad); err == nil {
			t.Errorf("file %q was made", bad.Path)
		}
	}
	if left, err := os.ReadDir(h.Dir); err != nil || len(left) != 1 || left[0].Name() != "anchors" {
		t.Errorf("left behind: %v, %v", left, err)
	}
	create(t, h, "demo") // the control
}

func TestCreateSweepsWhatADeadMakerLeft(t *testing.T) {
	h := newHome(t)
	create(t, h, "demo")
	dead, living := filepath.Join(h.Dir, making+"dead"), filepath.Join(h.Dir, making+"living")
	for _, dir := range []string{dead, living} {
		if err := os.MkdirAll(filepath.Join(dir, "workspace", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := lockDir(living)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	create(t, h, "another")
	if _, err := os.Lstat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead one's: %v", err)
	}
	if _, err := os.Lstat(living); err != nil {
		t.Errorf("the living one's: %v", err)
	}
}

func TestOneOfManyMakersWins(t *testing.T) {
	h := newHome(t)
	var all sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		all.Go(func() { errs[i] = h.Sandbox("demo").Create(settings()) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		var taken *Taken
		switch {
		case err == nil:
			won++
		case !errors.As(err, &taken):
			t.Error(err)
		}
	}
	if _, err := h.Sandbox("demo").Load(); won != 1 || err != nil {
		t.Errorf("%d won, Load: %v", won, err)
	}
	if left, _ := filepath.Glob(filepath.Join(h.Dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestEditedSettings(t *testing.T) {
	s := create(t, newHome(t), "demo")
	data, err := os.ReadFile(s.Settings())
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.Settings(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edited := strings.Replace(string(data), "pids: 1024", "pids: 2048", 1)
	write(edited)
	var refused *Edited
	if _, err := s.Load(); !errors.As(err, &refused) || refused.Hint() != "nemoclaw demo rebuild" {
		t.Fatalf("Load of an edited file: %v", err)
	}

	// What rebuild does.
	if set, err := s.LoadEdited(); err != nil || set.Limits.Pids != 2048 {
		t.Fatalf("LoadEdited = %+v, %v", set, err)
	}
	g, err := s.NewGeneration(Note{})
	if err != nil || g.Number != 2 {
		t.Fatalf("NewGeneration = %+v, %v", g, err)
	}
	if _, err := s.Load(); !errors.As(err, &refused) {
		t.Errorf("before Activate: %v", err)
	}
	if err := s.Activate(g); err != nil {
		t.Fatal(err)
	}
	if set, err := s.Load(); err != nil || set.Limits.Pids != 2048 {
		t.Errorf("Load = %+v, %v", set, err)
	}

	// And what rollback does.
	all, err := s.Generations()
	if err != nil || len(all) != 2 {
		t.Fatalf("Generations = %v, %v", all, err)
	}
	if err := s.Activate(all[0]); err != nil {
		t.Fatal(err)
	}
	if set, err := s.Load(); err != nil || set.Limits.Pids != 1024 {
		t.Errorf("Load = %+v, %v", set, err)
	}
}

// TestSwitchCutShort: what a switch had still to replace is not in force, and no
// edit; the same text, saved later, is one.
func TestSwitchCutShort(t *testing.T) {
	s := create(t, newHome(t), "demo")
	set := settings()
	set.Limits.Pids = 2048
	g, err := s.NewGenerationOf(set, Note{})
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(s.Settings())
	if err != nil {
		t.Fatal(err)
	}
	journal := s.in(journalName)
	if err := errors.Join(os.WriteFile(journal, []byte(digest(old)+"\n"), 0o600), activate(s.Dir(), g.Number)); err != nil {
		t.Fatal(err)
	}
	if set, err := s.Load(); err != nil || set.Limits.Pids != 2048 {
		t.Errorf("after the link: %+v, %v", set, err)
	}
	later := time.Now().Add(time.Second)
	if err := errors.Join(os.WriteFile(s.Settings(), old, 0o600), os.Chtimes(s.Settings(), later, later)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(); !errors.As(err, new(*Edited)) {
		t.Errorf("the old text, saved again: %v", err)
	}
	if set, err := s.LoadEdited(); err != nil || set.Limits.Pids != 1024 {
		t.Errorf("what a rebuild starts from: %+v, %v", set, err)
	}
	if err := s.Settle(); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(s.Settings()); err != nil || string(now) != string(old) {
		t.Errorf("settled over an edit: %q, %v", now, err)
	}
}

func TestSettingsAreStrict(t *testing.T) {
	s := create(t, newHome(t), "demo")
	data, err := os.ReadFile(s.Settings())
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ old, new, want string }{
		"the control":        {"pids: 1024", "pids: 7", ""},
		"unknown key":        {"pids:", "pidz:", "pidz"},
		"double key":         {"agent: openclaw", "agent: openclaw\nagent: none", "agent"},
		"another's":          {"name: demo", "name: other", `want "demo"`},
		"no version":         {"version: 1\n", "", "version 0"},
		"a later version":    {"version: 1\n", "version: 2\nnew_key: 1\n", "version 2"},
		"a word for version": {"version: 1\n", "version: one\n", "one"},
		"a limit below 0":    {"pids: 1024", "pids: 1024\n  connections: -5", "connections: -5"},
		"no limit by -1":     {"pids: 1024", "pids: 1024\n  disk_bytes: -1", "disk_bytes: -1"},
		"a limit of nothing": {"pids: 1024", "pids: 1024\n  disk_reserve_bytes: -1", "disk_reserve_bytes: -1"},
		"no number":          {"cpus: 1.5", "cpus: .nan", "cpus: NaN"},
		"no YAML":            {"agent: ", "agent: [", "sandbox.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(string(data), row.old) {
				t.Fatalf("no %q in %s", row.old, data)
			}
			text := strings.Replace(string(data), row.old, row.new, 1)
			if err := os.WriteFile(s.Settings(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			set, err := s.LoadEdited()
			if row.want == "" {
				if err != nil || set.Limits.Pids != 7 {
					t.Errorf("%+v, %v", set, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) || set.Agent != "" {
				t.Errorf("got %+v, %v, want an error with %q", set, err, row.want)
			}
			var hint interface{ Hint() string }
			if !errors.As(err, &hint) {
				t.Errorf("no hint in %v", err)
			}
		})
	}
}

func TestMigrationKeepsACopy(t *testing.T) {
	s := create(t, newHome(t), "demo")
	old, err := os.ReadFile(s.Settings())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(); err != nil { // the newest already
		t.Fatal(err)
	}
	if g, err := s.ActiveGeneration(); err != nil || g.Number != 1 {
		t.Fatalf("generation %+v, %v", g, err)
	}
	steps := []migration{func(b []byte) ([]byte, error) {
		return []byte(strings.Replace(string(b), "version: 1", "version: 2", 1)), nil
	}}
	if err := s.migrateWith(steps); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(s.Settings() + ".v1"); err != nil || string(kept) != string(old) {
		t.Errorf("the copy is %q, %v", kept, err)
	}
	var newer *Newer // this program does not know version 2, and the new digest is locked
	if _, err := s.Load(); !errors.As(err, &newer) {
		t.Errorf("Load: %v", err)
	}
}

// A note of a later nemoclaw is refused, whatever else has changed in it; one
// without a version is of an older one.
func TestNoteOfANewerVersion(t *testing.T) {
	g, err := create(t, newHome(t), "demo").ActiveGeneration()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := g.Note(); err != nil || n.Version != 1 || n.Why != "create" || n.Made.IsZero() {
		t.Errorf("a new note is %+v, %v", n, err)
	}
	for text, refused := range map[string]bool{`{"v":2,"made":"soon"}`: true, `{"why":"upgrade"}`: false} {
		if err := os.WriteFile(filepath.Join(g.Dir, noteName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := g.Note()
		if newer := (*Newer)(nil); errors.As(err, &newer) != refused || (err != nil) != refused {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRemove(t *testing.T) {
	h := newHome(t)
	s := create(t, h, "demo")
	outside := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What an agent may leave: links that lead out, folders without rights.
	locked := filepath.Join(s.Workspace(), "a", "b")
	err := errors.Join(
		os.MkdirAll(locked, 0o700), os.WriteFile(filepath.Join(locked, "f"), nil, 0),
		os.Symlink(filepath.Dir(outside), filepath.Join(s.Workspace(), "out")),
		os.Symlink(outside, filepath.Join(locked, "file")), os.WriteFile(s.Anchor(), nil, 0o600),
		os.Chmod(locked, 0), os.Chmod(filepath.Dir(locked), 0),
	)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	var held *Held
	if err := s.Remove(); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("Remove of a running one: %v", err)
	}
	unlock()
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.Dir(), s.Anchor()} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(h.Dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.ReadFile(outside); err != nil {
		t.Errorf("followed a link out: %v", err)
	}
	create(t, h, "demo")
}

func TestWanted(t *testing.T) {
	s := create(t, newHome(t), "demo")
	for _, want := range []bool{false, true, true, false, false} {
		if err := s.SetWanted(want); err != nil {
			t.Fatal(err)
		}
		if got := s.Wanted(); got != want {
			t.Errorf("Wanted = %v, want %v", got, want)
		}
	}
}

func TestWriteDurable(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "target"), filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(target, []byte("policy"), 0o600), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
	if err := WriteDurable(path, []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "policy" {
		t.Errorf("wrote through a link: %q, %v", data, err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	if err := WriteDurable(filepath.Join(path, "x"), nil, 0o600); err == nil {
		t.Error("wrote below a file")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
