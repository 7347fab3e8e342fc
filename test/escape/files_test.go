package escape

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fileCases try to reach files of the host.
func fileCases() []attackCase {
	out := []attackCase{
		{id: "C50", name: "read a file of the host", attack: func(w world) error { return steal(w.Secret, w) }},
		{id: "C50 exists", name: "learn that a file of the host exists", attack: func(w world) error { _, err := os.Lstat(w.Secret); return err }},
		{id: "C50 shadow", name: "read /etc/shadow", attack: canOpen("/etc/shadow", os.O_RDONLY), root: true},
		{id: "C50 etc", name: "list /etc", attack: lists("/etc")},
		{id: "C50 home", name: "list /home", attack: lists("/home")},
		{id: "C50 root", name: "list /root", attack: lists("/root"), root: true},
		{id: "C50 var", name: "list /var", attack: lists("/var")},
		{id: "C51", name: "read through a symbolic link", attack: throughLink},
		{id: "C51 create", name: "create through a symbolic link", attack: createThroughLink},
		{id: "C53", name: "hard link a file of the host", attack: func(w world) error { return os.Link(w.Secret, filepath.Join(w.Folder, "linked")) }},
		{id: "C56 init root", name: "read through /proc/1/root", attack: func(w world) error { return steal("/proc/1/root"+w.Secret, w) }},
		{id: "C56 self root", name: "read through /proc/self/root", attack: func(w world) error { return steal("/proc/self/root"+w.Secret, w) }},
		{id: "C56 dots", name: "read through /proc/self/cwd and dots", attack: func(w world) error {
			return steal("/proc/self/cwd/"+strings.Repeat("../", 12)+strings.TrimPrefix(w.Secret, "/"), w)
		}},
		{id: "C56 thread", name: "read through another thread's root", attack: func(w world) error {
			return steal(fmt.Sprintf("/proc/thread-self/root%s", w.Secret), w)
		}},
		{id: "C57", name: "use a descriptor left open by the launcher", attack: leaked},
		{id: "C58", name: "write to the program of PID 1", attack: func(w world) error { return refusedBy(canOpen("/proc/1/exe", os.O_RDWR)(w)) }},
		{id: "C68", name: "every way to open at once", attack: everyOpen},
		{id: "C62 kmsg", name: "open /dev/kmsg", attack: canOpen("/dev/kmsg", os.O_RDONLY), root: true},
		{id: "C62 tun", name: "open /dev/net/tun", attack: canOpen("/dev/net/tun", os.O_RDWR), root: true},
		{id: "C62 fuse", name: "open /dev/fuse", attack: canOpen("/dev/fuse", os.O_RDWR), root: true},
		{id: "C62 mem", name: "open /dev/mem", attack: canOpen("/dev/mem", os.O_RDONLY), root: true},
		{id: "C64 core", name: "open /proc/sys/kernel/core_pattern to write", attack: canOpen("/proc/sys/kernel/core_pattern", os.O_WRONLY), root: true},
		{id: "C64 sysrq", name: "open /proc/sysrq-trigger to write", attack: canOpen("/proc/sysrq-trigger", os.O_WRONLY), root: true},
		{id: "C64 sysctl", name: "open a sysctl of its own namespace to write", attack: canOpen("/proc/sys/kernel/shmmax", os.O_WRONLY)},
		{id: "C64 kcore", name: "open /proc/kcore", attack: canOpen("/proc/kcore", os.O_RDONLY), root: true},
		{id: "C64 sys", name: "list /sys", attack: lists("/sys")},
		{id: "C65", name: "join another control group", attack: otherGroup, root: true},
		{id: "C195", name: "read the host's paths in mountinfo", attack: mountSources,
			residue: "the kernel tells the source of a bind mount to whoever may read /proc/self/mountinfo, and no layer can take it away"},
		{id: "E102", name: "see the host's /tmp", attack: func(w world) error { return steal(w.Temp, w) }},
		{id: "E97 shm", name: "see the host's /dev/shm", attack: func(w world) error { return steal(w.Memory, w) }},
	}
	return inWall(out, "filesystem")
}

