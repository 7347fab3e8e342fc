package change

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// The sandboxes here have no supervisor: what is held is their lock, as one would
// hold it. test/e2e changes real ones.

// keeper is a driver that starts nothing, and whose acts can be made to fail.
type keeper struct {
	driver.Driver // for what a change does not need
	held          func()
	fails         map[string]error // by act; once
	before        func(act string)
}

func (k *keeper) act(name string) error {
	if k.before != nil {
		k.before(name)
	}
	err := k.fails[name]
	delete(k.fails, name)
	return err
}

func (k *keeper) Create(_ context.Context, s state.Sandbox, set state.Settings, files ...state.File) error {
	return s.Create(set, files...)
}

func (k *keeper) Remove(_ context.Context, s state.Sandbox) error { return s.Remove() }

func (k *keeper) Try(context.Context, state.Sandbox, func(string)) error { return k.act("try") }

func (k *keeper) Start(_ context.Context, s state.Sandbox, _ func(string)) error {
	if err := k.act("start"); err != nil || k.held != nil {
		return err
	}
	unlock, err := s.Lock()
	if err == nil {
		k.held = unlock
	}
	return err
}

func (k *keeper) Stop(context.Context, state.Sandbox, bool) error {
	if k.held != nil {
		k.held()
		k.held = nil
	}
	return k.act("stop")
}

