package store

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// TestKilled kills a process with -9 before each of its steps to the disk: each
// write, sync and rename of taking a blueprint in (build, pull) and of making it
// ready (fetch, unpack, base). After each, what has a name is whole, nothing is
// taken for damaged, and the same work done again ends as if nothing had been.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_KILLED"); dir != "" {
		at, _ := strconv.Atoi(os.Getenv("STORE_TEST_AT")) // 0 never comes
		s := killedStore(t, os.Getenv("STORE_TEST_MIRROR"), dir)
		var n atomic.Int64 // packages are fetched side by side
		s.reached = func(string) {
			if n.Add(1) == int64(at) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		work(t, s)
		return
	}
	m := newMirror(t)
	m.usual()
	whole := killedStore(t, m.server.URL, filepath.Join(t.TempDir(), "whole"))
	want := work(t, whole)
	for at := 1; ; at++ {
		dir := filepath.Join(t.TempDir(), "blueprints")
		c := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.v")
		c.Env = append(os.Environ(), "STORE_TEST_KILLED="+dir, "STORE_TEST_AT="+strconv.Itoa(at), "STORE_TEST_MIRROR="+m.server.URL)
		out, err := c.CombinedOutput()
		if err == nil {
			if at < 30 {
				t.Errorf("only %d steps", at-1)
			}
			t.Logf("killed before each of %d steps", at-1)
			return
		}
		if exit := new(exec.ExitError); !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
			t.Fatalf("%v\n%s", err, out)
		}
		s := killedStore(t, m.server.URL, dir)
		if _, damaged, err := s.List(); err != nil || damaged != nil {
			t.Errorf("killed before step %d: %v, %v", at, damaged, err)
		}
		for _, name := range files(t, s.path("blobs")) {
			holdsItsName(t, name)
		}
		if got := work(t, s); got != want {
			t.Errorf("killed before step %d: afterwards %s, want %s", at, got, want)
		}
		left, _ := filepath.Glob(s.path("content", newPrefix+"*"))
		if len(left) > 0 {
			t.Errorf("killed before step %d: left behind: %v", at, left)
		}
	}
}

// killedStore is a store on a mirror that knows nothing by itself.
func killedStore(t *testing.T, url, dir string) *Store {
	t.Helper()
	s, err := OpenWith(dir, Options{
		Builtin: []blueprint.Artifact{},
		Mirrors: func(context.Context) (*registry.Mirrors, error) { return registry.MirrorsAt(nil, url+"/debian") },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// work takes a blueprint in and makes it ready; it gives the digest of all that
// was unpacked.
func work(t *testing.T, s *Store) blueprint.Digest {
	t.Helper()
	m := &mirror{t: t, files: map[string][]byte{}, lock: blueprint.DebianLock{Packages: map[string][]blueprint.Deb{}}}
	m.usual()
	a := m.artifact("one", "files: [{path: share/lock, file: debian-lock.json}]")
	if err := s.Add(t.Context(), a, Newer); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepSignature(t.Context(), a.Digest, []byte(strings.Repeat("x", 10))); err != nil {
		t.Fatal(err)
	}
	c, err := s.Ensure(t.Context(), blueprint.Ref{Name: "one", Version: "1.0.0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(c); err != nil {
		t.Fatal(err)
	}
	return c.Tree
}