// readOnlyCases change things that are there to be read.
func readOnlyCases() []attackCase {
	file := func(w world) string { return filepath.Join(w.Shared, "file") }
	out := []attackCase{
		{id: "C67 write", name: "write to a read-only file", attack: func(w world) error { return canOpen(file(w), os.O_WRONLY)(w) }},
		{id: "C67 truncate", name: "truncate a read-only file", attack: func(w world) error { return os.Truncate(file(w), 1) }},
		{id: "C67 trunc", name: "open a read-only file and truncate", attack: func(w world) error { return canOpen(file(w), os.O_RDONLY|os.O_TRUNC)(w) }},
		{id: "C67 chmod", name: "chmod a read-only file", attack: func(w world) error { return os.Chmod(file(w), 0o666) }},
		{id: "C67 chown", name: "chown a read-only file", attack: func(w world) error { return os.Chown(file(w), os.Getuid(), os.Getgid()) }},
		{id: "C67 times", name: "change the times of a read-only file", attack: func(w world) error {
			return unix.UtimesNanoAt(unix.AT_FDCWD, file(w), nil, 0)
		}},
		{id: "C67 xattr", name: "set an attribute of a read-only file", attack: func(w world) error { return unix.Setxattr(file(w), "user.x", []byte("x"), 0) }},
		{id: "C67 unlink", name: "remove a read-only file", attack: func(w world) error { return os.Remove(file(w)) }},
		{id: "C67 create", name: "create beside a read-only file", attack: func(w world) error {
			return os.WriteFile(filepath.Join(w.Shared, "new"), nil, 0o600)
		}},
		{id: "C158", name: "move a read-only file to a folder it may write", attack: func(w world) error {
			return os.Rename(file(w), filepath.Join(w.Scratch, "moved"))
		}},
		{id: "C158 link", name: "hard link a read-only file to a folder it may write", attack: func(w world) error {
			return os.Link(file(w), filepath.Join(w.Scratch, "linked"))
		}},
		{id: "C67 system", name: "open a program of the system to write", attack: func(w world) error { return canOpen(w.System, os.O_WRONLY)(w) }},
		{id: "C159", name: "chmod the root folder", attack: func(w world) error { return os.Chmod(w.Root, 0o755) }},
		{id: "C66 chmod", name: "make a setuid file by chmod", attack: func(w world) error {
			f := filepath.Join(w.Scratch, "s")
			return errors.Join(os.WriteFile(f, nil, 0o700), unix.Chmod(f, 0o4755))
		}, event: "syscall fchmodat|chmod"},
		{id: "C66 create", name: "make a setuid file by open", attack: func(w world) error {
			fd, err := unix.Open(filepath.Join(w.Scratch, "t"), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o4755)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}, event: "syscall openat|open"},
		{id: "C66 capability", name: "give a file a capability", attack: func(w world) error {
			f := filepath.Join(w.Scratch, "c")
			// Version 2, effective, CAP_NET_ADMIN (capabilities(7)).
			value := []byte{1, 0, 0, 2, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
			return errors.Join(os.WriteFile(f, nil, 0o700), unix.Setxattr(f, "security.capability", value, 0))
		}},
		{id: "C61 device", name: "make a whiteout", attack: func(w world) error {
			return unix.Mknod(filepath.Join(w.Scratch, "w"), unix.S_IFCHR|0o600, 0)
		}, event: "syscall mknodat|mknod"},
		{id: "C61 rename", name: "leave a whiteout behind", attack: func(w world) error {
			f := filepath.Join(w.Scratch, "r")
			return errors.Join(os.WriteFile(f, nil, 0o600), unix.Renameat2(unix.AT_FDCWD, f, unix.AT_FDCWD, f+"2", unix.RENAME_WHITEOUT))
		}, event: "syscall renameat2"},
		{id: "C62 block", name: "make a disk", attack: func(w world) error {
			return unix.Mknod(filepath.Join(w.Scratch, "d"), unix.S_IFBLK|0o600, int(unix.Mkdev(8, 0)))
		}, root: true, event: "syscall mknodat|mknod"},
	}
	return inWall(out, "filesystem")
}

func inWall(cases []attackCase, wall string) []attackCase {
	for i := range cases {
		cases[i].wall = wall
	}
	return cases
}

// steal reads the token from a file.
func steal(path string, w world) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return loot(b, w.Token)
}

func canOpen(path string, flags int) func(world) error {
	return func(world) error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
}

// lists reads a folder and finds something in it.
func lists(path string) func(world) error {
	return func(world) error {
		found, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errors.New("empty")
		}
		return nil
	}
}

func throughLink(w world) error {
	link := filepath.Join(w.Scratch, "link")
	if err := os.Symlink(w.Secret, link); err != nil {
		return err
	}
	return steal(link, w)
}

func createThroughLink(w world) error {
	link := filepath.Join(w.Scratch, "made")
	if err := os.Symlink(filepath.Join(w.Folder, "made"), link); err != nil {
		return err
	}
	return os.WriteFile(link, nil, 0o600)
}

// leaked looks for a folder of the host among this process's descriptors.
func leaked(w world) error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range open {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil || fd < 3 {
			continue
		}
		f, err := unix.Openat(fd, filepath.Base(w.Secret), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		b := make([]byte, 256)
		n, err := unix.Read(f, b)
		unix.Close(f)
		if err == nil && loot(b[:n], w.Token) == nil {
			return nil
		}
	}
	return errors.New("no descriptor leads out")
}

// everyOpen tries each system call that opens a file by name.
func everyOpen(w world) error {
	folder := unix.AT_FDCWD
	cwd := uintptr(folder)
	tries := []func() error{
		func() error { return openHow(w.Secret) },
		func() error { _, err := named(unix.SYS_OPENAT, 1, w.Secret, cwd); return err },
		func() error { _, err := named(unix.SYS_OPENAT, 1, w.Secret, cwd, 0, unix.O_PATH); return err },
		func() error { _, err := named(unix.SYS_OPEN_TREE, 1, w.Secret, cwd); return err },
		func() error { return unix.Access(w.Secret, unix.R_OK) },
		func() error { var st unix.Statx_t; return unix.Statx(unix.AT_FDCWD, w.Secret, 0, 0, &st) },
		func() error { return unix.Chdir(w.Folder) },
		func() error { _, err := unix.InotifyAddWatch(mustInotify(), w.Folder, unix.IN_OPEN); return err },
	}
	var all error
	for _, try := range tries {
		err := try()
		if err == nil {
			return nil
		}
		all = errors.Join(all, err)
	}
	return errors.New(strings.ReplaceAll(all.Error(), "\n", ", "))
}

// mustInotify is -1, which no call takes, where there is no inotify.
func mustInotify() int {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return -1
	}
	return fd
}

// otherGroup looks for a control group that it could put itself into.
func otherGroup(world) error {
	var all error
	for _, p := range []string{"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs"} {
		err := canOpen(p, os.O_WRONLY)(world{})
		if err == nil {
			return nil
		}
		all = err
	}
	return all
}

// mountSources looks for the host's folder in what the kernel tells of mounts.
func mountSources(w world) error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); slices.ContainsFunc(f, func(s string) bool { return strings.Contains(s, w.Marker) }) {
			return nil
		}
	}
	return errors.New("no path of the host in mountinfo")
}
