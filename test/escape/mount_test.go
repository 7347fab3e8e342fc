package escape

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mountCases change the root that was built, or get around it.
func mountCases() []attackCase {
	folder := unix.AT_FDCWD
	cwd := uintptr(folder)
	out := []attackCase{
		{id: "C60 remount", name: "make a read-only mount writable", attack: func(w world) error {
			return unix.Mount("", w.Bound, "", unix.MS_REMOUNT|unix.MS_BIND, "")
		}, event: "syscall mount"},
		{id: "C60 over", name: "mount over a folder", attack: func(w world) error { return unix.Mount("tmpfs", w.Scratch, "tmpfs", 0, "") }, event: "syscall mount"},
		{id: "C60 umount", name: "unmount /proc", attack: func(world) error { return unix.Unmount("/proc", unix.MNT_DETACH) }, event: "syscall umount2"},
		{id: "C60 userns", name: "mount in a user namespace of its own", attack: func(world) error {
			return forkWith(unix.CLONE_NEWUSER | unix.CLONE_NEWNS)
		}, event: "syscall clone"},
		{id: "C60 pivot", name: "change the root", attack: func(w world) error {
			p := text(w.Scratch)
			return reached(unix.SYS_PIVOT_ROOT, at(p), at(p))
		}, event: "syscall pivot_root"},
		{id: "C60 chroot", name: "chroot", attack: func(world) error { return unix.Chroot("/") }, event: "syscall chroot"},
		{id: "C59 handle", name: "learn a file's handle", attack: func(w world) error {
			_, _, err := unix.NameToHandleAt(unix.AT_FDCWD, w.Scratch, 0)
			return err
		}, event: "syscall name_to_handle_at"},
		{id: "C59 open", name: "open by handle", attack: func(world) error {
			_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), 0)
			return refusedBy(err)
		}, root: true, event: "syscall open_by_handle_at"},
		{id: "C59 fsopen", name: "open a file system", attack: func(world) error { _, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC); return err }, event: "syscall fsopen"},
		{id: "C59 fsmount", name: "mount it detached", attack: func(world) error { return reached(unix.SYS_FSMOUNT, ^uintptr(0)) }, event: "syscall fsmount"},
		{id: "C59 fsconfig", name: "configure it", attack: func(world) error { return reached(unix.SYS_FSCONFIG, ^uintptr(0), 6) }, event: "syscall fsconfig"},
		{id: "C59 fspick", name: "pick a mount", attack: func(world) error { _, err := unix.Fspick(unix.AT_FDCWD, "/proc", 0); return refusedBy(err) }, event: "syscall fspick"},
		{id: "C59 tree", name: "clone a tree of mounts", attack: func(world) error {
			_, err := unix.OpenTree(unix.AT_FDCWD, "/proc", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
			return err
		}, event: "syscall open_tree"},
		{id: "C59 move", name: "move a mount", attack: func(world) error { return reached(unix.SYS_MOVE_MOUNT, cwd, 0, cwd, 0) }, event: "syscall move_mount"},
		{id: "C59 attributes", name: "change a mount's attributes", attack: func(world) error {
			return unix.MountSetattr(unix.AT_FDCWD, "/proc", 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_NOEXEC})
		}, event: "syscall mount_setattr"},
		{id: "C59 fanotify", name: "watch a whole file system", attack: func(world) error {
			_, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_FID, 0)
			return err
		}, event: "syscall fanotify_init"},
		{id: "C54", name: "make a folder beside /usr", attack: func(w world) error { return os.Mkdir(filepath.Join(w.Root, "new"), 0o700) }},
		{id: "C199", name: "reach a socket of the host below a mount", attack: func(w world) error { return connects(filepath.Join(w.Shared, "socket"), w) }},
	}
	return inWall(out, "filesystem")
}
