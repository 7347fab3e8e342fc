package host

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Look says what this machine can do. It takes a few milliseconds.
func Look() Facts {
	f := read("/")
	f.Arch = runtime.GOARCH
	f.UID, f.User = os.Getuid(), userName()
	f.Logout = logout("/", f.User)
	f.Binary = program()
	f.Disk = disk(stateFolder())
	f.Landlock = lookLandlock(f.Landlock)
	f.Namespaces.Works, f.Namespaces.Why = tryNamespaces()
	return f
}

// read is the part that stands in files, below root.
func read(root string) Facts {
	var f Facts
	f.Release = line(root, "proc/sys/kernel/osrelease")
	f.Kernel = version(f.Release)
	f.Distro = distro(root)
	f.WSL = wsl(f.Release)
	f.Landlock.Modules = line(root, "sys/kernel/security/lsm")
	f.Namespaces = namespaces(root)
	f.Seccomp = seccomp(root)
	f.Capture = capture(root, f.Release)
	f.Vsock = vsock(root, f.Release)
	groups := groupsOf(root)
	f.Cgroup = groups.writable()
	f.Memory = memory(root, groups)
	return f
}

// program is the path of this program as an operator would name it.
func program() string {
	exe, err := os.Executable()
	if err != nil {
		return "nemoclaw"
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		return real
	}
	return exe
}

// stateFolder is where sandboxes will lie: the folder that exists already on
// the way to it.
func stateFolder() string {
	dir := os.Getenv("NEMOCLAW_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = "/"
		}
		dir = home
	}
	dir = filepath.Clean(dir)
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func disk(path string) Disk {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Disk{}
	}
	d := Disk{Path: path, Free: st.Bavail * uint64(st.Bsize)}
	if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
		d.Refused = err.Error()
	}
	return d
}

// text is a small file below root, "" where it cannot be read.
func text(root, path string) string {
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return ""
	}
	return string(b)
}

func line(root, path string) string { return strings.TrimSpace(text(root, path)) }