// version is a blueprint whose one seed says which it is, and whose default
// policy denies a host of that name.
func version(t *testing.T, number string) blueprint.Artifact {
	t.Helper()
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	a, err := blueprint.Build(fstest.MapFS{
		blueprint.RecipeFile: file(fmt.Sprintf(`
format: 1
name: demo
version: %s
published: 2026-01-02
needs: 0.1.0
changes: [first]
base: system
platforms: [linux/amd64, linux/arm64]
login: [/bin/sh]
policies: {network: n.yaml, inference: i.yaml}
seeds: [{path: /sandbox/seed, mode: "0600", file: seed}]
`, number)),
		"n.yaml": file("unlisted: deny\ndeny: [{host: v" + number + ".example}]\n"), "i.yaml": file("routes: []\n"), "seed": file(number),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

type world struct {
	Changer
	*testing.T
	keeper *keeper
	box    state.Sandbox
}

// furnished is a sandbox of demo@1.0.0 that runs, where 1.1.0 is to be had.
func furnished(t *testing.T) *world {
	t.Helper()
	home := state.Home{Dir: filepath.Join(t.TempDir(), "home")}
	first := version(t, "1.0.0")
	blueprints, err := store.OpenWith(home.Blueprints(), store.Options{Builtin: []blueprint.Artifact{first, version(t, "1.1.0")}})
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{fails: map[string]error{}}
	w := &world{T: t, keeper: k, box: home.Sandbox("box"), Changer: Changer{
		Voice: &say.Voice{Out: io.Discard, Err: io.Discard}, Home: home, Driver: k, Store: blueprints, Tell: func(string) {},
	}}
	set := state.Settings{Agent: "none", Driver: "native", Created: time.Now(), Blueprint: state.Blueprint{Name: "demo", Version: "1.0.0", Digest: string(first.Digest)}}
	err = w.box.Create(set,
		state.File{Path: "network-policy.yaml", Data: []byte("unlisted: deny\ndeny: [{host: mine.example}]\n")},
		state.File{Path: "inference.yaml", Data: []byte("providers: {ollama: {url: \"http://127.0.0.1:11434\"}}\nroutes: [{model: \"*\", to: ollama/tiny}]\n")},
		state.File{Path: "workspace/seed", Data: []byte("1.0.0")})
	if err == nil {
		err = k.Start(t.Context(), w.box, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Stop(context.Background(), w.box, false) })
	return w
}

func (w *world) plan() Plan {
	w.Helper()
	p, err := w.Upgrade(w.Context(), w.box, Options{Blueprint: "1.1.0"})
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// is holds what is in force, what the seed says, and that the sandbox runs.
func (w *world) is(generation int, seed string) {
	w.Helper()
	g, err := w.box.ActiveGeneration()
	if err != nil || g.Number != generation {
		w.Errorf("generation %d, %v: want %d", g.Number, err, generation)
	}
	if b, err := os.ReadFile(filepath.Join(w.box.Workspace(), "seed")); err != nil || string(b) != seed {
		w.Errorf("the seed says %q, %v: want %q", b, err, seed)
	}
	if !running(w.box) {
		w.Error("it does not run")
	}
	if _, err := audit.Verify(w.box.AuditDir(), w.box.Anchor()); err != nil {
		w.Errorf("its book: %v", err)
	}
}

func (w *world) policy() string {
	w.Helper()
	b, err := os.ReadFile(w.box.PolicyFile())
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

func TestApply(t *testing.T) {
	w := furnished(t)
	if _, err := w.Apply(t.Context(), w.plan()); err != nil {
		t.Fatal(err)
	}
	w.is(2, "1.1.0")
	if p := w.policy(); !strings.Contains(p, "mine.example") || !strings.Contains(p, "v1.1.0.example") {
		t.Errorf("the policy: %s", p)
	}
	r, err := w.Rollback(w.box, 0, true)
	if err == nil {
		err = w.Back(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.is(1, "1.0.0")
}

// Whatever fails, the old generation goes on with the workspace and the policy
// that it had.
func TestApplyFails(t *testing.T) {
	for _, act := range []string{"try", "stop", "start"} {
		w := furnished(t)
		own := w.policy()
		broken := errors.New("broken")
		p := w.plan()
		w.keeper.fails[act] = broken
		if _, err := w.Apply(t.Context(), p); !errors.Is(err, broken) {
			t.Errorf("%s fails: %v", act, err)
		}
		w.is(1, "1.0.0")
		if got := w.policy(); got != own {
			t.Errorf("%s fails: the policy is %q", act, got)
		}
		if all, err := w.box.Generations(); err != nil || len(all) != 1 {
			t.Errorf("%s fails: %v, %v", act, all, err)
		}
	}
}

// A plan may be minutes old when it is done. What the operator or the agent has
// written since stays: in a seed, and in the policy.
func TestApplyKeepsWhatChangedSinceThePlan(t *testing.T) {
	w := furnished(t)
	p := w.plan()
	seed := filepath.Join(w.box.Workspace(), "seed")
	w.keeper.before = func(act string) {
		if act != "stop" {
			return
		}
		w.keeper.before = nil
		if err := errors.Join(os.WriteFile(seed, []byte("mine"), 0o600), os.WriteFile(w.box.PolicyFile(), []byte("deny: [{host: since.example}]\n"), 0o600)); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.is(2, "mine")
	if got := w.policy(); !strings.Contains(got, "since.example") || !strings.Contains(got, "v1.1.0.example") {
		t.Errorf("the policy: %s", got)
	}
}

// A rule that came after the new generation was put in force, and before that
// failed to start, is not taken back with it.
func TestApplyTakesBackNoEdit(t *testing.T) {
	w := furnished(t)
	p := w.plan()
	w.keeper.before = func(act string) {
		if act == "start" {
			w.keeper.before = nil
			w.keeper.fails["start"] = errors.New("broken")
			if err := os.WriteFile(w.box.PolicyFile(), []byte("deny: [{host: since.example}]\n"), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := w.Apply(t.Context(), p); err == nil {
		t.Fatal("it came up")
	}
	w.is(1, "1.0.0")
	if got := w.policy(); !strings.Contains(got, "since.example") {
		t.Errorf("the policy: %s", got)
	}
}

// A rollback that another change has overtaken does nothing: what it was to leave
// is not in force any more, and must not be put in force by its failure.
func TestRollbackOvertaken(t *testing.T) {
	w := furnished(t)
	if _, err := w.Apply(t.Context(), w.plan()); err != nil {
		t.Fatal(err)
	}
	var both [2]Return
	for i := range both {
		var err error
		if both[i], err = w.Rollback(w.box, 0, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Back(t.Context(), both[0]); err != nil {
		t.Fatal(err)
	}
	w.is(1, "1.0.0")
	if err := w.Back(t.Context(), both[1]); err == nil || !strings.Contains(err.Error(), "generation 1 is in force") {
		t.Errorf("the second of two: %v", err)
	}
	w.is(1, "1.0.0")
}

// One to a generation that was forgotten meanwhile changes nothing either.
func TestRollbackToWhatIsForgotten(t *testing.T) {
	w := furnished(t)
	if _, err := w.Apply(t.Context(), w.plan()); err != nil {
		t.Fatal(err)
	}
	r, err := w.Rollback(w.box, 1, false)
	if err == nil {
		err = w.box.Forget(r.to)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Back(t.Context(), r); err == nil || !strings.Contains(err.Error(), "generation 1 is forgotten") {
		t.Errorf("%v", err)
	}
	w.is(2, "1.1.0")
}

// A stop that does not end well, at Ctrl-C say, leaves nothing stopped.
func TestRollbackStartsAgain(t *testing.T) {
	w := furnished(t)
	if _, err := w.Apply(t.Context(), w.plan()); err != nil {
		t.Fatal(err)
	}
	r, err := w.Rollback(w.box, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	w.keeper.fails["stop"] = context.Canceled
	if err := w.Back(t.Context(), r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	w.is(2, "1.1.0")
	saved, err := snapshot.Shelf{Dir: w.box.Snapshots()}.List()
	if err != nil || len(saved) != 1 {
		t.Fatalf("%v, %v", saved, err)
	}
	w.keeper.fails["stop"] = context.Canceled
	if _, err := w.Restore(t.Context(), w.box, saved[0].ID); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	w.is(2, "1.1.0")
}
