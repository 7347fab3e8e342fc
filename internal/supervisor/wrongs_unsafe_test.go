package supervisor

import (
	"net"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// wrongs are everything that a supervisor must not do. Each can be done any
// number of times, and changes nothing that matters where it is not refused.
func (r *rogueState) wrongs() []wrong {
	all := r.wrongFiles()
	all = append(all, wrongCalls()...)
	return append(all, r.wrongSignals()...)
}

func (r *rogueState) wrongFiles() []wrong {
	p, other := r.place, state.Home{Dir: r.place.Home().Dir}.Sandbox("other")
	read := func(what, path string) wrong {
		return wrong{"read " + what, func() error { _, err := os.ReadFile(path); return err }}
	}
	list := func(what, path string) wrong {
		return wrong{"list " + what, func() error { _, err := os.ReadDir(path); return err }}
	}
	make := func(what, dir string) wrong {
		return wrong{"write into " + what, func() error {
			f, err := os.CreateTemp(dir, "rogue-*")
			if err == nil {
				f.Close()
			}
			return err
		}}
	}
	notes := filepath.Join(p.Workspace(), "notes")
	home := filepath.Dir(p.Home().Dir)
	return []wrong{
		read("the workspace", notes), list("the workspace", p.Workspace()), make("the workspace", p.Workspace()),
		read("the workspace through a link", filepath.Join(p.RunDir(), "link")),
		read("the home", filepath.Join(home, "diary")), list("the home", home), make("the home", home),
		read("the policy itself", p.PolicyFile()), read("the routes themselves", p.InferenceFile()), read("the settings", p.Settings()),
		make("the sandbox's folder", p.Dir()),
		list("all sandboxes", p.Home().Dir), read("another's policy", other.PolicyFile()), read("another's book", filepath.Join(other.AuditDir(), "old")),
		make("another's run folder", other.RunDir()),
		read("the secrets' identity", filepath.Join(p.Home().Secrets(), "identity.txt")), read("a secret", filepath.Join(p.Home().Secrets(), "theirs.age")),
		read("its anchor by path", p.Anchor()), list("the root", "/"), list("/tmp", "/tmp"), make("/tmp", "/tmp"), make("/etc", "/etc"),
		{"remove a file of the book", func() error {
			path := filepath.Join(p.AuditDir(), "spare")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return nil // not what is tried
			}
			return os.Remove(path)
		}},
		{"move a file out of run", func() error {
			f, err := os.CreateTemp(p.RunDir(), "rogue-*")
			if err != nil {
				return nil // not what is tried
			}
			f.Close()
			return os.Rename(f.Name(), filepath.Join(p.Dir(), "rogue"))
		}},
		{"make a folder", func() error { return errOf(os.MkdirTemp(p.RunDir(), "rogue-*")) }},
		{"make a link", func() error {
			path := filepath.Join(p.RunDir(), "other-link")
			os.Remove(path)
			return os.Symlink(notes, path)
		}},
		{"change a mode", func() error { return os.Chmod(notes, 0o600) }},
		{"change an owner", func() error { return os.Lchown(notes, 0, 0) }},
		{"change times", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, notes, nil, 0) }},
		{"change an attribute", func() error { return unix.Setxattr(notes, "user.rogue", []byte("x"), 0) }},
		{"cut a file by name", func() error { return os.Truncate(notes, 1) }},
	}
}

func errOf[T any](_ T, err error) error { return err }

// raw makes a call whose arguments no kernel accepts, but which it looks at
// only where the call is allowed.
func raw(what string, nr uintptr, args ...uintptr) wrong {
	return wrong{what, func() error {
		var a [6]uintptr
		copy(a[:], args)
		if _, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
			return e
		}
		return nil
	}}
}

func socket(what string, family, kind, protocol int) wrong {
	return wrong{what, func() error {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}}
}

