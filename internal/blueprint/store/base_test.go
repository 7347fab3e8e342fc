package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// ar packs parts as ar(5) does: name and body, one after the other.
func ar(parts ...[2]string) []byte {
	out := bytes.NewBufferString("!<arch>\n")
	for _, p := range parts {
		fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", p[0], 0, 0, 0, "100644", len(p[1]), p[1])
		if len(p[1])%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// debFile makes a Debian package whose data are parts, as tgz takes them.
func debFile(t testing.TB, parts ...any) []byte {
	t.Helper()
	return ar([2]string{"debian-binary", "2.0\n"}, [2]string{"control.tar.gz", string(tgz(t))}, [2]string{"data.tar.gz", string(tgz(t, parts...))})
}

// mirror is a Debian mirror and the lock of what it has.
type mirror struct {
	t      *testing.T
	server *httptest.Server
	files  map[string][]byte
	lock   blueprint.DebianLock
	asked  atomic.Int64
}

func newMirror(t *testing.T) *mirror {
	m := &mirror{t: t, files: map[string][]byte{}, lock: blueprint.DebianLock{Packages: map[string][]blueprint.Deb{}}}
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.Add(1)
		body, ok := m.files[strings.TrimPrefix(r.URL.Path, "/debian/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}))
	t.Cleanup(m.server.Close)
	return m
}

// add takes packages in order of their names.
func (m *mirror) add(name string, body []byte) {
	d := blueprint.Deb{Name: name, Version: "1:1.0-1", Path: "pool/main/" + name + "_1.0-1.deb", Size: int64(len(body)), Digest: blueprint.Sum(body)}
	m.files[d.Path] = body
	for _, architecture := range []string{"amd64", "arm64"} {
		m.lock.Packages[architecture] = append(m.lock.Packages[architecture], d)
	}
}

func (m *mirror) usual() {
	m.add("first", debFile(m.t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		tarFile("./bin/tool", "a program"),
		tar.Header{Name: "./bin/again", Typeflag: tar.TypeLink, Linkname: "./bin/tool"},
		tar.Header{Name: "./usr/bin/su", Typeflag: tar.TypeReg, Mode: 0o4755},
		tar.Header{Name: "./usr/lib/ssl/certs", Typeflag: tar.TypeSymlink, Linkname: "/etc/ssl/certs"},
		tarFile("./usr/share/doc/first/copyright", "left out"),
		tarFile("./var/lib/first/state", "no place inside"),
		tarFile("./etc/first.conf", "setting"),
	))
	m.add("second", debFile(m.t, tar.Header{Name: "./bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"}, tarFile("./lib/second.so", "library")))
}

// artifact is a blueprint on that base.
func (m *mirror) artifact(name string, more ...string) blueprint.Artifact {
	m.t.Helper()
	lock, err := blueprint.EncodeDebianLock(m.lock)
	if err != nil {
		m.t.Fatal(err)
	}
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	a, err := blueprint.Build(fstest.MapFS{
		blueprint.RecipeFile: file("format: 1\nname: " + name + `
version: 1.0.0
published: 2026-01-02
needs: 0.1.0
base: debian
platforms: [linux/amd64, linux/arm64]
login: [/bin/sh]
policies: {network: n.yaml, inference: i.yaml}
debian:
  lock: debian-lock.json
  leave: [usr/share/doc]
  links: [{path: usr/bin/awk, target: tool}]
` + strings.Join(more, "\n")),
		"n.yaml": file("egress: []\n"), "i.yaml": file("routes: []\n"), "debian-lock.json": {Data: lock},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return a
}

func (m *mirror) store(dir string, names ...string) *Store {
	m.t.Helper()
	var all []blueprint.Artifact
	for _, n := range names {
		all = append(all, m.artifact(n))
	}
	s, err := OpenWith(dir, Options{
		Builtin: all,
		Mirrors: func(context.Context) (*registry.Mirrors, error) {
			return registry.MirrorsAt(nil, m.server.URL+"/empty", m.server.URL+"/debian")
		},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// TestBase: a base is usr and etc of its packages in the layout of today, with
// no rights raised; two blueprints share it, and it is the same in any folder.
func TestBase(t *testing.T) {
	m := newMirror(t)
	m.usual()
	dir := t.TempDir()
	s := m.store(dir, "one", "other")
	c, err := s.Ensure(t.Context(), blueprint.Ref{Name: "one"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := m.asked.Load()
	other, err := s.Ensure(t.Context(), blueprint.Ref{Name: "other"}, nil)
	if err != nil || other.Base != c.Base || m.asked.Load() != asked {
		t.Errorf("another blueprint on it: %v, %s, %d questions more", err, other.Base, m.asked.Load()-asked)
	}
	again, err := m.store(t.TempDir(), "one").Ensure(t.Context(), blueprint.Ref{Name: "one"}, nil)
	if err != nil || again.Tree != c.Tree || c.Tree == "" {
		t.Errorf("in another folder: %v, %s, was %s", err, again.Tree, c.Tree)
	}
	for name, want := range map[string]string{
		"usr/bin/tool": "a program", "usr/bin/again": "a program", "usr/lib/second.so": "library", "etc/first.conf": "setting",
		"usr/bin/su": "", "usr/share/doc": "-", "var": "-", "bin": "-",
	} {
		body, err := os.ReadFile(filepath.Join(c.Base, name))
		if want == "-" && !errors.Is(err, os.ErrNotExist) || want != "-" && (err != nil || string(body) != want) {
			t.Errorf("%s: %q, %v; want %q", name, body, err, want)
		}
	}
	for name, want := range map[string]string{"usr/lib/ssl/certs": "/etc/ssl/certs", "usr/bin/awk": "tool"} {
		if to, err := os.Readlink(filepath.Join(c.Base, name)); err != nil || to != want {
			t.Errorf("%s: %q, %v; want %q", name, to, err, want)
		}
	}
	if fi, err := os.Stat(filepath.Join(c.Base, "usr/bin/su")); err != nil || fi.Mode() != 0o755 {
		t.Errorf("setuid: %v, %v", fi.Mode(), err)
	}
	holdBase(t, s, c)
}

// holdBase: pruning leaves what a sandbox stands on, and its packages, which a
// mirror may have dropped; a byte turned in it is found.
func holdBase(t *testing.T, s *Store, c Content) {
	t.Helper()
	if _, err := s.Prune(t.Context(), Keep{Used: []blueprint.Digest{c.Digest}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(c); err != nil {
		t.Errorf("after prune: %v", err)
	}
	if _, err := s.Prune(t.Context(), Keep{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(c.Base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nobody stands on it, and it is here: %v", err)
	}
	s.mirrors = func(context.Context) (*registry.Mirrors, error) { return nil, errors.New("asked") }
	c, err := s.Ensure(t.Context(), blueprint.Ref{Name: "one"}, nil)
	if err != nil {
		t.Fatalf("its packages were not kept: %v", err)
	}
	name := filepath.Join(c.Base, "usr/bin/tool")
	if err := os.WriteFile(name, []byte("b program"), 0o644); err != nil {
		t.Fatal(err)
	}
	var mismatch *blueprint.Mismatch
	if _, err := s.Ensure(t.Context(), blueprint.Ref{Name: "one"}, nil); !errors.As(err, &mismatch) {
		t.Errorf("a changed file of the base: %v", err)
	}
	cleared, err := s.Clear(t.Context(), Keep{Used: []blueprint.Digest{c.Digest}})
	if err != nil || len(cleared.Damaged) != 1 {
		t.Errorf("clear: %+v, %v", cleared, err)
	}
}

// TestBaseNotToBeHad: a package that no mirror has, or that is not the pinned
// one, names itself and what helps; nothing is left that could be taken for a
// base.
func TestBaseNotToBeHad(t *testing.T) {
	m := newMirror(t)
	m.usual()
	path := m.lock.Packages["amd64"][1].Path
	good := m.files[path]
	s := m.store(t.TempDir(), "one")
	ensureOne := func() error {
		_, err := s.Ensure(t.Context(), blueprint.Ref{Name: "one"}, nil)
		return err
	}
	delete(m.files, path)
	var gone *registry.Gone
	if err := ensureOne(); !errors.As(err, &gone) || !strings.Contains(err.Error(), "second_1:1.0-1") || !strings.Contains(gone.Hint(), registry.MirrorVariable) {
		t.Errorf("dropped by the mirror: %v", err)
	}
	m.files[path] = append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1)
	var mismatch *blueprint.Mismatch
	if err := ensureOne(); !errors.As(err, &mismatch) || mismatch.Blueprint != "one@1.0.0" {
		t.Errorf("other bytes: %v", err)
	}
	if left, err := os.ReadDir(s.path("content")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	m.files[path] = good
	if err := ensureOne(); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// TestDebRefused: a package with the right digest is still held to what may be
// unpacked.
func TestDebRefused(t *testing.T) {
	kind := func(name string, typeflag byte, link string) tar.Header {
		return tar.Header{Name: name, Typeflag: typeflag, Linkname: link, Mode: 0o644}
	}
	many := make([]any, 0, 30)
	for i := range 30 {
		many = append(many, tarFile("usr/"+strings.Repeat("x", i+1), ""))
	}
	negative := ar([2]string{"debian-binary", "2.0\n"})
	copy(negative[8+48:], "-64       ")
	for what, c := range map[string]struct {
		file []byte
		why  string // "": it is taken
	}{
		"the control":                   {debFile(t, tarFile("./usr/bin/f", "x")), ""},
		"folders of either spelling":    {debFile(t, kind("./lib/", tar.TypeDir, ""), tarFile("./usr/lib/f", "x"), tarFile("lib/g", "x")), ""},
		"traversal":                     {debFile(t, tarFile("./usr/../../escaped", "x")), "not a place inside"},
		"absolute":                      {debFile(t, tarFile("/usr/escaped", "x")), "not a place inside"},
		"control character":             {debFile(t, tarFile("./usr/a\x1b[2J", "x")), "no plain text"},
		"long name":                     {debFile(t, tarFile("./usr/"+strings.Repeat("n", 200), "x")), "longer than"},
		"character device":              {debFile(t, kind("./usr/null", tar.TypeChar, "")), "neither file"},
		"block device":                  {debFile(t, kind("./usr/sda", tar.TypeBlock, "")), "neither file"},
		"FIFO":                          {debFile(t, kind("./usr/pipe", tar.TypeFifo, "")), "neither file"},
		"link, written through":         {debFile(t, kind("./usr/l", tar.TypeSymlink, "/tmp"), tarFile("./usr/l/f", "x")), "something else already"},
		"link within, written through":  {debFile(t, tarFile("./usr/d/f", ""), kind("./usr/l", tar.TypeSymlink, "d"), tarFile("./usr/l/f", "x")), "something else already"},
		"link in a file's place":        {debFile(t, tarFile("./bin/f", "x"), kind("./usr/bin/f", tar.TypeSymlink, "g")), "in the place of"},
		"file in a link's place":        {debFile(t, kind("./usr/bin/f", tar.TypeSymlink, "/etc/passwd"), tarFile("./bin/f", "x")), "in the place of"},
		"file in a folder's place":      {debFile(t, tarFile("./usr/d/f", "x"), tarFile("./usr/d", "x")), "in the place of"},
		"link with a control character": {debFile(t, kind("./usr/l", tar.TypeSymlink, "a\nb")), "a link to nothing"},
		"hard link out":                 {debFile(t, kind("./usr/h", tar.TypeLink, "../../etc/shadow")), "not a place inside"},
		"hard link to the host":         {debFile(t, kind("./usr/h", tar.TypeLink, "/etc/shadow")), "not a place inside"},
		"hard link to a link":           {debFile(t, kind("./usr/l", tar.TypeSymlink, "/etc/shadow"), kind("./usr/h", tar.TypeLink, "./usr/l")), "no file of the package"},
		"duplicate":                     {debFile(t, tarFile("./bin/f", "x"), tarFile("./usr/bin/f", "x")), "in the place of"},
		"zip bomb":                      {debFile(t, tarFile("./usr/bomb", strings.Repeat("0", 5<<20))), "too large"},
		"more files than may be":        {debFile(t, many...), "more than"},
		"no archive":                    {[]byte("no archive at all"), "not a Debian package"},
		"no data":                       {ar([2]string{"debian-binary", "2.0\n"}), "no data"},
		"a part of negative size":       {negative, "not a size"},
		"data that are no archive":      {ar([2]string{"data.tar.gz", "not gzip"}), "data.tar.gz"},
		"unknown compression":           {ar([2]string{"data.tar.rot13", "not tar, and long enough for a header" + strings.Repeat("x", 512)}), "not a tar archive"},
	} {
		t.Run(what, func(t *testing.T) {
			dir, _, err := undeb(t, c.file)
			var hostile *Hostile
			if c.why == "" && err != nil || c.why != "" && (!errors.As(err, &hostile) || !strings.Contains(err.Error(), c.why)) {
				t.Errorf("got %v, want it refused as %q", err, c.why)
			}
			if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "escaped")); err == nil {
				t.Error("escaped")
			}
		})
	}
}

// undeb unpacks the file of a package into a fresh tree.
func undeb(t *testing.T, file []byte) (dir string, entries []entry, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "outer", "tree")
	if err := errors.Join(os.MkdirAll(dir, folderMode), os.Chmod(dir, folderMode)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	name := filepath.Join(t.TempDir(), "deb")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	m, end := start(t.Context(), nil, Step{})
	defer end(nil)
	d := blueprint.Deb{Name: "test", Version: "1", Size: int64(len(file)), Digest: blueprint.Sum(file)}
	u := newUndebbing(d, root, bounds{file: 1 << 20, pkg: 2 << 20, files: 20, name: 100}, nil, m)
	err = u.run(t.Context(), name)
	return dir, u.entries, err
}

// FuzzDeb: whatever a package says, what is unpacked lies below the tree, with
// plain modes, and is what the index says.
func FuzzDeb(f *testing.F) {
	f.Add([]byte("no archive"))
	f.Add(ar([2]string{"debian-binary", "2.0\n"}))
	f.Add(debFile(f, tarFile("./usr/bin/f", "x"), tar.Header{Name: "./bin/l", Typeflag: tar.TypeSymlink, Linkname: "f"}, tar.Header{Name: "./bin/h", Typeflag: tar.TypeLink, Linkname: "./usr/bin/f"}))
	f.Fuzz(func(t *testing.T, file []byte) {
		dir, entries, err := undeb(t, file)
		if err == nil {
			m, end := start(t.Context(), nil, Step{})
			if err := verifyTree(t.Context(), dir, entries, m); err != nil {
				t.Errorf("what was unpacked is not what the index says: %v", err)
			}
			end(nil)
		}
		above, readErr := os.ReadDir(filepath.Dir(dir))
		if readErr != nil || len(above) != 1 {
			t.Errorf("beside the tree: %v, %v", above, readErr)
		}
	})
}
