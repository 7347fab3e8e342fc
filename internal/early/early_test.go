package early

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// One import more, and what it needs would be initialised before anything is
// begun.
func TestBeforeTheRest(t *testing.T) {
	deps := func(pkg string) []string {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	of := append(deps("os"), "embed")
	for _, d := range deps(".") {
		if !strings.HasPrefix(d, "github.com/nemoclaw/") && !slices.Contains(of, d) {
			t.Errorf("imports %s, which os does not", d)
		}
	}
}

func TestPlain(t *testing.T) {
	null, err := os.Open(os.DevNull) // whatever this test was started from
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	was, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(was)
	if err := unix.Dup2(int(null.Fd()), 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Dup2(was, 0) }()
	for line, want := range map[string]string{
		"n box exec -- true":        "true",
		"n box exec -T -- ls --a":   "ls --a",
		"n box exec -- ls --help":   "ls --help",
		"n box exec -- --":          "--",
		"n box exec true":           "",
		"n box exec --":             "",
		"n box exec -t -- true":     "",
		"n box exec -e A=1 -- true": "",
		"n exec -- true":            "",
		"n ../box exec -- true":     "",
		"n Box exec -- true":        "",
		"n box status -- true":      "",
		"n run -- true":             "",

		"/usr/bin/nemoclaw box exec -- true": "true",
		"openshell box exec -- true":         "",
		"./openshell box exec -- true":       "",
	} {
		argv, ok := plain(strings.Fields(line))
		if got := strings.Join(argv, " "); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", line, got, ok, want)
		}
	}
}

// Where package state refuses a home, nothing is begun in it.
func TestHomeIsThatOfState(t *testing.T) {
	dir := t.TempDir()
	open, closed, file := filepath.Join(dir, "open"), filepath.Join(dir, "closed"), filepath.Join(dir, "file")
	for d, mode := range map[string]os.FileMode{open: 0o777, closed: 0o700, filepath.Join(dir, ".nemoclaw"): 0o700} {
		if err := os.Mkdir(d, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ set, user, want string }{
		{closed, "", closed}, {open, "", ""}, {file, "", ""}, {"", dir, filepath.Join(dir, ".nemoclaw")}, {"", closed, ""}, {"/", "", "/"},
	} {
		t.Setenv("NEMOCLAW_HOME", row.set)
		t.Setenv("HOME", row.user)
		got, ok := home(os.LookupEnv)
		if !ok {
			got = ""
		}
		if row.want == "/" && os.Geteuid() != 0 {
			row.want = ""
		}
		if got != row.want {
			t.Errorf("%+v: %q", row, got)
		}
		if h, err := state.Find(); got != "" && (err != nil || h.Dir != got) {
			t.Errorf("%+v: state says %q, %v", row, h.Dir, err)
		}
	}
	t.Setenv("NEMOCLAW_HOME", "relative")
	if got, ok := home(os.LookupEnv); ok {
		t.Errorf("took a home that depends on where it is asked: %q", got)
	}
}
