package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (a *app) uninstallCommand() *cobra.Command {
	var yes, keep, dry bool
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "remove exactly what was made: sandboxes, state, program, PATH lines",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.uninstall(c.Context(), yes, keep, dry) },
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&keep, "keep-data", false, "leave sandboxes, secrets and blueprints")
	c.Flags().BoolVar(&dry, "dry-run", false, "only list what would be removed")
	return c
}

// removal is one thing that uninstall takes away.
type removal struct {
	what string
	act  func(context.Context) error // nil: it is only mentioned
}

// uninstall removes in an order in which the program goes last: a run that is
// interrupted can be repeated.
func (a *app) uninstall(ctx context.Context, yes, keep, dry bool) error {
	plan, err := a.removals(keep)
	if err != nil {
		return err
	}
	if len(plan) == 0 {
		a.voice.News("There is nothing to remove.")
		return nil
	}
	for _, r := range plan {
		a.voice.Result("%s", r.what)
	}
	if dry {
		return nil
	}
	if !yes {
		if yes, err = a.voice.Confirm("Remove all of this?", "--yes, or --dry-run to only list it"); err != nil {
			return err
		}
	}
	if !yes {
		a.voice.News("Nothing was done.")
		return say.Exit(say.Failed)
	}
	for _, r := range plan {
		if r.act == nil {
			continue
		}
		if err := r.act(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("uninstall: %w", err)
		}
	}
	a.voice.News("Removed.")
	return nil
}

func (a *app) removals(keep bool) ([]removal, error) {
	names, err := a.home.List()
	if err != nil {
		return nil, err
	}
	var plan []removal
	for _, n := range names {
		box := a.home.Sandbox(n)
		if keep {
			if _, held := box.Holder(); held {
				plan = append(plan, removal{fmt.Sprintf("stop sandbox %s", n), func(ctx context.Context) error { return a.driver.Stop(ctx, box, box.Wanted()) }})
			}
			continue
		}
		plan = append(plan, removal{fmt.Sprintf("sandbox %s: %s", n, box.Dir()), func(ctx context.Context) error { return a.remove(ctx, box) }})
	}
	if !keep {
		plan = append(plan, a.stateRemovals()...)
	}
	installed, err := installedRemovals()
	return append(plan, installed...), err
}

// stateRemovals takes away what nemoclaw keeps in its home. A home that holds
// anything else is left, with that in it.
func (a *app) stateRemovals() []removal {
	var plan []removal
	for _, dir := range []string{a.home.Blueprints(), a.home.Secrets(), a.home.Anchors()} {
		if _, err := os.Lstat(dir); err == nil {
			plan = append(plan, removal{"folder " + dir, func(context.Context) error { return state.RemoveTree(dir) }})
		}
	}
	if _, err := os.Lstat(a.home.Dir); err == nil {
		plan = append(plan, removal{"folder " + a.home.Dir, func(context.Context) error { return removeEmpty(a.home.Dir) }})
	}
	return plan
}

// removeEmpty removes a folder that has nothing left in it.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if left, readErr := os.ReadDir(dir); err != nil && readErr == nil && len(left) > 0 {
		return nil // what is not ours stays
	}
	return err
}

// installedFile is where install.sh notes what it made, a line each.
func installedFile() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "share", "nemoclaw", "installed"), nil
}

// installedRemovals reads the installer's note. Without one, nothing was
// installed by it.
func installedRemovals() ([]removal, error) {
	note, err := installedFile()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var plan []removal
	in := bufio.NewScanner(bytes.NewReader(data))
	for in.Scan() {
		if r, ok := noted(in.Text()); ok {
			plan = append(plan, r)
		}
	}
	plan = append(plan, removal{"file " + note, func(context.Context) error {
		return errors.Join(os.Remove(note), removeEmpty(filepath.Dir(note)))
	}})
	return plan, in.Err()
}

// noted is one line of the note: "file PATH", "folder PATH", "lines PATH" or
// "package NAME".
func noted(line string) (removal, bool) {
	kind, path, ok := strings.Cut(line, " ")
	if !ok {
		return removal{}, false
	}
	switch kind {
	case "file":
		return removal{line, func(context.Context) error { return os.Remove(path) }}, exists(path)
	case "folder":
		return removal{line, func(context.Context) error { return os.RemoveAll(path) }}, exists(path)
	case "lines":
		return removal{"the PATH lines in " + path, func(context.Context) error { return dropLines(path) }}, exists(path)
	case "package":
		return removal{what: "(left: the system's package " + path + ")"}, true
	}
	return removal{}, false
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// The marks around what install.sh adds to a shell's file.
const (
	markBegin = "# >>> nemoclaw >>>"
	markEnd   = "# <<< nemoclaw <<<"
)

// dropLines takes the marked lines out of a shell's file, and the empty line
// before them. A file without both marks is left as it is.
func dropLines(path string) error {
	real, err := filepath.EvalSymlinks(path) // people keep these files as links into a repository
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(data), markBegin+"\n")
	_, after, closed := strings.Cut(rest, markEnd+"\n")
	if !ok || !closed {
		return nil
	}
	if strings.HasSuffix(before, "\n\n") || before == "\n" {
		before = before[:len(before)-1]
	}
	return state.WriteDurable(real, []byte(before+after), info.Mode().Perm())
}
