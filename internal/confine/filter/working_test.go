package filter

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// working is what an agent, and init itself, must be able to do.
var working = map[string]func() error{
	"start a program": func() error { return exec.Command("/bin/true").Run() },
	"start one in a session of its own": func() error {
		c := exec.Command("/bin/true")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
		return c.Run()
	},
	"tcp, by a server that asks for multipath": func() error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		return c.Close()
	},
	"udp": func() error {
		c, err := net.ListenUDP("udp", nil)
		if err != nil {
			return err
		}
		return c.Close()
	},
	"list interfaces": func() error { _, err := net.Interfaces(); return err },
	"a mode with the sticky bit": func() error {
		return errors.Join(os.WriteFile("f", nil, 0o644), os.Chmod("f", 0o755|fs.ModeSticky))
	},
	"a folder that asks for setuid does not get it": func() error {
		if err := unix.Mkdir("d", 0o6755); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Stat("d", &st); err != nil {
			return err
		}
		if st.Mode&unix.S_ISUID != 0 {
			return fmt.Errorf("mode %#o", st.Mode)
		}
		return nil
	},
	"make a FIFO": func() error { return unix.Mkfifo("p", 0o600) },
	"make a file": func() error { return unix.Mknod("r", unix.S_IFREG|0o600, 0) },
	"a memory file": func() error {
		fd, err := unix.MemfdCreate("m", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	},
	"its own limits": func() error {
		var l unix.Rlimit
		if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &l); err != nil {
			return err
		}
		return unix.Prlimit(0, unix.RLIMIT_NOFILE, &l, nil)
	},
	"read another's limits": func() error {
		var l unix.Rlimit
		return unix.Prlimit(os.Getpid(), unix.RLIMIT_NOFILE, nil, &l)
	},
	"be nicer": func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, 5) },
	"its own processors": func() error {
		runtime.LockOSThread()
		var set unix.CPUSet
		return errors.Join(unix.SchedGetaffinity(0, &set), unix.SchedSetaffinity(0, &set))
	},
	"ask whether it is dumpable": func() error { _, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); return err },
	"ask for a capability":       func() error { _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, 0, 0, 0, 0); return err },
	"share nothing more":         func() error { runtime.LockOSThread(); return unix.Unshare(unix.CLONE_FS) },
	"ask for Landlock": func() error {
		_, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
		if e != 0 {
			return e
		}
		return nil
	},
	"a filter of its own": func() error {
		prog := []unix.SockFilter{ret(Allow)}
		_, err := Install(prog, false)
		return err
	},
	"rename without replacing": func() error {
		return errors.Join(os.WriteFile("a", nil, 0o600), unix.Renameat2(unix.AT_FDCWD, "a", unix.AT_FDCWD, "b", unix.RENAME_NOREPLACE))
	},
}