func wrongCalls() []wrong {
	const nothing = ^uintptr(0)
	return []wrong{
		{"exec", func() error { return unix.Exec("", []string{""}, nil) }},
		raw("execveat", unix.SYS_EXECVEAT, nothing, 0, 0, 0, 0),
		raw("ptrace", unix.SYS_PTRACE, 0x7fffffff, uintptr(os.Getpid())),
		{"read a process's memory", func() error {
			var b [8]byte
			from := unix.RemoteIovec{Base: uintptr(unsafe.Pointer(&b[0])), Len: len(b)}
			var to [8]byte
			local := unix.Iovec{Base: &to[0], Len: uint64(len(to))}
			_, err := unix.ProcessVMReadv(os.Getpid(), []unix.Iovec{local}, []unix.RemoteIovec{from}, 0)
			return err
		}},
		raw("write a process's memory", unix.SYS_PROCESS_VM_WRITEV, uintptr(os.Getpid()), 0, 0, 0, 0, 0),
		{"mount", func() error {
			err := unix.Mount("none", os.Getenv("ETC"), "tmpfs", 0, "")
			if err == nil {
				err = unix.Unmount(os.Getenv("ETC"), unix.MNT_DETACH)
			}
			return err
		}},
		raw("fsopen", unix.SYS_FSOPEN, 0, 0),
		raw("open_tree", unix.SYS_OPEN_TREE, nothing, 0, 0),
		raw("pivot_root", unix.SYS_PIVOT_ROOT, 0, 0),
		{"chroot", func() error { return unix.Chroot("/") }},
		{"unshare", func() error { return unix.Unshare(unix.CLONE_NEWUTS) }},
		raw("setns", unix.SYS_SETNS, nothing, 0),
		raw("clone a process", unix.SYS_CLONE, unix.CLONE_NEWUTS|unix.CLONE_SIGHAND, 0, 0, 0, 0), // SIGHAND without VM: EINVAL
		raw("bpf", unix.SYS_BPF, 0x7fffffff, 0, 0),
		raw("perf_event_open", unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, nothing, 0),
		raw("keyctl", unix.SYS_KEYCTL, 0x7fffffff),
		raw("add_key", unix.SYS_ADD_KEY, 0, 0, 0, 0, 0),
		raw("init_module", unix.SYS_INIT_MODULE, 0, 0, 0),
		raw("kexec_load", unix.SYS_KEXEC_LOAD, 0, 0, 0, nothing),
		raw("reboot", unix.SYS_REBOOT, 0, 0, 0),
		raw("userfaultfd", unix.SYS_USERFAULTFD, 0x7fffffff),
		raw("io_uring_setup", unix.SYS_IO_URING_SETUP, 0, 0),
		raw("open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, nothing, 0, 0),
		raw("personality", unix.SYS_PERSONALITY, 0xffffffff),
		raw("memfd_create", unix.SYS_MEMFD_CREATE, 0, 0),
		raw("sethostname", unix.SYS_SETHOSTNAME, 0, nothing),
		raw("pidfd_getfd", unix.SYS_PIDFD_GETFD, nothing, 0, 0),
		raw("setuid", unix.SYS_SETUID, nothing),
		{"make memory executable", func() error {
			b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err == nil {
				err = unix.Munmap(b)
			}
			return err
		}},
		socket("a UNIX socket", unix.AF_UNIX, unix.SOCK_STREAM, 0),
		socket("a netfilter socket", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER),
		socket("a packet socket", unix.AF_PACKET, unix.SOCK_RAW, 0),
		socket("a raw socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		{"listen", func() error {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err == nil {
				l.Close()
			}
			return err
		}},
		{"change an interface", loopbackDown},
	}
}

// loopbackDown asks the kernel to set the flags that loopback has.
func loopbackDown() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil // not what is tried
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return nil
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

func (r *rogueState) wrongSignals() []wrong {
	stranger := r.stranger.Process.Pid
	return []wrong{
		{"signal a stranger", func() error { return unix.Kill(stranger, 0) }},
		{"signal a thread of a stranger", func() error { return unix.Tgkill(stranger, stranger, 0) }},
		raw("queue a signal", unix.SYS_RT_SIGQUEUEINFO, uintptr(stranger), 0, 0),
		{"signal its whole group", func() error { return unix.Kill(0, 0) }},
	}
}
