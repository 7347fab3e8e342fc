package throwaway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nemoclaw/nemoclaw/internal/host"
)

// prefix begins the name of every Place.
const prefix = "nemoclaw-run."

// Place is what a run needs on the disk: a folder in TMPDIR with the run's
// /sandbox in it.
type Place struct{ folder host.Folder }

// MakePlace makes one.
func MakePlace() (Place, error) {
	folder, err := host.MakeFolder(prefix)
	p := Place{folder}
	if err == nil {
		err = os.Mkdir(p.Workspace(), 0o700)
	}
	if err != nil {
		return Place{}, errors.Join(fmt.Errorf("make a folder for the sandbox: %w", err), p.Remove(os.RemoveAll))
	}
	return p, nil
}

// Workspace is the run's /sandbox.
func (p Place) Workspace() string { return p.In("sandbox") }

// In is the path of something of the run's that is not inside.
func (p Place) In(name string) string { return filepath.Join(p.folder.Dir, name) }

// Remove takes it away by remove, which is given its folder; there may be none.
func (p Place) Remove(remove func(dir string) error) error { return p.folder.Remove(remove) }

// Sweep takes away, by remove, what runs of this user that were killed have left
// in TMPDIR, until more says no. It is a courtesy: what cannot be removed stays.
func Sweep(more func() bool, remove func(dir string) error) {
	host.SweepFolders(prefix, more, remove)
}
