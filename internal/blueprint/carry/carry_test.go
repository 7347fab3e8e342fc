package carry

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/mod/sumdb/note"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
)

// made builds a blueprint for a test.
func made(t *testing.T, version, more string) blueprint.Artifact {
	t.Helper()
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	a, err := blueprint.Build(fstest.MapFS{
		blueprint.RecipeFile: file(fmt.Sprintf("format: 1\nname: demo\nversion: %s\npublished: 2026-01-02\nneeds: 0.1.0\nchanges: [%q]\nbase: system\n"+
			"platforms: [linux/amd64, linux/arm64]\nlogin: [/bin/sh]\npolicies: {network: n.yaml, inference: i.yaml}\n", version, more)),
		"n.yaml": file("egress: []\n"), "i.yaml": file("routes: []\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// rig is a registry, a publisher and a store that trusts it.
type rig struct {
	*testing.T
	host    string
	between func(w http.ResponseWriter, r *http.Request, next http.Handler) // nil: nothing
	secret  string
	wish    Wish
	store   *store.Store
	dir     string
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, dir: filepath.Join(t.TempDir(), "blueprints")}
	real := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.between != nil {
			r.between(w, q, real)
			return
		}
		real.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	secret, public, err := note.GenerateKey(rand.Reader, "example.org")
	r.must(err)
	r.secret = secret
	r.wish.Trusted, err = blueprint.ParsePublishers([]byte(public))
	r.must(err)
	r.store, err = store.OpenWith(r.dir, store.Options{Builtin: []blueprint.Artifact{}})
	r.must(err)
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) push(text string, a blueprint.Artifact, signed []byte) {
	r.Helper()
	to, err := Open(r.Context(), text, true)
	r.must(err)
	r.must(Push(r.Context(), a, signed, to))
}

func (r *rig) signed(a blueprint.Artifact) []byte {
	r.Helper()
	text, err := blueprint.Sign(a, r.secret)
	r.must(err)
	return text
}

func (r *rig) pull(ctx context.Context, text string) (Pulled, error) {
	r.Helper()
	from, err := Open(ctx, text, false)
	if err != nil {
		return Pulled{}, err
	}
	return Pull(ctx, r.store, from, r.wish)
}

// nothing holds that the store has taken nothing.
func (r *rig) nothing() {
	r.Helper()
	_ = filepath.WalkDir(r.dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && !strings.Contains(name, "/locks/") && filepath.Base(name) != "oci-layout" {
			r.Errorf("written: %s", name)
		}
		return nil
	})
}

// TestThereAndBack: what was pushed to a registry, a folder or a tarball comes
// back, byte for byte, with its signature.
func TestThereAndBack(t *testing.T) {
	for _, how := range []string{"registry", "folder", "tarball"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t)
			a := made(t, "1.0.0", "first")
			at := r.host + "/team/demo"
			if how != "registry" {
				at = filepath.Join(t.TempDir(), "layout")
			}
			r.push(at, a, r.signed(a))
			if how == "tarball" {
				at = pack(t, at)
			}
			for _, tag := range []string{":1.0.0"} {
				p, err := r.pull(t.Context(), at+tag)
				r.must(err)
				if p.Artifact.Digest != a.Digest || len(p.Signers) != 1 || !bytes.Equal(p.Artifact.Image, a.Image) {
					t.Errorf("%+v", p.Signers)
				}
			}
			info, err := r.store.Inspect(blueprint.Ref{Name: "demo"})
			if err != nil || info.Digest != a.Digest {
				t.Errorf("%v", err)
			}
			text, err := r.store.Signature(a.Digest)
			if who, err2 := blueprint.Signers(a, text, r.wish.Trusted); err != nil || err2 != nil || len(who) != 1 {
				t.Errorf("the signature that was kept: %v, %v", err, err2)
			}
		})
	}
}

