package throwaway

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/launch"
)

func TestPlain(t *testing.T) {
	for line, want := range map[string]bool{
		"n run -- true":                     true,
		"/usr/bin/nemoclaw run -- ls --a":   true,
		"n run -- run --mount a:b":          true,
		"n run --":                          false,
		"n run true":                        false,
		"n run -t -- true":                  false,
		"n run --policy f -- true":          false,
		"n run --mount /a:/sandbox/a -- ls": false,
		"n box exec -- true":                false,
		"./openshell run -- true":           false,
		"n":                                 false,
	} {
		if got := plain(strings.Fields(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// One import more, and this would be initialised behind what it is to come
// before.
func TestBeforeTheRest(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range strings.Fields(string(out)) {
		switch d {
		case "net/http", "crypto/tls", "text/template", "golang.org/x/crypto/ssh", "oras.land/oras-go/v2/registry":
			t.Errorf("needs %s", d)
		}
	}
}

func begin(t *testing.T) *Sandbox {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	o, err := options()
	if err != nil {
		t.Fatal(err)
	}
	return Begin(launch.Begin(o))
}

func options() (o launch.Options, err error) {
	if os.Geteuid() == 0 {
		o.UID, err = host.FreeUser(os.DirFS("/"))
		o.GID = o.UID
	}
	return o, err
}

// left is what lies in TMPDIR.
func left(t *testing.T) (names []string) {
	t.Helper()
	all, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// gone says that nothing is left of a process.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestBegunIsTaken(t *testing.T) {
	s := begin(t)
	b, err := s.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = b.Kill(), b.Wait() }()
	for _, p := range b.Proofs() {
		if !p.Refused {
			t.Errorf("%+v", p)
		}
	}
	if len(b.Proofs()) == 0 {
		t.Error("nothing was proved")
	}
	s.Drop() // it is ours now
	if _, err := os.Stat(s.Place.Workspace()); err != nil || gone(b.PID()) {
		t.Errorf("took away what was taken: %v", err)
	}
}

func TestDropLeavesNothing(t *testing.T) {
	s := begin(t)
	if left := left(t); len(left) != 1 {
		t.Fatalf("its folder: %v", left)
	}
	s.Drop()
	if left := left(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if s.box != nil && !gone(s.box.PID()) {
		t.Error("its init lives")
	}
}

// Whoever no longer wants it is not kept waiting, and what is not up does not
// come up.
func TestWaitEndsWithItsContext(t *testing.T) {
	s := begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b, err := s.Wait(ctx)
	switch {
	case err == nil: // it was up by then, and is ours
		_, _ = b.Kill(), b.Wait()
	case !errors.Is(err, context.Canceled):
		t.Errorf("%v", err)
	}
}
