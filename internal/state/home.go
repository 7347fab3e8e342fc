package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Home is the folder that holds everything of one operator.
type Home struct{ Dir string }

// Find says where the home folder is: $NEMOCLAW_HOME, else ~/.nemoclaw. It
// never creates it. A home that exists but belongs to somebody else, or that
// others may write to, is refused as *Unsafe: who can rename things in it can
// have us write anywhere.
func Find() (Home, error) {
	dir, err := homeDir()
	if err != nil {
		return Home{}, err
	}
	return Home{dir}, checkOwner(dir)
}

func homeDir() (string, error) {
	if dir := os.Getenv("NEMOCLAW_HOME"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("find home %q: %w", dir, err)
		}
		return abs, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", &NoHome{err}
	}
	if !filepath.IsAbs(user) {
		return "", &NoHome{fmt.Errorf("$HOME is %q, which is another folder wherever you are", user)}
	}
	return filepath.Join(user, ".nemoclaw"), nil
}

// NoHome means that neither $NEMOCLAW_HOME nor $HOME names a folder to keep things in.
type NoHome struct{ Cause error }

func (e *NoHome) Error() string { return "find home: " + e.Cause.Error() }
func (e *NoHome) Unwrap() error { return e.Cause }

// Hint names the variable.
func (e *NoHome) Hint() string { return "export NEMOCLAW_HOME=/path/to/a/folder/of/your/own" }

// Unsafe is a folder that must be ours alone and is not.
type Unsafe struct{ Dir, Why, Remedy string }

func (e *Unsafe) Error() string { return fmt.Sprintf("use folder %q: %s", e.Dir, e.Why) }

// Hint is the command that helps.
func (e *Unsafe) Hint() string { return e.Remedy }

func checkOwner(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &NoHome{err}
	}
	if !info.IsDir() {
		return &Unsafe{dir, "it is not a folder", "move it away, or set NEMOCLAW_HOME"}
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if me := os.Geteuid(); owner != uint32(me) {
		return &Unsafe{dir, fmt.Sprintf("it belongs to uid %d, you are uid %d", owner, me), "run as its owner, or set NEMOCLAW_HOME"}
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return &Unsafe{dir, fmt.Sprintf("others may write to it (mode %04o)", mode), "chmod 700 " + dir}
	}
	return nil
}

// Sandbox names a sandbox's place; it need not exist.
func (h Home) Sandbox(n Name) Sandbox { return Sandbox{home: h, name: n} }

// List names the sandboxes, sorted; none when the home does not exist.
func (h Home) List() ([]Name, error) {
	entries, err := os.ReadDir(h.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list sandboxes: %w", err)
	}
	var names []Name
	for _, e := range entries {
		name, err := ParseName(e.Name())
		if err != nil || !h.Sandbox(name).Exists() {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Free is the first name like n that no sandbox has: n, n-2, n-3 …
func (h Home) Free(n Name) Name {
	free := n
	for i := 2; h.Sandbox(free).taken(); i++ {
		suffix := fmt.Sprintf("-%d", i)
		free = n[:min(len(n), MaxName-len(suffix))] + Name(suffix)
	}
	return free
}

// Blueprints is the folder of the blueprint cache.
func (h Home) Blueprints() string { return filepath.Join(h.Dir, "blueprints") }

// Publishers is the file of those whose signature on a blueprint counts.
func (h Home) Publishers() string { return filepath.Join(h.Dir, "publishers") }

// Secrets is the folder of the secret store.
func (h Home) Secrets() string { return filepath.Join(h.Dir, "secrets") }

// Anchors is the folder of the audit books' anchors: outside every sandbox's
// own folder, so that who can shorten a book there cannot move its anchor.
func (h Home) Anchors() string { return filepath.Join(h.Dir, "anchors") }
