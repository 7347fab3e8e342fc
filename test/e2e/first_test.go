package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// aRecipe is a blueprint with a folder and with what a command makes of it.
var aRecipe = map[string]string{
	"blueprint.yaml": recipe("made", "i.yaml", "mkdir /sandbox/content/x && sort /sandbox/recipe/folder/words > /sandbox/content/x/sorted"),
	"n.yaml":         "unlisted: deny\n",
	"folder/words":   "b\na\n",
}

// recipe is that of a blueprint on the machine's own /usr, with a folder, and with
// what script makes.
func recipe(name, inference, script string) string {
	return fmt.Sprintf(`
format: 1
name: %s
version: 1.0.0
published: 2026-11-27
needs: 0.1.0
changes: [first]
base: system
platforms: [linux/amd64, linux/arm64]
login: [/bin/sh]
policies: {network: n.yaml, inference: %s}
files: [{path: share, file: folder}]
run: [[/bin/sh, -c, %q]]
`, name, inference, script)
}

// TestKilledFirstOnboard kills the first onboard of a machine, with all that it
// has started, before each sync and each rename of theirs. After each there is
// no sandbox or the whole one, and the same command again leads to one that is
// well; when that is destroyed nothing half-made is left. The blueprint has
// content, so that it is unpacked, too.
func TestKilledFirstOnboard(t *testing.T) {
	needsStrace(t)
	h := newHome(t)
	args := []string{"onboard", "--yes", "--agent", "none", "--blueprint", "made@1.0.0", "--name", "box", "--inference-url", modelServer(t), "--model", "tiny"}
	layout := h.builtRecipe()
	before := h.census()
	there := map[bool]int{}
	at := 1
	for ; ; at++ {
		h.fresh()
		h.must("blueprint", "pull", "--unsigned", layout+":1.0.0")
		came := h.killedAt(at, args...)
		what := fmt.Sprintf("onboard killed before step %d", at)
		b := &box{h, "box"}
		made := strings.TrimSpace(h.must("list", "--json")) != "[]"
		there[made]++
		if made { // as it is, without another onboard
			b.revived(what)
		}
		if r := h.nemoclaw(args...); r.code != 0 {
			t.Errorf("%s: onboard again: %s", what, r)
		}
		if st := b.status(); !st.Healthy || !st.Blueprint.Verified {
			t.Errorf("%s: %+v", what, st)
		}
		b.prints("a", "head -n1 /opt/nemoclaw/content/x/sorted")
		b.do("audit", "verify")
		b.do("destroy", "--yes")
		h.noneHalfMade(what)
		if !came {
			break
		}
	}
	t.Logf("killed before each of %d steps; a sandbox was there afterwards: %v", at-1, there)
	if at-1 < 15 || there[false] == 0 || there[true] == 0 {
		t.Errorf("%d steps, a sandbox there: %v", at-1, there)
	}
	h.fresh()
	h.gone(before)
}

// TestKilledBuild kills a build, with the sandbox that its commands run in,
// before each of its steps. After each the blueprint is there whole or not at
// all, and a build after it gives the digest that one gives which nobody killed.
func TestKilledBuild(t *testing.T) {
	needsStrace(t)
	h := newHome(t)
	recipe := h.recipe()
	want := strings.TrimSpace(h.must("blueprint", "build", recipe))
	there := map[bool]int{}
	at := 1
	for ; ; at++ {
		h.fresh()
		came := h.killedAt(at, "blueprint", "build", recipe)
		what := fmt.Sprintf("build killed before step %d", at)
		made := strings.Contains(h.must("blueprint", "list"), "made@")
		there[made]++
		if made {
			h.must("blueprint", "inspect", "made@1.0.0") // reads all of it
		}
		if got := strings.TrimSpace(h.must("blueprint", "build", recipe)); got != want {
			t.Errorf("%s: built again: %s, want %s", what, got, want)
		}
		h.noneHalfMade(what)
		if !came {
			break
		}
	}
	t.Logf("killed before each of %d steps; the blueprint was there afterwards: %v", at-1, there)
	if at-1 < 8 || there[false] == 0 || there[true] == 0 {
		t.Errorf("%d steps, the blueprint there: %v", at-1, there)
	}
}

// recipe writes aRecipe.
func (h *home) recipe() (dir string) {
	h.Helper()
	dir = filepath.Join(h.TempDir(), "recipe")
	for name, text := range aRecipe {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			h.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			h.Fatal(err)
		}
	}
	body, err := os.ReadFile("../../blueprints/shell/0.1.0/inference.yaml")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "i.yaml"), body, 0o644)
	}
	if err != nil {
		h.Fatal(err)
	}
	return dir
}

// builtRecipe is a layout that holds what aRecipe makes.
func (h *home) builtRecipe() (layout string) {
	h.Helper()
	layout = h.TempDir()
	h.must("blueprint", "build", h.recipe())
	h.must("blueprint", "push", "made@1.0.0", layout)
	return layout
}

// fresh takes the state folder away, in which no sandbox runs any more.
func (h *home) fresh() {
	h.Helper()
	if err := os.RemoveAll(h.dir); err != nil {
		h.Fatal(err)
	}
}

// noneHalfMade holds that no name of something unfinished is left.
func (h *home) noneHalfMade(what string) {
	h.Helper()
	err := filepath.WalkDir(h.dir, func(name string, e fs.DirEntry, err error) error {
		for _, prefix := range []string{".new-", ".gone-", ".tmp-", ".damaged-"} {
			if err == nil && strings.HasPrefix(e.Name(), prefix) {
				h.Errorf("%s: left: %s", what, name)
			}
		}
		return err
	})
	if err != nil {
		h.Error(err)
	}
}
