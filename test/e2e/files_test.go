package e2e

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fileRow is one line of docs/files.md.
type fileRow struct {
	pattern string // as for path.Match; with a slash at its end everything below
	version string // the words that stand in the file; "" where there are none, and why says why
	why     string
}

// placeholders are what stands in docs/files.md for any name.
var placeholders = regexp.MustCompile(`\b(NAME|ID|HEX|N)\b`)

// reasons are those for which a file needs no version.
const reasons = "|yours|bare|told|made|the agent's|link|socket|empty|"

func fileRows(t *testing.T) (all []fileRow) {
	t.Helper()
	text, err := os.ReadFile("../../docs/files.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		r := fileRow{pattern: placeholders.ReplaceAllString(strings.Trim(cells[1], " `"), "*"), why: strings.TrimSpace(cells[2])}
		if version, ok := strings.CutPrefix(r.why, "`"); ok {
			r.version = strings.TrimSuffix(version, "`")
		} else if !strings.Contains(reasons, "|"+r.why+"|") {
			t.Errorf("%s: no version, and %q is no reason", r.pattern, r.why)
		}
		all = append(all, r)
	}
	if len(all) < 30 {
		t.Fatalf("docs/files.md lists %d files", len(all))
	}
	return all
}

func (r fileRow) matches(name string) bool {
	if !strings.HasSuffix(r.pattern, "/") {
		ok, err := path.Match(r.pattern, name)
		return ok && err == nil
	}
	parts, want := strings.Split(name, "/"), strings.Count(r.pattern, "/")
	if len(parts) <= want {
		return false
	}
	ok, err := path.Match(strings.TrimSuffix(r.pattern, "/"), strings.Join(parts[:want], "/"))
	return ok && err == nil
}

// holds checks that file is of the kind that r says.
func (r fileRow) holds(file string, mode fs.FileMode) string {
	kind := map[string]fs.FileMode{"link": fs.ModeSymlink, "socket": fs.ModeSocket}[r.why]
	if strings.HasSuffix(r.pattern, "/") {
		return ""
	}
	if mode.Type() != kind {
		return "it is no " + r.why + " but " + mode.String()
	}
	if kind != 0 {
		return ""
	}
	text, err := os.ReadFile(file)
	switch {
	case err != nil:
		return err.Error()
	case r.why == "empty" && len(text) > 0:
		return "it is not empty"
	case r.why != "empty" && r.why != "told" && len(text) == 0:
		return "it is empty"
	case !strings.Contains(string(text), r.version):
		return "it does not say " + r.version
	}
	if strings.HasSuffix(file, ".jsonl") {
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, r.version) {
				return "a line does not say " + r.version
			}
		}
	}
	return ""
}

// used is a home in which everything was done that leaves a file: two sandboxes, one of
// them with content of its own, policies, a question, something learned, secrets, keys,
// snapshots, an upgrade, a rollback and a rebuild.
func used(t *testing.T) *box {
	t.Helper()
	h := newHome(t)
	if r := h.runFor(t.Context(), strings.NewReader("ghp_0123456789"), "secret", "set", "github", "--stdin"); r.code != 0 {
		t.Fatal(r)
	}
	h.must("blueprint", "key", "example.org")
	h.must("blueprint", "trust", strings.TrimSpace(h.must("blueprint", "key")), "made")
	h.must("blueprint", "build", h.recipe())
	h.must("blueprint", "sign", "made@1.0.0")
	h.must("onboard", "--yes", "--agent", "none", "--blueprint", "made@1.0.0", "--name", "made", "--inference-url", modelServer(t), "--model", "tiny")
	b := h.shell("box", article)
	b.do("snapshot", "create")
	h.must("blueprint", "build", b.newerShell())
	b.do("upgrade", "--blueprint", "v0.2.0")
	b.do("rollback")
	b.limit("pids", "2048")
	b.do("policy", "learn", "start")
	b.sh("curl -sS -m 5 https://learned.example.org/ https://api.github.com/")
	b.sh(`curl -sS http://127.0.0.1:11434/api/generate -d '{"model":"tiny","prompt":"hello","stream":false}'`)
	b.do("policy", "learn", "stop")
	b.do("policy", "learn", "start")
	b.await("the question on disk", func() bool {
		_, err := os.Stat(b.file("run/approvals.json"))
		return err == nil
	})
	return b
}

