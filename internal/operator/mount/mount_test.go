package mount

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

func TestMounts(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", filepath.Join(dir, "me"))
	project := filepath.Join(dir, "me", "project")
	own := filepath.Join(dir, "me", ".nemoclaw")
	for _, d := range []string{project, filepath.Join(project, "a:b"), filepath.Join(own, "box")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(project, link); err != nil {
		t.Fatal(err)
	}
	toOwn := filepath.Join(project, "state")
	if err := os.Symlink(own, toOwn); err != nil {
		t.Fatal(err)
	}
	good := map[string]state.Mount{
		project + ":/sandbox/project":                 {Host: project, Sandbox: "/sandbox/project"},
		project + ":/sandbox/project:rw":              {Host: project, Sandbox: "/sandbox/project"},
		project + ":/sandbox/p/q:ro":                  {Host: project, Sandbox: "/sandbox/p/q", ReadOnly: true},
		link + ":/sandbox/project":                    {Host: project, Sandbox: "/sandbox/project"},
		project + "/../project/:/sandbox/p":           {Host: project, Sandbox: "/sandbox/p"},
		filepath.Join(project, "a:b") + ":/sandbox/p": {Host: filepath.Join(project, "a:b"), Sandbox: "/sandbox/p"},
	}
	for text, want := range good {
		if got, err := Parse([]string{text}, own); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	bad := map[string]string{
		"":                                       "want HOST:SANDBOX",
		project:                                  "want HOST:SANDBOX",
		project + ":relative":                    "want HOST:SANDBOX",
		project + ":/sandbox/x:rx":               "want HOST:SANDBOX",
		project + ":/sandbox":                    "not below /sandbox",
		project + ":/sandbox/../etc":             "not below /sandbox",
		project + ":/sandboxes/x":                "not below /sandbox",
		project + ":/sandbox/x/":                 "not below /sandbox",
		project + ":/sandbox/.openclaw/x":        "agent's own state",
		filepath.Join(dir, "no") + ":/sandbox/x": "no such file",
		"/:/sandbox/x":                           "root of the machine",
		"/proc/self:/sandbox/x":                  "/proc is not handed over",
		"/sys:/sandbox/x:ro":                     "/sys is not handed over",
		"/dev/null:/sandbox/x":                   "/dev is not handed over",
		"/run:/sandbox/x":                        "/run is not handed over",
		"/var:/sandbox/x:ro":                     "is not handed over",
		"/root:/sandbox/x:ro":                    "home",
		filepath.Join(dir, "me") + ":/sandbox/x": "nemoclaw's own state",
		dir + ":/sandbox/x:ro":                   "nemoclaw's own state",
		own + "/box:/sandbox/x:ro":               "nemoclaw's own state",
		toOwn + ":/sandbox/x":                    "nemoclaw's own state",
	}
	for text, want := range bad {
		_, err := Parse([]string{text}, own)
		var b *Bad
		if !errors.As(err, &b) || !strings.Contains(err.Error(), want) || b.Hint() == "" {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Parse([]string{project + ":/sandbox/x", link + ":/sandbox/x/y"}, own); err == nil {
		t.Error("mounts that overlap were taken")
	}
	// A home as a whole, when nemoclaw's state lies elsewhere.
	if _, err := Parse([]string{filepath.Join(dir, "me") + ":/sandbox/x"}, "/elsewhere"); err == nil || !strings.Contains(err.Error(), "a home as a whole") {
		t.Errorf("a home: %v", err)
	}
}

// A host's socket leads out of the sandbox through a writable mount, and is
// dead in a read-only one.
func TestMountWithSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Parse([]string{dir + ":/sandbox/x"}, "/elsewhere"); err == nil || !strings.Contains(err.Error(), "socket") {
		t.Errorf("writable: %v", err)
	}
	if _, err := Parse([]string{dir + ":/sandbox/x:ro"}, "/elsewhere"); err != nil {
		t.Errorf("read-only: %v", err)
	}
}
