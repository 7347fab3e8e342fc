package store

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// TestEnsure: from nothing to a checked tree, and the second time without
// asking anybody.
func TestEnsure(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	dir := filepath.Join(t.TempDir(), "blueprints")
	var phases []Phase
	c, err := r.store(dir).Ensure(t.Context(), blueprint.Ref{Name: "demo"}, func(s Step) {
		if s.Done {
			phases = append(phases, s.Phase)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Phase{Fetching, Unpacking, Checking}; !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
	modes := map[string]fs.FileMode{
		"node_modules/a/lib/x.js":                       0o644,
		"node_modules/a/cli.js":                         0o755, // a command
		"node_modules/a/bin/tool":                       0o755, // and no setuid
		"node_modules/a/added.json":                     0o644,
		"node_modules/a/node_modules/@s/b/twice.js":     0o755,
		"node_modules/a/node_modules/@s/b":              0o755 | fs.ModeDir,
		"node_modules/.bin/a":                           0o777 | fs.ModeSymlink,
		"node_modules/a/node_modules/.bin/b":            0o777 | fs.ModeSymlink,
		"node_modules/a/node_modules/@s/b/package.json": 0o644,
	}
	for name, want := range modes {
		info, err := os.Lstat(filepath.Join(c.Dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v (%v), want %v", name, info.Mode(), err, want)
		}
	}
	if body, err := os.ReadFile(filepath.Join(c.Dir, "node_modules/a/node_modules/.bin/b")); err != nil || string(body) != "same" {
		t.Errorf("the link of b leads to %q (%v)", body, err)
	}
	r.server.Close() // offline from here
	again, err := ensure(t, r.store(dir))
	if err != nil || again.Dir != c.Dir || again.Tree != c.Tree || again.Digest != c.Digest {
		t.Errorf("the second time: %+v, %v", again, err)
	}
}

// TestEnsureLeavesOut: a file that the recipe leaves out is neither there nor
// missed; one that no package brings is an error.
func TestEnsureLeavesOut(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	r.more = "  removals: [node_modules/a/lib/x.js]\n"
	s := r.store(t.TempDir())
	c, err := ensure(t, s)
	if err != nil || s.Verify(c) != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(c.Dir, "node_modules/a/lib/x.js")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	for _, wrong := range []string{"node_modules/a/nothing", "node_modules/a/lib", "node_modules/.bin/a"} {
		r.more = "  removals: [" + wrong + "]\n"
		if _, err := ensure(t, r.store(t.TempDir())); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// TestEnsureMoves: a folder lies where the recipe wants it, and is verified there;
// what is no folder, has commands, or would come upon another is an error.
func TestEnsureMoves(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	r.more = "  moves: [{from: node_modules/a/lib, to: node_modules/elsewhere}]\n  removals: [node_modules/elsewhere/x.js]\n"
	s := r.store(t.TempDir())
	c, err := ensure(t, s)
	if err != nil || s.Verify(c) != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(c.Dir, "node_modules/elsewhere")); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(c.Dir, "node_modules/a/lib")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there still: %v", err)
	}
	for wrong, why := range map[string]string{
		"{from: node_modules/a/nothing, to: node_modules/x}":          "no package brings",
		"{from: node_modules/a/lib/x.js, to: node_modules/x.js}":      "no package brings",
		"{from: node_modules/a, to: node_modules/x}":                  "has commands",
		"{from: node_modules/a/lib, to: node_modules/a/package.json}": "exists",
	} {
		r.more = "  moves: [" + wrong + "]\n"
		if _, err := ensure(t, r.store(t.TempDir())); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", wrong, err, why)
		}
	}
}

// TestEnsureShell: a blueprint that is nothing but its base needs no registry.
func TestEnsureShell(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenWith(dir, Options{Registry: func(context.Context) (*registry.Registry, error) {
		t.Error("the registry was asked for")
		return nil, errors.New("none")
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Ensure(t.Context(), blueprint.Ref{Name: "shell"}, nil)
	if err != nil || c.Dir != "" || s.Verify(c) != nil {
		t.Fatalf("%+v, %v", c, err)
	}
	if list, damaged, err := s.List(); err != nil || damaged != nil || len(list) < 2 || !list[len(list)-1].Ready || !list[len(list)-1].Cached || list[0].Ready {
		t.Errorf("list: %d, %v, %v", len(list), damaged, err)
	}
}

// TestOpenMakesNothing: reading never writes.
func TestOpenMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blueprints")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.List(); err != nil {
		t.Error(err)
	}
	if _, err := s.Inspect(blueprint.Ref{Name: "openclaw"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made (%v)", dir, err)
	}
}

// TestEnsureMismatch: bytes other than the published ones are the article's
// error, whatever is wrong with them, and nothing of them stays.
func TestEnsureMismatch(t *testing.T) {
	for what, spoil := range map[string]func([]byte) []byte{
		"one bit":   func(b []byte) []byte { b = slices.Clone(b); b[len(b)/2] ^= 1; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)-9] },
		"longer":    func(b []byte) []byte { return append(slices.Clone(b), 0) },
		"empty":     func([]byte) []byte { return nil },
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.usualPackages()
			right := r.tarballs["a@1.0.0"]
			r.replace("a@1.0.0", spoil(right))
			dir := t.TempDir()
			_, err := ensure(t, r.store(dir))
			var m *blueprint.Mismatch
			if !errors.As(err, &m) || !strings.Contains(err.Error(), "Blueprint digest mismatch: demo@1.0.0: package a@1.0.0: expected sha512:") {
				t.Fatalf("got %v, want the mismatch of a@1.0.0", err)
			}
			if left := files(t, filepath.Join(dir, "content")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			if _, err := os.Lstat(filepath.Join(dir, "blobs/sha512", m.Want.Hex())); err == nil {
				t.Error("the wrong bytes are in the cache")
			}
			r.replace("a@1.0.0", right) // the positive control, in the same store
			if _, err := ensure(t, r.store(dir)); err != nil {
				t.Errorf("with the right bytes: %v", err)
			}
		})
	}
}

// TestEnsureResumes: a connection that breaks is taken up where it broke, in
// the same call and in a later one.
func TestEnsureResumes(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	var ranges []string
	broken := 0
	r.serve = func(w http.ResponseWriter, q *http.Request, body []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		from := q.Header.Get("Range")
		ranges = append(ranges, from)
		start, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(from, "bytes="), "-"))
		if from != "" {
			w.Header().Set("Content-Range", "bytes "+strconv.Itoa(start)+"-"+strconv.Itoa(len(body)-1)+"/"+strconv.Itoa(len(body)))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)-start))
		if from != "" {
			w.WriteHeader(http.StatusPartialContent)
		}
		if broken < 2 {
			broken++
			w.Write(body[start : start+10])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		w.Write(body[start:])
	}
	if _, err := ensure(t, r.store(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(ranges, func(s string) bool { return s != "" && s != "bytes=0-" }) {
		t.Errorf("asked for %q: never for a rest", ranges)
	}
}

// TestEnsureContinuesPartial: what an earlier process left is used if it is
// right, and costs one fetch more if it is not.
func TestEnsureContinuesPartial(t *testing.T) {
	for what, left := range map[string]func([]byte) []byte{
		"whole":   func(b []byte) []byte { return b },
		"damaged": func(b []byte) []byte { return make([]byte, len(b)/2) },
		"longer":  func(b []byte) []byte { return append(slices.Clone(b), 1, 2, 3) },
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.usualPackages()
			r.serve = func(w http.ResponseWriter, q *http.Request, body []byte) {
				http.ServeContent(w, q, "a.tgz", time.Time{}, strings.NewReader(string(body)))
			}
			dir := t.TempDir()
			s := r.store(dir)
			if err := s.makeFolders(); err != nil {
				t.Fatal(err)
			}
			body := r.tarballs["a@1.0.0"]
			h := blueprint.Digest("sha512:").New()
			h.Write(body)
			if err := os.WriteFile(s.path("partial", blueprint.Finish(h).Hex()), left(body), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ensure(t, s); err != nil {
				t.Error(err)
			}
			if got := files(t, filepath.Join(dir, "partial")); len(got) != 0 {
				t.Errorf("partial still holds %v", got)
			}
		})
	}
}