// pack makes the tarball of a folder.
func pack(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "layout.tar")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRefused: what is not signed by a trusted publisher, or is older than what
// was seen, is not taken, and nothing is written; the same pull as it should be
// is the control.
func TestRefused(t *testing.T) {
	untrusted, older, builtin := new(*blueprint.Untrusted), new(*store.Older), new(*store.BuiltIn)
	for what, c := range map[string]struct {
		prepare func(r *rig)
		want    any
		why     string
	}{
		"no signature": {func(r *rig) { r.push(r.host+"/demo", made(t, "1.0.0", "x"), nil) }, untrusted, "no signature"},
		"signature of another blueprint": {func(r *rig) {
			r.push(r.host+"/demo", made(t, "1.0.0", "x"), r.signed(made(t, "0.9.0", "x")))
		}, untrusted, "something else"},
		"signed by a stranger": {func(r *rig) {
			a := made(t, "1.0.0", "x")
			r.push(r.host+"/demo", a, r.signed(a))
			r.wish.Trusted = nil
		}, untrusted, "nobody trusts"},
		"older than what is here": {func(r *rig) {
			newer, a := made(t, "1.1.0", "x"), made(t, "1.0.0", "x")
			r.must(r.store.Add(r.Context(), newer, store.Newer))
			r.push(r.host+"/demo", a, r.signed(a))
		}, older, "was seen here, which is newer"},
		"older than what was here before the cache was cleared": {func(r *rig) {
			r.must(r.store.Add(r.Context(), made(t, "1.1.0", "x"), store.Newer))
			_, err := r.store.Clear(r.Context(), store.Keep{})
			r.must(err)
			a := made(t, "1.0.0", "x")
			r.push(r.host+"/demo", a, r.signed(a))
		}, older, "which is newer"},
		"other bytes of a version that is here": {func(r *rig) {
			r.must(r.store.Add(r.Context(), made(t, "1.0.0", "before"), store.Newer))
			a := made(t, "1.0.0", "after")
			r.push(r.host+"/demo", a, r.signed(a))
		}, older, "these bytes are"},
		"what came with the program": {func(r *rig) {
			var err error
			r.store, err = store.OpenWith(r.dir, store.Options{Builtin: []blueprint.Artifact{made(t, "1.0.0", "ours")}})
			r.must(err)
			a := made(t, "1.0.0", "theirs")
			r.push(r.host+"/demo", a, r.signed(a))
			r.wish.Accept = store.Any
		}, builtin, "came with nemoclaw"},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			c.prepare(r)
			before, err := os.ReadDir(filepath.Join(r.dir, "blobs/sha256"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			_, err = r.pull(t.Context(), r.host+"/demo:1.0.0")
			if !errors.As(err, c.want) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v, want it refused as %q", err, c.why)
			}
			if after, _ := os.ReadDir(filepath.Join(r.dir, "blobs/sha256")); len(after) != len(before) {
				t.Errorf("%d files, before %d", len(after), len(before))
			}
		})
	}
}

// TestTakenWhenAskedFor: the operator's word lets in what was refused.
func TestTakenWhenAskedFor(t *testing.T) {
	r := newRig(t)
	r.must(r.store.Add(t.Context(), made(t, "1.1.0", "x"), store.Newer))
	old := made(t, "1.0.0", "x")
	r.push(r.host+"/demo", old, nil)
	r.wish.Unsigned, r.wish.Accept = true, store.Any
	p, err := r.pull(t.Context(), r.host+"/demo:1.0.0")
	if err != nil || len(p.Signers) != 0 {
		t.Errorf("%+v, %v", p.Signers, err)
	}
}

