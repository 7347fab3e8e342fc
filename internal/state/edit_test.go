package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Edits at the same time are all in the file afterwards.
func TestEditDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte("egress:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const edits = 20
	var all sync.WaitGroup
	for range edits {
		all.Go(func() {
			err := EditDurable(path, 0o600, func(text []byte) ([]byte, error) { return append(text, "one\n"...), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "one\n") != edits {
		t.Errorf("%v\n%s", err, text)
	}
}

// An edit that fails, or changes nothing, leaves the very file.
func TestEditDurableLeavesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte("egress:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := EditDurable(path, 0o600, func([]byte) ([]byte, error) { return nil, no }); !errors.Is(err, no) {
		t.Error(err)
	}
	if err := EditDurable(path, 0o600, func(text []byte) ([]byte, error) { return text, nil }); err != nil {
		t.Error(err)
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("%v: the file was replaced", err)
	}
	if err := EditDurable(path+".none", 0o600, func(text []byte) ([]byte, error) { return text, nil }); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