// TestEnsureInterrupted: called off at any moment, the store is not half made,
// and the next call ends well.
func TestEnsureInterrupted(t *testing.T) {
	for _, at := range []Phase{Fetching, Unpacking, Checking} {
		t.Run(string(at), func(t *testing.T) {
			r := newRig(t)
			r.usualPackages()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := r.store(dir).Ensure(ctx, blueprint.Ref{Name: "demo"}, func(s Step) {
				if s.Phase == at {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want the cancellation", err)
			}
			left, err := os.ReadDir(filepath.Join(dir, "content"))
			if err != nil || len(left) > 0 && at != Checking {
				t.Errorf("left behind: %v (%v)", left, err)
			}
			if _, err := ensure(t, r.store(dir)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEnsurePinned: a decided digest is that blueprint or an error.
func TestEnsurePinned(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	dir := t.TempDir()
	s := r.store(dir)
	old, err := ensure(t, s)
	if err != nil {
		t.Fatal(err)
	}
	r.add("node_modules/c", "c", tgz(t, tarFile("package/c.js", "c")), "") // a program whose demo@1.0.0 is another one
	s = r.store(dir)
	ref := blueprint.Ref{Name: "demo", Version: "1.0.0", Digest: old.Digest}
	if c, err := s.Ensure(t.Context(), ref, nil); err != nil || c.Digest != old.Digest {
		t.Errorf("the decided one, from the cache: %s, %v", c.Digest, err)
	}
	elsewhere := r.store(t.TempDir())
	var m *blueprint.Mismatch
	if _, err := elsewhere.Ensure(t.Context(), ref, nil); !errors.As(err, &m) || m.Want != old.Digest {
		t.Errorf("the decided one, where it is not: %v, want a Mismatch", err)
	}
	ref.Version = "9.9.9"
	if _, err := s.Ensure(t.Context(), ref, nil); err == nil {
		t.Error("a digest under another version was taken")
	}
	var unknown *Unknown
	if _, err := s.Ensure(t.Context(), blueprint.Ref{Name: "demo", Version: "0.0.1"}, nil); !errors.As(err, &unknown) || unknown.Hint() == "" {
		t.Errorf("an unknown version: %v", err)
	}
}

// TestOwnFolder: a store that others can write to is refused.
func TestOwnFolder(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	for what, prepare := range map[string]func(dir string) error{
		"writable": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)) },
		"a link":   func(dir string) error { return os.Symlink(t.TempDir(), dir) },
		"a file":   func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "blueprints")
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := ensure(t, r.store(dir)); err == nil {
			t.Errorf("%s: used", what)
		}
	}
}

// files are the regular files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			all = append(all, name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// TestVersionsShare: a version with other settings and the same packages is not
// unpacked a second time, and what one of the two still needs stays; one with
// other files has a tree of its own.
func TestVersionsShare(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	dir := t.TempDir()
	all := []blueprint.Artifact{r.artifact("1.0.0")}
	r.more = "env: {A: b}\n"
	all = append(all, r.artifact("1.1.0"))
	r.more = "  removals: [node_modules/a/lib/x.js]\n"
	all = append(all, r.artifact("1.2.0"))
	s, err := OpenWith(dir, Options{
		Builtin:  all,
		Registry: func(context.Context) (*registry.Registry, error) { return registry.At(r.server.URL) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []Content
	for _, a := range all {
		c, err := s.Ensure(t.Context(), a.Manifest.Ref(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	if got[0].Dir != got[1].Dir || got[0].Tree != got[1].Tree {
		t.Errorf("equal files, two trees: %s and %s", got[0].Dir, got[1].Dir)
	}
	if got[2].Dir == got[0].Dir {
		t.Error("other files, one tree")
	}
	spoilt := filepath.Join(got[0].Dir, "node_modules/a/lib/x.js")
	if err := errors.Join(os.Chmod(spoilt, 0o600), os.WriteFile(spoilt, []byte("other"), 0o600)); err != nil {
		t.Fatal(err)
	}
	cleared, err := s.Clear(t.Context(), Keep{Used: []blueprint.Digest{got[0].Digest, got[1].Digest, got[2].Digest}})
	if err != nil || len(cleared.Damaged) != 2 { // whoever has it is told
		t.Errorf("damaged: %q, %v", cleared.Damaged, err)
	}
	if _, err := s.Ensure(t.Context(), all[1].Manifest.Ref(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), Keep{Used: []blueprint.Digest{got[1].Digest}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(got[1]); err != nil {
		t.Errorf("pruned what a kept version shares: %v", err)
	}
	if _, err := os.Lstat(got[2].Dir); !os.IsNotExist(err) {
		t.Errorf("what nobody keeps stays: %v", err)
	}
}
