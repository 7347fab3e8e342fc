package host

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

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
	base, err := os.OpenFile(root, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return s // its /usr cannot be mounted either
	}
	defer base.Close()
	for _, p := range plan.EtcWanted {
		if at, kind, err := within(base, p); err == nil && (kind == unix.S_IFREG || kind == unix.S_IFDIR) {
			s.Etc = append(s.Etc, plan.EtcEntry{Path: p, Source: at, Folder: kind == unix.S_IFDIR})
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
	if !strings.HasPrefix(link, zones) {
		return ""
	}
	base, err := os.OpenFile(cmp.Or(root, "/"), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return ""
	}
	defer base.Close()
	if _, kind, err := within(base, link); err != nil || kind != unix.S_IFREG {
		return ""
	}
	return link
}

// within is where p leads to in the tree that begins at base, and what it is
// (inode(7), S_IFMT). A base is somebody's blueprint: a link in it means a place
// in it, as it will inside, wherever on the way it stands, and never a file of
// this machine. See openat2(2), RESOLVE_IN_ROOT.
func within(base *os.File, p string) (at string, kind uint32, err error) {
	fd, err := unix.Openat2(int(base.Fd()), p, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return "", 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", 0, err
	}
	at, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return at, st.Mode & unix.S_IFMT, err
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
