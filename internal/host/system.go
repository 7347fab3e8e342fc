package host

import (
	"os"

	"github.com/nemoclaw/nemoclaw/internal/plan"
)

// System reads the host's own layout, from which a sandbox on the machine's
// /usr is built.
func System() plan.System {
	s := plan.System{Links: map[string]string{}}
	for _, d := range plan.SystemFolders {
		fi, err := os.Lstat(d)
		switch {
		case err != nil: // not on this machine
		case fi.Mode()&os.ModeSymlink != 0:
			if to, err := os.Readlink(d); err == nil {
				s.Links[d] = to
			}
		case fi.IsDir():
			s.Folders = append(s.Folders, d)
		}
	}
	for _, p := range plan.EtcWanted {
		if fi, err := os.Stat(p); err == nil {
			s.Etc = append(s.Etc, plan.EtcEntry{Path: p, Folder: fi.IsDir()})
		}
	}
	s.Localtime, _ = os.ReadFile("/etc/localtime") // absent is UTC
	return s
}
