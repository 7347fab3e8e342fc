package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sources are a module whose packages say when they are initialised.
var sources = map[string]string{
	"go.mod":       "module example.test/p\n\ngo 1.26\n",
	"main.go":      "package main\n\nimport (\n\t_ \"example.test/p/a\"\n\t_ \"example.test/p/m.v2\"\n\t_ \"example.test/p/z\"\n)\n\nfunc main() { println(\"main\") }\n",
	"a/a.go":       "package a\n\nfunc init() { println(\"a\") }\n",
	"m.v2/m.go":    "package m\n\nvar x = say()\n\nfunc say() int { println(\"m\"); return 1 }\n",
	"z/z.go":       "package z\n\nimport _ \"example.test/p/z/under\"\n\nfunc init() { println(\"z\") }\n",
	"z/under/u.go": "package under\n\nfunc init() { println(\"under\") }\n",
}

func link(t *testing.T) (linked string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range sources {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("CGO_ENABLED", "0")
	t.Setenv("GOFLAGS", "")
	linked = filepath.Join(dir, "linked")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", linked, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return linked
}

func said(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.Command(program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

func TestOrder(t *testing.T) {
	linked := link(t)
	if got := said(t, linked); got != "a m under z main" {
		t.Fatalf("as the linker orders them: %s", got)
	}
	for first, want := range map[string]string{
		"example.test/p/z":                     "under z a m main",
		"example.test/p/m.v2,example.test/p/z": "m under z a main",
		"example.test/p/z/under":               "under a m z main",
	} {
		out := filepath.Join(t.TempDir(), "out")
		if err := write(linked, out, append(strings.Split(first, ","), ".")); err != nil {
			t.Error(err)
			continue
		}
		if got := said(t, out); got != want {
			t.Errorf("%s first: %s, want %s", first, got, want)
		}
	}
}

// What is not understood is not written.
func TestRefuses(t *testing.T) {
	linked := link(t)
	file, err := os.ReadFile(linked)
	if err != nil {
		t.Fatal(err)
	}
	if err := reorder(bytes.Clone(file), []string{"example.test/p/z"}); err == nil || !strings.Contains(err.Error(), "go list does not name") {
		t.Errorf("packages that nobody listed: %v", err)
	}
	if err := reorder(file[:len(file)/2], nil); err == nil {
		t.Error("half a file")
	}
	if err := reorder([]byte("#!/bin/sh\n"), nil); err == nil {
		t.Error("a script")
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := write(linked, out, []string{"example.test/p/z"}); err == nil {
		t.Error("wrote it")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("left a file")
	}
}
