package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Store is the folder of secrets. Set is atomic, so that readers in other
// processes see the old value or the new one.
type Store struct{ dir string }

const (
	suffix  = ".age"
	maxSize = 64 << 10 // bytes of one value
)

var nameForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`) })

// Open is the store in dir, which need not exist: the first Set makes it.
func Open(dir string) (*Store, error) {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &Store{dir}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return nil, &Exposed{dir, info.Mode()}
	}
	return &Store{dir}, nil
}

// Set keeps value under name, in place of what was there.
func (s *Store) Set(name string, value []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	if len(value) == 0 || len(value) > maxSize {
		return fmt.Errorf("set secret %q: %d bytes: want 1 to %d", name, len(value), maxSize)
	}
	id, err := s.identity(true)
	if err != nil {
		return fmt.Errorf("set secret %q: %w", name, err)
	}
	var sealed bytes.Buffer
	if err := seal(&sealed, value, id.Recipient()); err != nil {
		return fmt.Errorf("set secret %q: %w", name, err)
	}
	return state.WriteDurable(s.file(name), sealed.Bytes(), 0o600)
}

func seal(to io.Writer, value []byte, r age.Recipient) error {
	w, err := age.Encrypt(to, r)
	if err != nil {
		return err
	}
	if _, err := w.Write(value); err != nil {
		return err
	}
	return w.Close()
}

// Get is the value kept under name; *NotFound where there is none.
func (s *Store) Get(name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := os.Open(s.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFound{name}
	}
	if err != nil {
		return nil, fmt.Errorf("get secret %q: %w", name, err)
	}
	defer f.Close()
	id, err := s.identity(false)
	if err != nil {
		return nil, fmt.Errorf("get secret %q: %w", name, err)
	}
	r, err := age.Decrypt(f, id)
	if err != nil {
		return nil, fmt.Errorf("get secret %q: %w", name, err)
	}
	value, err := io.ReadAll(io.LimitReader(r, maxSize))
	if err != nil {
		return nil, fmt.Errorf("get secret %q: %w", name, err)
	}
	return value, nil
}

// List names what is kept, sorted.
func (s *Store) List() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	var names []string
	for _, e := range entries {
		name, found := strings.CutSuffix(e.Name(), suffix)
		if found && checkName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remove forgets the value kept under name; *NotFound where there is none.
func (s *Store) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	err := os.Remove(s.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFound{name}
	}
	if err != nil {
		return fmt.Errorf("remove secret: %w", err)
	}
	return nil
}

func (s *Store) file(name string) string { return filepath.Join(s.dir, name+suffix) }

func checkName(name string) error {
	if !nameForm().MatchString(name) {
		return &BadName{name}
	}
	return nil
}
