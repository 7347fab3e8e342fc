package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// rig is a blueprint made for one test and the registry that serves it.
type rig struct {
	t      *testing.T
	lock   []string
	more   string       // lines of the recipe
	asked  atomic.Int64 // requests
	serve  func(w http.ResponseWriter, r *http.Request, body []byte)
	server *httptest.Server

	mu       sync.Mutex
	tarballs map[string][]byte // NAME@VERSION -> what the registry serves; guarded by mu once the registry is asked
}

// replace changes what the registry serves; an answer to a call that was given
// up may still be on its way.
func (r *rig) replace(name string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tarballs[name] = body
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, tarballs: map[string][]byte{}}
	r.serve = func(w http.ResponseWriter, _ *http.Request, body []byte) { w.Write(body) }
	r.server = httptest.NewServer(http.HandlerFunc(r.answer))
	t.Cleanup(r.server.Close)
	return r
}

// answer serves NAME/-/BASE-VERSION.tgz.
func (r *rig) answer(w http.ResponseWriter, q *http.Request) {
	r.asked.Add(1)
	name, file, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, "/"), "/-/")
	base := name[strings.LastIndex(name, "/")+1:]
	version := strings.TrimSuffix(strings.TrimPrefix(file, base+"-"), ".tgz")
	r.mu.Lock()
	body, ok := r.tarballs[name+"@"+version]
	serve := r.serve
	r.mu.Unlock()
	if !ok {
		http.NotFound(w, q)
		return
	}
	serve(w, q, body)
}

// add puts a package into the lockfile and the registry.
func (r *rig) add(where, name string, tarball []byte, more string) {
	sum := sha512.Sum512(tarball)
	r.tarballs[name+"@1.0.0"] = tarball
	r.lock = append(r.lock, fmt.Sprintf(`%q: {"name": %q, "version": "1.0.0", "integrity": "sha512-%s"%s}`,
		where, name, base64.StdEncoding.EncodeToString(sum[:]), more))
}

// artifact builds the blueprint.
func (r *rig) artifact(version string) blueprint.Artifact {
	r.t.Helper()
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	a, err := blueprint.Build(fstest.MapFS{
		blueprint.RecipeFile: file(fmt.Sprintf(`
format: 1
name: demo
version: %s
published: 2026-01-02
needs: 0.1.0
changes: [first]
base: system
platforms: [linux/amd64, linux/arm64]
login: [/bin/sh]
policies: {network: n.yaml, inference: i.yaml}
packages:
  lock: package-lock.json
  additions: [{path: node_modules/a/added.json, file: added.json}]
%s`, version, r.more)),
		"n.yaml":            file("egress: []\n"),
		"i.yaml":            file("routes: []\n"),
		"added.json":        file("{}\n"),
		"package-lock.json": file(`{"lockfileVersion": 3, "packages": {"": {}, ` + strings.Join(r.lock, ", ") + `}}`),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// store is a store in dir that knows demo@1.0.0 and the rig's registry alone.
func (r *rig) store(dir string) *Store {
	r.t.Helper()
	s, err := OpenWith(dir, Options{
		Builtin:  []blueprint.Artifact{r.artifact("1.0.0")},
		Registry: func(context.Context) (*registry.Registry, error) { return registry.At(r.server.URL) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// ensure is Ensure of the newest demo.
func ensure(t *testing.T, s *Store) (Content, error) {
	t.Helper()
	return s.Ensure(t.Context(), blueprint.Ref{Name: "demo"}, nil)
}

// made is a store with the usual demo in it.
func made(t *testing.T) (*rig, *Store, Content) {
	t.Helper()
	r := newRig(t)
	r.usualPackages()
	s := r.store(t.TempDir())
	c, err := ensure(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return r, s, c
}

// usualPackages are two packages, one within the other, with commands.
func (r *rig) usualPackages() {
	r.add("node_modules/a", "a", tgz(r.t,
		tarFile("package/package.json", `{"name": "a"}`),
		tarFile("package/lib/x.js", "x"),
		tarFile("package/cli.js", "#!/usr/bin/env node"),
		tar.Header{Name: "package/bin/tool", Mode: 0o4755, Typeflag: tar.TypeReg},
	), `, "bin": {"a": "cli.js"}`)
	r.add("node_modules/a/node_modules/@s/b", "@s/b", tgz(r.t,
		tarFile("b-1.0.0/package.json", `{"name": "@s/b"}`),
		tarFile("b-1.0.0/./twice.js", "same"),
		tarFile("b-1.0.0/twice.js", "same"),
	), `, "bin": {"b": "./twice.js"}`)
}

// part is one entry of a tarball: a header, or a file with a body.
type part struct {
	tar.Header
	body string
}

func tarFile(name, body string) part {
	return part{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(body))}, body}
}

// tgz makes a tarball of parts and headers.
func tgz(t testing.TB, parts ...any) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, one := range parts {
		p, ok := one.(part)
		if !ok {
			p = part{Header: one.(tar.Header)}
		}
		if err := archive.WriteHeader(&p.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(p.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// openShellStore is a store as the product opens it.
func openShellStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
