package store

import (
	"os"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestMoveStaysInside: a link that leads out from its new place is refused, and
// so is a place behind a link; a link that stays inside goes along.
func TestMoveStaysInside(t *testing.T) {
	for _, c := range []struct{ target, to, why string }{
		{"../x.js", "node_modules/c", ""},
		{"../../../../x", "node_modules/c", "would lead out"},
		{"../x.js", "node_modules/l/c", "not a folder"},
	} {
		tree, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		for _, dir := range []string{"node_modules/a/b/c", "node_modules/real"} {
			if err := tree.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, target := range map[string]string{"node_modules/a/b/c/l": c.target, "node_modules/l": "real"} {
			if err := tree.Symlink(target, name); err != nil {
				t.Fatal(err)
			}
		}
		a := blueprint.Artifact{Manifest: blueprint.Manifest{Packages: &blueprint.Packages{Moves: []blueprint.Move{{From: "node_modules/a/b/c", To: c.to}}}}}
		entries := []entry{{Path: "node_modules/a/b/c", Kind: isFolder}, {Path: "node_modules/a/b/c/l", Kind: isLink, Target: c.target}}
		got, err := move(tree, a, entries, nil)
		switch {
		case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s to %s: %v, want %q", c.target, c.to, err, c.why)
		case c.why == "" && (err != nil || got[1].Path != c.to+"/l"):
			t.Errorf("%s to %s: %v, %v", c.target, c.to, got, err)
		}
	}
}
