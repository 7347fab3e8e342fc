package limit

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
)

const eperm = unix.EPERM

// kept are the calls that stay as package filter has them: Go's runtime, files
// beneath the Landlock rules, waiting, and descriptors that are open already.
var kept = strings.Fields(`
	read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range dup dup3 fcntl
	flock fsync fdatasync ftruncate fstat newfstatat statx fstatfs getdents64 getcwd
	open openat stat lstat readlink readlinkat faccessat faccessat2 access
	unlink unlinkat rmdir rename renameat renameat2
	splice sendfile copy_file_range pipe2 ioctl
	poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2
	inotify_init1 inotify_add_watch inotify_rm_watch
	brk munmap mremap madvise mincore mlock munlock membarrier
	exit exit_group wait4 waitid set_tid_address set_robust_list rseq arch_prctl
	futex sched_yield sched_getaffinity getcpu getrandom uname sysinfo getrlimit prlimit64 getrusage
	getpid getppid gettid getuid geteuid getgid getegid getgroups
	rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall
	clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time
	setitimer timer_create timer_settime timer_delete
	accept accept4 shutdown getsockname getpeername getsockopt setsockopt
	sendto recvfrom sendmsg recvmsg
`)

// networking stays with Network. listen(2) is none of it: what listens does so
// before.
var networking = strings.Fields(`connect bind`)

// table is package filter's, with what is not kept refused. A call that it does
// not know at all does not exist here either.
func (l Limits) table(self int) []filter.Row {
	stay := kept
	if l.Network {
		stay = slices.Concat(kept, networking)
	}
	judged := l.judged(self)
	var out []filter.Row
	for _, r := range filter.Table() {
		if own, ok := judged[r.Name]; ok {
			r.Action, r.Cases, r.Why = filter.Errno(eperm), own, ""
		} else if !slices.Contains(stay, r.Name) && (r.Action != filter.Absent || len(r.Cases) > 0) {
			r.Action, r.Cases, r.Why = filter.Errno(eperm), nil, ""
		}
		out = append(out, r)
	}
	return out
}

// judged are the calls that are allowed in these cases alone.
func (l Limits) judged(self int) map[string][]filter.Case {
	signalled := []uint64{uint64(self)}
	modes := []uint64{0o600} // of every file that is written durably
	if l.Kill > 0 {
		signalled = append(signalled, uint64(l.Kill))
		modes = append(modes, 0o111) // of a program that is handed to that process
	}
	const spaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	all := map[string][]filter.Case{
		// A new thread, never a new process.
		"clone": {allow(test(0, spaces|unix.CLONE_THREAD|unix.CLONE_VM, unix.CLONE_THREAD|unix.CLONE_VM))},
		// No memory becomes a program.
		"mmap":     {allow(test(2, unix.PROT_EXEC, 0))},
		"mprotect": {allow(test(2, unix.PROT_EXEC, 0))},
		"kill":     {allow(test(0, word, signalled...))},
		"tgkill":   {allow(test(0, word, uint64(self)))},
		"fchmod":   {allow(test(1, word, modes...))},
		"prctl":    {allow(test(0, word, unix.PR_SET_VMA))}, // Go names its memory
		"socket":   nil,
	}
	if l.Network {
		all["socket"] = internet()
	}
	if l.Kill > 0 {
		// Memory files cross to that process: with messages that are larger than
		// a packet, and programs. Nothing here can execute or map one.
		const exec = unix.MFD_EXEC
		all["memfd_create"] = []filter.Case{allow(test(1, word&^exec, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING))}
	}
	return all
}

// internet allows TCP, UDP and reading routes. UNIX is not among them: a socket
// of the operator's session or of a container engine starts programs.
func internet() []filter.Case {
	ip := test(0, word, unix.AF_INET, unix.AF_INET6)
	const kind = 0xf // the part of a socket's type that is no flag
	return []filter.Case{
		allow(ip, test(1, kind, unix.SOCK_STREAM), test(2, word, 0, unix.IPPROTO_TCP)),
		allow(ip, test(1, kind, unix.SOCK_DGRAM), test(2, word, 0, unix.IPPROTO_UDP)),
		allow(test(0, word, unix.AF_NETLINK), test(1, kind, unix.SOCK_RAW, unix.SOCK_DGRAM), test(2, word, unix.NETLINK_ROUTE)),
	}
}

// word is the mask of an int argument.
const word = 0xffffffff

func allow(t ...filter.Test) filter.Case { return filter.Case{Action: filter.Allow, Tests: t} }

func test(arg int, mask uint64, values ...uint64) filter.Test {
	return filter.Test{Arg: arg, Mask: mask, Any: values}
}
