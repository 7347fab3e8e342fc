package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control"
)

// sums tells of a changed byte of the files of these tests.
const sums = "cat /sandbox/f* | sha256sum"

// TestKilledChange kills upgrades, rollbacks, rebuilds and restores with -9 at
// many moments. After each, what is in force is one generation or the other,
// whole: the sandbox starts, its files are there, and nothing of the command
// goes on.
func TestKilledChange(t *testing.T) {
	h := newHome(t)
	b := h.shell("box", "")
	h.must("blueprint", "build", b.newerShell())
	b.sh("for i in $(seq 200); do echo $i > /sandbox/f$i; done")
	files := b.sh(sums).out
	saved := strings.TrimSpace(b.do("snapshot", "create"))
	began := time.Now()
	b.do("upgrade", "--blueprint", "v0.2.0")
	whole := time.Since(began)
	b.do("rollback")
	versions := map[string]int{}
	for round, verb := range []string{"upgrade", "rollback", "rebuild", "restore", "upgrade", "rollback", "upgrade", "restore", "upgrade", "rollback", "rebuild", "upgrade"} {
		args := map[string][]string{
			"upgrade": {"upgrade", "--downgrade", "--blueprint", next(b)}, "rollback": {"rollback"},
			"rebuild": {"rebuild"}, "restore": {"snapshot", "restore", saved},
		}[verb]
		wait := whole * time.Duration(round) / 9
		c := h.command(t.Context(), nil, append([]string{"box"}, args...)...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { _ = c.Wait(); close(done) }() // how it ended does not matter here
		select {
		case <-time.After(wait):
			_ = c.Process.Kill()
			<-done
		case <-done:
		}
		what := fmt.Sprintf("%s killed after %s", verb, wait)
		st := b.revived(what)
		versions[st.Blueprint.Version]++
		if now := b.sh(sums).out; now != files {
			t.Errorf("%s: the files are %q, were %q", what, now, files)
		}
	}
	t.Logf("an upgrade takes %s; in force after the kills: %v", whole, versions)
	b.do("rebuild") // a last change sweeps what the killed ones left
	if left, _ := filepath.Glob(b.file("snapshots/.new-*")); len(left) > 0 {
		t.Logf("left until the next snapshot: %v", left)
	}
	if _, err := os.Lstat(b.file("trial")); err == nil {
		t.Error("a trial is left")
	}
	b.do("audit", "verify")
}

// newerShell is a recipe of the shell blueprint as version 0.2.0.
func (b *box) newerShell() (dir string) {
	b.Helper()
	dir = filepath.Join(b.TempDir(), "shell")
	tool(b.T, "cp", "-r", "../../blueprints/shell/0.1.0", dir)
	file := filepath.Join(dir, "blueprint.yaml")
	b.save(file, strings.Replace(b.text(file), "version: 0.1.0", "version: 0.2.0", 1))
	return dir
}

// next is the version that is not in force.
func next(b *box) string {
	if b.status().Blueprint.Version == "0.1.0" {
		return "v0.2.0"
	}
	return "v0.1.0"
}

// revived starts the sandbox again, wherever a killed command has left it, and
// holds that all of it is well.
func (b *box) revived(what string) control.Status {
	b.Helper()
	b.await("its start after "+what, func() bool {
		r := b.nemoclaw("box", "start")
		if r.code != 0 && !strings.Contains(r.err, "in use by") && !strings.Contains(r.err, "just starting or ending") {
			b.Fatalf("%s: %s", what, r)
		}
		return r.code == 0
	})
	st := b.status()
	if !st.Healthy || !st.Blueprint.Verified {
		b.Errorf("%s: %+v", what, st)
	}
	return st
}