// TestRegistryThatLies: whatever a registry does with the bytes, they are not
// taken, and nothing is written.
func TestRegistryThatLies(t *testing.T) {
	a := made(t, "1.0.0", "first")
	blob := string(a.Manifest.Policies.Network.Digest)
	config := a.Manifest.Policies.Inference.Digest
	lie := func(path string, body func([]byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.Contains(r.URL.Path, path) || r.Method != http.MethodGet {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			said := body(rec.Body.Bytes())
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(said)))
			w.WriteHeader(rec.Code)
			_, _ = w.Write(said)
		}
	}
	status := func(path string, code int) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.Contains(r.URL.Path, path) {
				http.Error(w, "no", code)
				return
			}
			next.ServeHTTP(w, r)
		}
	}
	flip := func(b []byte) []byte { c := bytes.Clone(b); c[len(c)/2] ^= 1; return c }
	for what, between := range map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"a changed file":                lie(blob, flip),
		"another file":                  lie(blob, func([]byte) []byte { return []byte("routes: []\n") }),
		"a truncated file":              lie(blob, func(b []byte) []byte { return b[:len(b)-1] }),
		"a file that is too long":       lie(blob, func(b []byte) []byte { return append(bytes.Clone(b), 'x') }),
		"an endless file":               lie(blob, func([]byte) []byte { return make([]byte, 40<<20) }),
		"an empty file":                 lie(string(config), func([]byte) []byte { return nil }),
		"a changed manifest, by digest": lie("/manifests/sha256:", flip),
		"a manifest that is no JSON":    lie("/manifests/", func([]byte) []byte { return []byte("<html>") }),
		"500 for the manifest":          status("/manifests/", 500),
		"500 for a file":                status(blob, 500),
		"404 for a file":                status(blob, 404),
		"401 for all":                   status("/v2/", 401),
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.push(r.host+"/demo", a, r.signed(a))
			r.between = between
			_, err := r.pull(t.Context(), r.host+"/demo:1.0.0")
			var mismatch *blueprint.Mismatch
			var unreachable *Unreachable
			if !errors.As(err, &mismatch) && !errors.As(err, &unreachable) {
				t.Errorf("got %v", err)
			}
			r.nothing()
			r.between = nil // the control
			_, err = r.pull(t.Context(), r.host+"/demo:1.0.0")
			r.must(err)
		})
	}
}

// TestRegistryThatHangs: Ctrl-C ends a pull from a registry that does not
// answer, or stops in the middle, at once.
func TestRegistryThatHangs(t *testing.T) {
	a := made(t, "1.0.0", "first")
	for what, hang := range map[string]func(w http.ResponseWriter){
		"before it answers": func(http.ResponseWriter) {},
		"in the middle": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "11")
			_, _ = w.Write([]byte("egr"))
			w.(http.Flusher).Flush()
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.push(r.host+"/demo", a, r.signed(a))
			ctx, cancel := context.WithCancel(t.Context())
			r.between = func(w http.ResponseWriter, q *http.Request, next http.Handler) {
				if q.Method == http.MethodGet && strings.Contains(q.URL.Path, string(a.Manifest.Policies.Network.Digest)) {
					hang(w)
					cancel()
					<-q.Context().Done()
					return
				}
				next.ServeHTTP(w, q)
			}
			began := time.Now()
			if _, err := r.pull(ctx, r.host+"/demo:1.0.0"); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v after %s", err, time.Since(began))
			}
			r.nothing()
		})
	}
}

// TestFolderRefused: a folder that leads out of itself is not followed.
func TestFolderRefused(t *testing.T) {
	r := newRig(t)
	a := made(t, "1.0.0", "first")
	dir := filepath.Join(t.TempDir(), "layout")
	r.push(dir, a, r.signed(a))
	blob := filepath.Join(dir, "blobs", "sha256", a.Manifest.Policies.Network.Digest.Hex())
	body, err := os.ReadFile(blob)
	r.must(err)
	outside := filepath.Join(t.TempDir(), "outside")
	r.must(os.WriteFile(outside, body, 0o600))
	r.must(os.Remove(blob))
	r.must(os.Symlink(outside, blob))
	if _, err := r.pull(t.Context(), dir+":1.0.0"); err == nil {
		t.Error("a link out of the folder was followed")
	}
	r.nothing()
	for _, text := range []string{"", "demo", "host/", "https://host/demo:1", "host/demo:a b", "./nowhere:1.0.0"} {
		if _, err := r.pull(t.Context(), text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
