package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// TestRealRegistry fetches a small published package the way that this machine
// is configured.
func TestRealRegistry(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	a, err := blueprint.Build(fstest.MapFS{
		blueprint.RecipeFile: file("{format: 1, name: demo, version: 1.0.0, published: 2026-01-02, needs: 0.1.0, base: system, " +
			"platforms: [linux/amd64, linux/arm64], login: [/bin/sh], policies: {network: n, inference: n}, packages: {lock: l}}"),
		"n": file("egress: []\n"),
		"l": file(`{"lockfileVersion": 3, "packages": {"": {}, "node_modules/isexe": {"version": "2.0.0",
			"integrity": "sha512-RHxMLp9lnKHGHRng9QFhRCMbYAcVpn69smSGcq3f36xjgVVWThj4qqLbTLlq7Ssj8B+fIQ1EuCEGI2lKsyQeIw=="}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenWith(t.TempDir(), Options{Builtin: []blueprint.Artifact{a}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Ensure(t.Context(), blueprint.Ref{Name: "demo"}, nil)
	var m *blueprint.Mismatch
	var none *registry.None
	switch {
	case errors.As(err, &m):
		t.Fatal(err)
	case errors.As(err, &none):
		t.Skipf("needs a package registry: %v", err)
	case err != nil:
		t.Skipf("needs a package registry that answers: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "node_modules/isexe/index.js")); err != nil {
		t.Error(err)
	}
}
