package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/driver/native"
	"github.com/nemoclaw/nemoclaw/internal/operator/quick"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/notify"
)

func emptyApp(t *testing.T) (*app, *bytes.Buffer) {
	t.Helper()
	t.Setenv("NEMOCLAW_HOME", t.TempDir())
	home, err := state.Find()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	return &app{voice: &say.Voice{Out: &b, Err: &b}, home: home, driver: native.Driver{}}, &b
}

// No sandbox can be called like a command: it would hide it.
func TestReserved(t *testing.T) {
	a, _ := emptyApp(t)
	root, err := a.tree()
	if err != nil {
		t.Fatal(err)
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range append(root.Commands(), root) {
		if _, err := state.ParseName(c.Name()); err == nil {
			t.Errorf("a sandbox could be called %q", c.Name())
		}
	}
	for _, word := range []string{supervisorWord, clerk.Word, notify.Word} {
		if _, err := state.ParseName(word); err == nil {
			t.Errorf("a sandbox could be called %q", word)
		}
	}
}

// Every command says what it does, takes its words strictly, and can be had
// with and without a name.
func TestTree(t *testing.T) {
	a, _ := emptyApp(t)
	for _, name := range []state.Name{"one", "two"} {
		if err := a.home.Sandbox(name).Create(state.Settings{Agent: "none"}); err != nil {
			t.Fatal(err)
		}
	}
	root, err := a.tree()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range root.Commands() {
		if c.Short == "" || c.Args == nil || c.GroupID == "" {
			t.Errorf("%s: no description, no rule for its words, or no group", c.CommandPath())
		}
	}
	for _, verb := range a.verbs(target{a, ""}) {
		for _, path := range [][]string{{verb.Name()}, {"one", verb.Name()}, {"two", verb.Name()}} {
			if c, _, err := root.Find(path); err != nil || c.Name() != verb.Name() {
				t.Errorf("nemoclaw %s: not found", strings.Join(path, " "))
			}
		}
	}
}

func TestWhichSandbox(t *testing.T) {
	a, _ := emptyApp(t)
	if _, err := (target{a, ""}).sandbox(); err == nil || !strings.Contains(err.Error(), "no sandbox yet") {
		t.Errorf("of none: %v", err)
	}
	create := func(n state.Name) {
		if err := a.home.Sandbox(n).Create(state.Settings{Agent: "none"}); err != nil {
			t.Fatal(err)
		}
	}
	create("one")
	if s, err := (target{a, ""}).sandbox(); err != nil || s.Name() != "one" {
		t.Errorf("of one: %v, %v", s.Name(), err)
	}
	create("two")
	if _, err := (target{a, ""}).sandbox(); err == nil || !strings.Contains(err.Error(), "one, two") {
		t.Errorf("of two: %v", err)
	}
	if s, err := (target{a, "two"}).sandbox(); err != nil || s.Name() != "two" {
		t.Errorf("by name: %v, %v", s.Name(), err)
	}
}

// What people type wrong gets the right word.
func TestUnknownWords(t *testing.T) {
	a, _ := emptyApp(t)
	if err := a.home.Sandbox("my-assistant").Create(state.Settings{Agent: "none"}); err != nil {
		t.Fatal(err)
	}
	for typed, hint := range map[string]string{
		"my-asistant status":                "did you mean my-assistant?",
		"my-asistant logs -f":               "did you mean my-assistant?",
		"onbord":                            "did you mean onboard?",
		"my-assistant stauts":               "did you mean nemoclaw my-assistant start or status?",
		"my-assistant logs -q":              "nemoclaw my-assistant logs --help",
		"policy expain a.com":               "did you mean nemoclaw policy explain?",
		"my-assistant exec":                 "nemoclaw NAME exec -- COMMAND",
		"set-model":                         "nemoclaw set-model PROVIDER/MODEL",
		"approvals allow x --once --always": "",
	} {
		root, err := a.tree()
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Fields(typed)
		if err = a.known(root, args); err == nil {
			root.SetArgs(args)
			err = quick.Usage(root.Execute())
		}
		var out bytes.Buffer
		if code := say.Fail(&out, err); code != say.WrongUsage || !strings.Contains(out.String(), hint) {
			t.Errorf("%s: exit code %d, %s, want %q", typed, code, out.String(), hint)
		}
	}
}
