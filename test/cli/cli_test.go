package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nemoclaw/nemoclaw/internal/driver/native"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/cli"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// TestMain makes this program nemoclaw where it is called so: the scripts run
// the very code that main runs, supervisors included.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"nemoclaw": func() { os.Exit(cli.Run(os.Args)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: func(e *testscript.Env) error { return setUp(t, e) },
		Condition: func(c string) (bool, error) {
			switch c {
			case "walls":
				return missing() == "", nil
			case "tmux":
				_, err := exec.LookPath("tmux")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", c)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"person": person,
			"field":  field,
		},
	})
}

// missing is what this machine lacks for a sandbox.
func missing() string {
	for _, l := range host.Look().Missing() {
		if !l.Advice {
			return l.Error()
		}
	}
	return ""
}

// setUp gives a script a home of its own and a model server with two models.
// Whatever still runs when it ends is stopped.
func setUp(t *testing.T, e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(models))
	e.Defer(server.Close)
	e.Setenv("HOME", home)
	e.Setenv("NEMOCLAW_HOME", filepath.Join(home, ".nemoclaw"))
	e.Setenv("OLLAMA", server.URL)
	e.Setenv("REPO", repository())
	e.Setenv("LC_ALL", "C.UTF-8")
	e.Setenv("TERM", "xterm-256color")
	e.Setenv("GORACE", os.Getenv("GORACE")) // see scripts/race.sh
	e.Defer(func() { stopAll(t, state.Home{Dir: filepath.Join(home, ".nemoclaw")}) })
	return nil
}

// models answers as an Ollama that has two models.
func models(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch r.URL.Path {
	case "/api/version":
		fmt.Fprint(w, `{"version":"0.17.4"}`)
	case "/api/tags":
		_ = json.NewEncoder(w).Encode(map[string]any{"models": []map[string]string{{"name": "tiny:latest"}, {"name": "qwen3:8b"}}})
	default:
		http.NotFound(w, r)
	}
}

func stopAll(t *testing.T, home state.Home) {
	names, err := home.List()
	if err != nil {
		t.Error(err)
	}
	for _, n := range names {
		if err := (native.Driver{}).Stop(t.Context(), home.Sandbox(n), false); err != nil {
			t.Error(err)
		}
	}
}

func repository() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}

// field FILE PATH VALUE holds a value of a JSON file to what it should be; a
// path is names and indexes joined by dots.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: field FILE PATH VALUE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, name := range strings.Split(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			var i int
			_, err := fmt.Sscan(name, &i)
			ts.Check(err)
			if i >= len(at) {
				ts.Fatalf("%s: only %d elements", args[1], len(at))
			}
			v = at[i]
		default:
			ts.Fatalf("%s: nothing below %v", args[1], at)
		}
	}
	if got := fmt.Sprint(v); (got == args[2]) == neg {
		ts.Fatalf("%s is %q", args[1], got)
	}
}
