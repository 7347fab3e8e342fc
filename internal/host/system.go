package host

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/plan"
)

// Pinned is a base that lies unpacked at root: usr, and what of its etc programs
// need. It says nothing of the machine but the local time.
func Pinned(root string) plan.System {
	s := plan.System{Root: root, Folders: []string{"/usr"}, Links: map[string]string{}}
	for _, d := range plan.SystemFolders {
		if fi, err := os.Lstat(filepath.Join(root, "usr", d)); d != "/usr" && err == nil && fi.IsDir() {
			s.Links[d] = "usr" + d
		}
	}
	for _, p := range plan.EtcWanted {
		source := filepath.Join(root, p)
		fi, err := os.Lstat(source)
		if err == nil && fi.Mode()&os.ModeSymlink != 0 {
			// os-release is one. What leads out of the base is none of ours: it
			// would be a file of this machine.
			source, fi, err = linked(root, p)
		}
		if err == nil && (fi.Mode().IsRegular() || fi.IsDir()) {
			s.Etc = append(s.Etc, plan.EtcEntry{Path: p, Source: source, Folder: fi.IsDir()})
		}
	}
	s.Localtime, s.LocalZone = localTime("/etc/localtime", s.Root)
	return s
}

// zones is where all systems keep the files of the world's time zones.
const zones = "/usr/share/zoneinfo/"

// localTime is the machine's local time as file has it, none for UTC, and the
// file of its zone, where that is known.
func localTime(file, root string) (data []byte, zone string) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, ""
	}
	to, err := os.Readlink(file)
	if err != nil {
		return data, "" // a copy
	}
	if !path.IsAbs(to) {
		to = path.Join(path.Dir(file), to)
	}
	return data, zoneOf(to, root)
}

// zoneOf is the file that a link to it names, where the tree at root has it, too.
func zoneOf(link, root string) string {
	link = path.Clean(link)
	fi, err := os.Stat(filepath.Join(root, link))
	if err != nil || !fi.Mode().IsRegular() || !strings.HasPrefix(link, zones) {
		return ""
	}
	return link
}

// linked looks up, without following anything more, what the link at p leads to.
func linked(root, p string) (string, os.FileInfo, error) {
	to, err := os.Readlink(filepath.Join(root, p))
	if err != nil {
		return "", nil, err
	}
	if !path.IsAbs(to) {
		to = path.Join(path.Dir(p), to)
	}
	at := filepath.Join(root, path.Join("/", to))
	fi, err := os.Lstat(at)
	return at, fi, err
}

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
	s.Localtime, s.LocalZone = localTime("/etc/localtime", s.Root)
	return s
}
