package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Bad is a --mount that is not handed over.
type Bad struct{ Text, Why, Remedy string }

func (e *Bad) Error() string { return fmt.Sprintf("mount %q: %s", e.Text, e.Why) }

// Hint says what to write instead.
func (e *Bad) Hint() string { return e.Remedy }

// ExitCode says that the command line is wrong.
func (e *Bad) ExitCode() int { return say.WrongUsage }

const hint = "--mount /home/me/project:/sandbox/project[:ro]"

// Parse reads the --mount flags. home is nemoclaw's own folder, of which
// nothing is handed over. Sources are given as the kernel sees them: absolute,
// links followed, so that what was checked is what is mounted.
func Parse(texts []string, home string) ([]state.Mount, error) {
	var all []state.Mount
	for _, text := range texts {
		m, err := parse(text, home)
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if within(m.Sandbox, other.Sandbox) || within(other.Sandbox, m.Sandbox) {
				return nil, &Bad{text, "it overlaps the mount at " + other.Sandbox, "give each mount a place of its own"}
			}
		}
		all = append(all, m)
	}
	return all, nil
}

func parse(text, home string) (state.Mount, error) {
	m, ok := cut(text)
	if !ok {
		return m, &Bad{text, "want HOST:SANDBOX[:ro|rw]", hint}
	}
	if err := checkTarget(text, m.Sandbox); err != nil {
		return m, err
	}
	source, err := filepath.Abs(m.Host)
	if err == nil {
		source, err = filepath.EvalSymlinks(source)
	}
	if err != nil {
		return m, &Bad{text, reason(err), "name a file or folder that exists"}
	}
	m.Host = source
	if err := checkSource(text, source, home); err != nil {
		return m, err
	}
	if !m.ReadOnly {
		err = checkQuiet(text, source)
	}
	return m, err
}

// cut reads HOST:SANDBOX[:ro|rw] from its end: a colon in HOST is allowed.
func cut(text string) (m state.Mount, ok bool) {
	rest, ro := strings.CutSuffix(text, ":ro")
	if !ro {
		rest = strings.TrimSuffix(text, ":rw")
	}
	i := strings.LastIndex(rest, ":/")
	if i < 1 || strings.Contains(rest[i+1:], ":") {
		return m, false
	}
	return state.Mount{Host: rest[:i], Sandbox: rest[i+1:], ReadOnly: ro}, true
}

func reason(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}

func checkTarget(text, target string) error {
	switch {
	case path.Clean(target) != target || !strings.HasPrefix(target, "/sandbox/"):
		return &Bad{text, target + " is not below /sandbox", hint}
	case within(target, "/sandbox/.openclaw"):
		return &Bad{text, "/sandbox/.openclaw is the agent's own state", hint}
	}
	return nil
}

// never are the places of which nothing is handed over: they hold devices,
// kernel switches and other programs' sockets.
var never = []string{"/proc", "/sys", "/dev", "/run", "/var/run"}

// checkSource refuses what would hand over more than a project: the root, a
// home as a whole, kernel and device trees, and nemoclaw's own state.
func checkSource(text, source, home string) error {
	refuse := func(why string) error {
		return &Bad{text, why, "hand over a folder of its own, like " + hint}
	}
	if source == "/" {
		return refuse("the root of the machine is not handed over")
	}
	for _, n := range never {
		if within(source, n) || within(n, source) {
			return refuse(n + " is not handed over")
		}
	}
	if own, err := filepath.EvalSymlinks(home); err == nil {
		home = own
	}
	if within(source, home) || within(home, source) {
		return refuse("it contains or lies in nemoclaw's own state, " + home)
	}
	if isHome(source) {
		return refuse("a home as a whole is not handed over: it holds keys and histories")
	}
	return nil
}

// isHome says whether source is somebody's home, or holds homes.
func isHome(source string) bool {
	if source == "/home" || source == "/root" || filepath.Dir(source) == "/home" {
		return true
	}
	mine, err := os.UserHomeDir()
	if err != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(mine); err == nil {
		mine = real
	}
	return within(mine, source)
}

// checkQuiet refuses a writable source with a socket or FIFO beneath: through
// a bind mount they lead out to whoever listens on the host. A read-only mount
// is an overlay, in which they are dead.
func checkQuiet(text, source string) error {
	return filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what we cannot read, the sandbox cannot either
		}
		if d.Type()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) != 0 {
			return &Bad{text, p + " is a socket, pipe or device: it would lead out of the sandbox", "remove it, or add :ro"}
		}
		return nil
	})
}

// within says whether p is at or below dir; both are clean.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
