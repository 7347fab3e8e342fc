package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestBuildIsTheSame: one recipe, commands included, built by root and by a
// user without any right, in different folders, gives one digest.
func TestBuildIsTheSame(t *testing.T) {
	h := newHome(t)
	dir, err := os.MkdirTemp("", "e2e-build-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	source := filepath.Join(dir, "recipe")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("blueprint.yaml", recipe("same", "n.yaml",
		"umask 077; mkdir -p /sandbox/content/x/y && sort /sandbox/recipe/folder/words > /sandbox/content/x/y/sorted && chmod +x /sandbox/content/x/y/sorted"))
	write("n.yaml", "unlisted: deny\n")
	write("folder/words", "b\na\n")
	write("folder/deep/er", "x")
	own := strings.TrimSpace(h.must("blueprint", "build", source))
	if !strings.HasPrefix(own, "sha256:") {
		t.Fatal(own)
	}
	elsewhere := filepath.Join(dir, "somewhere", "else")
	tool(t, "mkdir", "-p", elsewhere)
	tool(t, "cp", "-r", source, filepath.Join(elsewhere, "copy")) // with other times
	if again := strings.TrimSpace(h.must("blueprint", "build", filepath.Join(elsewhere, "copy"))); again != own {
		t.Errorf("%s, and from another folder %s", own, again)
	}
	if os.Geteuid() != 0 {
		return // the run as root builds as a user, too
	}
	tool(t, "cp", program, filepath.Join(dir, "nemoclaw"))
	tool(t, "chown", "-R", "64322:64322", dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), filepath.Join(dir, "nemoclaw"), "blueprint", "build", filepath.Join(elsewhere, "copy"))
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	c.Dir = dir
	c.Env = environment("HOME="+dir, "NEMOCLAW_HOME="+filepath.Join(dir, "state"))
	out, err := c.Output()
	if other := strings.TrimSpace(string(out)); err != nil || other != own {
		t.Errorf("as root %s, as a user %s, %v", own, other, err)
	}
}