// TestEveryFileSaysItsVersion walks a home that was used: each file says of which version
// it is, or docs/files.md lists it with the reason why it does not; and of what is listed
// nothing is missing. What a newer nemoclaw wrote is refused by whoever reads it, and left
// as it is.
func TestEveryFileSaysItsVersion(t *testing.T) {
	rows := fileRows(t)
	b := used(t)
	seen := map[string]bool{}
	err := filepath.WalkDir(b.dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(b.dir, file)
		if err != nil {
			return err
		}
		found := 0
		for _, r := range rows {
			if !r.matches(name) {
				continue
			}
			found++
			seen[r.pattern] = true
			if wrong := r.holds(file, e.Type()); wrong != "" {
				t.Errorf("%s, in docs/files.md %s: %s", name, r.pattern, wrong)
			}
		}
		if found != 1 {
			t.Errorf("%s: docs/files.md has it %d times", name, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !seen[r.pattern] && r.pattern != "blueprints/partial/" { // there while something is fetched
			t.Errorf("%s: there was none", r.pattern)
		}
	}
	b.newerIsRefused()
}

// newerIsRefused gives one file after the other a later version. Lines of the book that are
// changed are no newer nemoclaw's: their hash tells (audit.TestANewerBookIsRefused).
func (b *box) newerIsRefused() {
	b.Helper()
	b.do("stop")
	b.must("made", "stop")
	glob := func(pattern string) string {
		b.Helper()
		all, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil || len(all) == 0 {
			b.Fatalf("%s: %v, %v", pattern, all, err)
		}
		return all[len(all)-1]
	}
	for _, c := range []struct {
		file, is, later string
		command         []string
	}{
		{"box/learn.json", `"v":1`, `"v":99`, []string{"box", "policy", "learn", "stop"}},
		{"box/generations/*/note.json", `"v":1`, `"v":99`, []string{"box", "rollback", "--list"}},
		{"box/snapshots/*/record.json", `"format":1`, `"format":99`, []string{"box", "snapshot", "list"}},
		{"box/run/approvals.json", `"v":1`, `"v":99`, []string{"box", "start"}},
		{"anchors/box", `"v":1,`, `"v":9,`, []string{"box", "start"}},
		{"blueprints/index.json", `"schemaVersion": 2`, `"schemaVersion": 3`, []string{"blueprint", "list"}},
		{"blueprints/seen.json", `"v":1`, `"v":99`, []string{"blueprint", "build", "../../blueprints/shell/0.1.0"}},
		{"blueprints/oci-layout", `"1.0.0"`, `"2.0.0"`, []string{"blueprint", "list"}},
		{"blueprints/content/*/record.json", `"format": 1`, `"format": 9`, []string{"made", "start"}},
	} {
		file := glob(c.file)
		was := b.text(file)
		later := strings.ReplaceAll(was, c.is, c.later)
		if later == was {
			b.Errorf("%s does not say %s", file, c.is)
		}
		b.save(file, later)
		if r := b.nemoclaw(c.command...); r.code == 0 || !strings.Contains(r.out+r.err, "newer nemoclaw") {
			b.Errorf("%s of a newer nemoclaw: %s", c.file, r)
		}
		if now := b.text(file); now != later {
			b.Errorf("%s of a newer nemoclaw was written over: %s", c.file, now)
		}
		b.save(file, was)
	}
	b.do("start")
	b.must("made", "start")
	b.do("policy", "learn", "stop")
	b.do("audit", "verify")
}
