package tries

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func files() []Try {
	out := []Try{
		{ID: "C50 home", What: "list /home", do: lists("/home")},
		{ID: "C50 root", What: "list /root", do: lists("/root")},
		{ID: "C50 etc", What: "list /etc", do: lists("/etc")},
		{ID: "C50 var", What: "list /var", do: lists("/var")},
		{ID: "C50 run", What: "list /run", do: lists("/run")},
		{ID: "C50 shadow", What: "read /etc/shadow", do: canOpen("/etc/shadow", unix.O_RDONLY)},
		{ID: "C51", What: "read /etc/shadow through a link", do: throughLink},
		{ID: "C56 init root", What: "list the root of PID 1", do: lists("/proc/1/root/")},
		{ID: "C56 dots", What: "climb out of /proc/self/cwd", do: lists("/proc/self/cwd/../../../../home")},
		{ID: "C57", What: "a descriptor left open by the launcher", do: descriptors},
		{ID: "C58", What: "write to the program of PID 1", do: canOpen("/proc/1/exe", unix.O_RDWR)},
		{ID: "C67 system", What: "open a program of the system to write", do: canOpen("/usr/bin/env", unix.O_WRONLY)},
		{ID: "C67 create", What: "create a file in /usr", do: canOpen("/usr/.nemoclaw-try", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)},
		{ID: "C159", What: "chmod the root folder", do: func() error { return unix.Chmod("/", 0o777) }},
		{ID: "C62 kmsg", What: "open the kernel's log", do: canOpen("/dev/kmsg", unix.O_RDONLY)},
		{ID: "C62 mem", What: "open the machine's memory", do: canOpen("/dev/mem", unix.O_RDONLY)},
		{ID: "C62 kvm", What: "open the hypervisor", do: canOpen("/dev/kvm", unix.O_RDWR)},
		{ID: "C62 fuse", What: "open /dev/fuse", do: canOpen("/dev/fuse", unix.O_RDWR)},
		{ID: "C62 tun", What: "open /dev/net/tun", do: canOpen("/dev/net/tun", unix.O_RDWR)},
		{ID: "C64 core", What: "name the machine's crash handler", do: canOpen("/proc/sys/kernel/core_pattern", unix.O_WRONLY)},
		{ID: "C64 sysctl", What: "write a sysctl", do: canOpen("/proc/sys/kernel/shmmax", unix.O_WRONLY)},
		{ID: "C64 sysrq", What: "open /proc/sysrq-trigger", do: canOpen("/proc/sysrq-trigger", unix.O_WRONLY)},
		{ID: "C64 kcore", What: "open the kernel's memory", do: canOpen("/proc/kcore", unix.O_RDONLY)},
		{ID: "C64 sys", What: "list /sys", do: lists("/sys")},
		{ID: "C65", What: "join another control group", do: canOpen("/sys/fs/cgroup/cgroup.procs", unix.O_WRONLY)},
		{ID: "E94", What: "the container engine's socket", do: connects("/var/run/docker.sock")},
		{ID: "E94 bus", What: "the system's message bus", do: connects("/run/dbus/system_bus_socket")},
	}
	for i := range out {
		out[i].want = nothing
	}
	out = append(out,
		Try{ID: "C66 chmod", What: "make a setuid file", do: inScratch(func(f string) error { return unix.Chmod(f, 0o4755) })},
		Try{ID: "C66 capability", What: "give a file a capability", do: inScratch(func(f string) error {
			// Version 2, effective, CAP_NET_ADMIN (capabilities(7)).
			value := []byte{1, 0, 0, 2, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
			return unix.Setxattr(f, "security.capability", value, 0)
		})},
		Try{ID: "C61 device", What: "make a device", do: inScratch(func(f string) error { return unix.Mknod(f+"d", unix.S_IFCHR|0o600, 0) })},
		Try{ID: "C61 rename", What: "leave a whiteout behind", do: inScratch(func(f string) error {
			return unix.Renameat2(unix.AT_FDCWD, f, unix.AT_FDCWD, f+"w", unix.RENAME_WHITEOUT)
		})},
	)
	return inWall(out, spec.FilesystemWall)
}

// mounts change the root that was built, or get around it.
func mounts() []Try {
	folder := unix.AT_FDCWD
	cwd := uintptr(folder)
	out := []Try{
		{ID: "C60 over", What: "mount over a folder", do: func() error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "") }},
		{ID: "C60 remount", What: "make the system writable", do: func() error { return unix.Mount("", "/usr", "", unix.MS_REMOUNT|unix.MS_BIND, "") }},
		{ID: "C60 umount", What: "unmount /proc", do: func() error { return unix.Unmount("/proc", unix.MNT_DETACH|unix.MNT_EXPIRE) }},
		{ID: "C60 pivot", What: "change the root", do: func() error { return reached(unix.SYS_PIVOT_ROOT) }},
		{ID: "C60 chroot", What: "chroot", do: func() error { return unix.Chroot("/") }},
		{ID: "C59 handle", What: "learn a file's handle", Call: "name_to_handle_at", do: func() error { _, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/", 0); return err }},
		{ID: "C59 open", What: "open a file by its handle", do: func() error {
			_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), 0)
			return err
		}},
		{ID: "C59 fsopen", What: "make a file system", do: func() error { return reached(unix.SYS_FSOPEN) }},
		{ID: "C59 tree", What: "clone a tree of mounts", do: func() error { return reached(unix.SYS_OPEN_TREE, cwd, 0, unix.OPEN_TREE_CLONE) }},
		{ID: "C59 move", What: "move a mount", do: func() error { return reached(unix.SYS_MOVE_MOUNT, cwd, 0, cwd, 0) }},
		{ID: "C59 attributes", What: "change a mount's attributes", do: func() error { return reached(unix.SYS_MOUNT_SETATTR, cwd) }},
		{ID: "C59 fanotify", What: "watch a whole file system", Call: "fanotify_init", do: func() error { return reached(unix.SYS_FANOTIFY_INIT, 0x200 /* FAN_REPORT_FID */) }},
	}
	return inWall(out, spec.FilesystemWall)
}

func throughLink() error {
	dir, err := os.MkdirTemp("/tmp", "nemoclaw-try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/etc/shadow", link); err != nil {
		return err
	}
	return reads(link)()
}

// inScratch runs do on a new file of its own.
func inScratch(do func(string) error) func() error {
	return func() error {
		dir, err := os.MkdirTemp("/tmp", "nemoclaw-try-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		f := filepath.Join(dir, "file")
		if err := os.WriteFile(f, nil, 0o700); err != nil {
			return err
		}
		return do(f)
	}
}

// descriptors looks for one that this process was not given.
func descriptors() error {
	found, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range found {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && e.Name() > "2" && filepath.IsAbs(to) && to[:6] != "/proc/" && to[:7] != "/memfd:" {
			return nil
		}
	}
	return held("none leads anywhere")
}

func connects(path string) func() error {
	return func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
}
