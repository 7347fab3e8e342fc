package secret

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const key = "nvapi-Zm9vYmFy-0123456789"

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSetAndGet(t *testing.T) {
	s := newStore(t)
	if names, err := s.List(); err != nil || len(names) != 0 {
		t.Errorf("an empty store lists %v, %v", names, err)
	}
	if _, err := os.Lstat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("reading made the folder")
	}
	for _, value := range []string{key, key + "2", "line\nline\x00"} {
		if err := s.Set("nvidia", []byte(value)); err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.dir) // as another process does
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Get("nvidia"); err != nil || string(got) != value {
			t.Errorf("Get = %q, %v, want %q", got, err, value)
		}
	}
	if err := s.Set("anthropic", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if names, err := s.List(); err != nil || !slices.Equal(names, []string{"anthropic", "nvidia"}) {
		t.Errorf("List = %v, %v", names, err)
	}
	if err := s.Remove("nvidia"); err != nil {
		t.Fatal(err)
	}
	var gone *NotFound
	if _, err := s.Get("nvidia"); !errors.As(err, &gone) || gone.Hint() != "nemoclaw secret set nvidia" {
		t.Errorf("after Remove: %v", err)
	}
	if err := s.Remove("nvidia"); !errors.As(err, &gone) {
		t.Errorf("Remove twice: %v", err)
	}
}

func TestNothingIsShown(t *testing.T) {
	s := newStore(t)
	if err := s.Set("nvidia", []byte(key)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		if data, err := os.ReadFile(path); err != nil || bytes.Contains(data, []byte(key)) {
			t.Errorf("%s shows the key, or %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// A key typed where the name belongs, and a value too long.
	for _, err := range []error{s.Set("KEY "+key, []byte("x")), s.Set("long", bytes.Repeat([]byte(key), maxSize))} {
		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), key) {
			t.Errorf("error %v", err)
		}
	}
	identity, err := os.ReadFile(filepath.Join(s.dir, "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Replace(identity, []byte("AGE-SECRET-KEY-1"), []byte("AGE-SECRET-KEY-1x"), 1)
	if err := os.WriteFile(filepath.Join(s.dir, "identity.txt"), broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("nvidia"); err == nil || strings.Contains(err.Error(), "AGE-SECRET") {
		t.Errorf("a damaged identity: %v", err)
	}
}

func TestADamagedFileIsNoSecret(t *testing.T) {
	s := newStore(t)
	if err := s.Set("nvidia", []byte(key)); err != nil {
		t.Fatal(err)
	}
	path := s.file("nvidia")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{nil, whole[:len(whole)-1], append(slices.Clone(whole), 'x'), bytes.Replace(whole, []byte("v1"), []byte("v9"), 1)} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get("nvidia"); err == nil {
			t.Errorf("a damaged file gave %q", got)
		}
	}
}

func TestAnOpenIdentityIsRefused(t *testing.T) {
	s := newStore(t)
	if err := s.Set("nvidia", []byte(key)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("nvidia"); err != nil {
		t.Fatal(err) // the control
	}
	var exposed *Exposed
	if err := os.Chmod(filepath.Join(s.dir, "identity.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("nvidia"); !errors.As(err, &exposed) {
		t.Errorf("Get with an identity that all can read: %v", err)
	}
	if err := s.Set("nvidia", []byte(key)); !errors.As(err, &exposed) {
		t.Errorf("Set with an identity that all can read: %v", err)
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir); !errors.As(err, &exposed) {
		t.Errorf("Open of a folder that all can read: %v", err)
	}
}

func TestSetIsAtomicAmongMany(t *testing.T) {
	s := newStore(t)
	values := map[string]bool{}
	var all sync.WaitGroup
	for i := range 8 {
		value := strings.Repeat(fmt.Sprint(i), 20000)
		values[value] = true
		all.Go(func() { // each makes the identity, if it is the first
			if err := s.Set("shared", []byte(value)); err != nil {
				t.Error(err)
			}
			got, err := s.Get("shared")
			if err != nil || len(got) != 20000 {
				t.Errorf("Get = %d bytes, %v", len(got), err)
			}
		})
	}
	all.Wait()
	if got, err := s.Get("shared"); err != nil || !values[string(got)] {
		t.Errorf("Get = %.20q…, %v", got, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, ".*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzName(f *testing.F) {
	s := newStore(f)
	for _, name := range []string{"nvidia", "../x", "a/b", "", ".", "identity.txt", "a\x00", "A", "é", "-x", strings.Repeat("a", 65)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		// Law: a name that is taken is one file directly in the folder.
		if checkName(name) == nil && (filepath.Dir(s.file(name)) != s.dir || filepath.Base(s.file(name)) != name+suffix) {
			t.Errorf("%q lies at %q", name, s.file(name))
		}
	})
}
