package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"golang.org/x/sys/unix"
)

// identity is the key of all files. With create, it is made where there is
// none; two makers at once agree on the first one's.
func (s *Store) identity(create bool) (*age.X25519Identity, error) {
	path := filepath.Join(s.dir, "identity.txt")
	id, err := readIdentity(path)
	if !create || !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make identity: %w", err)
	}
	if err := makeIdentity(s.dir, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make identity: %w", err)
	}
	return readIdentity(path)
}

func readIdentity(path string) (*age.X25519Identity, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, &Exposed{path, info.Mode()}
	}
	ids, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("read identity %q: it is damaged", path) // the cause quotes the line
	}
	for _, id := range ids {
		if key, ok := id.(*age.X25519Identity); ok {
			return key, nil
		}
	}
	return nil, fmt.Errorf("read identity %q: no X25519 key in it", path)
}

// makeIdentity never replaces one: the files that it opens would be lost.
func makeIdentity(dir, path string) error {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".identity-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = fmt.Fprintf(tmp, "# opens the secrets in this folder\n# public key: %s\n%s\n", id.Recipient(), id)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// NotFound means that no secret has the name.
type NotFound struct{ Name string }

func (e *NotFound) Error() string { return fmt.Sprintf("no secret named %q", e.Name) }

// Hint is the command that stores one.
func (e *NotFound) Hint() string { return "nemoclaw secret set " + e.Name }

// BadName is a name that no secret can have. It does not show the name, since
// a key given in the name's place would be shown.
type BadName struct{ name string }

func (e *BadName) Error() string {
	return fmt.Sprintf("secret name of %d characters: want 1 to 64 of a-z, 0-9, - and _", len(e.name))
}

// Hint shows the form.
func (e *BadName) Hint() string {
	if n := strings.ToLower(e.name); nameForm().MatchString(n) && len(n) < 20 {
		return "nemoclaw secret set " + n
	}
	return "nemoclaw secret set NAME, which then asks for the value"
}

// Exposed means that others can read what must be ours alone.
type Exposed struct {
	Path string
	Mode fs.FileMode
}

func (e *Exposed) Error() string {
	return fmt.Sprintf("secrets: %q has mode %v: others can reach it", e.Path, e.Mode)
}

// Hint is the command that closes it.
func (e *Exposed) Hint() string { return "chmod go= " + e.Path }
