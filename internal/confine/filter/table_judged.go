package filter

import "golang.org/x/sys/unix"

const (
	// namespaces are the flags of clone(2) that make a new namespace.
	namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	// thread is what a thread shares with its process, as far as init must see it.
	thread = unix.CLONE_THREAD | unix.CLONE_FILES
	// ofItsOwn: /proc/PID/fd, where init looks for who holds a connection, shows
	// the descriptors of the first thread.
	ofItsOwn = "no thread with descriptors of its own, which init would not see"
	// creates are the flags with which open(2) looks at its mode at all.
	creates = unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY
	// raised are the mode bits that lend a file's owner to whoever runs it.
	raised = unix.S_ISUID | unix.S_ISGID
	// kindOf is the part of a socket's type that is no flag (SOCK_TYPE_MASK).
	kindOf = 0xf
	// linux32 is PER_LINUX32 of personality(2).
	linux32 = 8
	// ioprioProcess is IOPRIO_WHO_PROCESS of ioprio_set(2).
	ioprioProcess = 1
)

// judged lists the calls whose arguments decide.
func judged(l *list) {
	l.add(creating()...)
	l.add(connecting()...)
	l.add(tuning()...)
	l.add(files()...)
}

// creating judges what makes processes and namespaces.
func creating() []Row {
	return []Row{
		{
			"clone", unix.SYS_CLONE, Refuse,
			[]Case{
				when(Allow, bits(0, namespaces|unix.CLONE_PARENT|unix.CLONE_THREAD, 0)),
				when(Allow, bits(0, namespaces|unix.CLONE_PARENT|thread, thread)),
			},
			"no new namespace; no child that passes for the parent's own; " + ofItsOwn,
		}, {
			// CLONE_NEWTIME shares its bit with clone's exit signal.
			"unshare", unix.SYS_UNSHARE, Refuse,
			[]Case{when(Allow, bits(0, namespaces|unix.CLONE_NEWTIME|unix.CLONE_FILES, 0))},
			"no new namespace; " + ofItsOwn,
		}, {
			"close_range", unix.SYS_CLOSE_RANGE, Errno(unix.EINVAL),
			[]Case{when(Allow, bits(2, unix.CLOSE_RANGE_UNSHARE, 0))},
			ofItsOwn,
		}, {
			"personality", unix.SYS_PERSONALITY, Refuse,
			[]Case{when(Allow, is(0, 0, linux32, word))},
			"ask, reset or name 32 bits; never turn randomisation off or memory executable",
		},
	}
}

// connecting judges which sockets may exist.
func connecting() []Row {
	internet := is(0, unix.AF_INET, unix.AF_INET6)
	return []Row{
		{
			"socket", unix.SYS_SOCKET, Refuse,
			[]Case{
				when(Allow, is(0, unix.AF_UNIX)),
				when(Allow, internet, bits(1, kindOf, unix.SOCK_STREAM), is(2, 0, unix.IPPROTO_TCP)),
				when(Allow, internet, bits(1, kindOf, unix.SOCK_DGRAM), is(2, 0, unix.IPPROTO_UDP)),
				// libc asks for its interfaces and addresses here; changing them needs a capability.
				when(Allow, is(0, unix.AF_NETLINK), bits(1, kindOf, unix.SOCK_RAW, unix.SOCK_DGRAM), is(2, unix.NETLINK_ROUTE)),
				// udev's library asks for news of devices in this way, and takes this answer: browsers, games.
				when(Errno(unix.EPROTONOSUPPORT), is(0, unix.AF_NETLINK), bits(1, kindOf, unix.SOCK_RAW), is(2, unix.NETLINK_KOBJECT_UEVENT)),
				// Every Go server asks for multipath first, and takes this answer.
				when(Errno(unix.EPROTONOSUPPORT), internet, bits(1, kindOf, unix.SOCK_STREAM), is(2, unix.IPPROTO_MPTCP)),
			},
			"UNIX, TCP, UDP and reading routes: what the gate sees; vsock, packet, raw, ping, SCTP and others pass it by",
		}, {
			"socketpair", unix.SYS_SOCKETPAIR, Refuse,
			[]Case{when(Allow, is(0, unix.AF_UNIX))},
			"UNIX only",
		},
	}
}

// tuning judges calls that may act on oneself alone: init has the agent's user.
func tuning() []Row {
	return []Row{
		{
			"prlimit64", unix.SYS_PRLIMIT64, Refuse,
			[]Case{when(Allow, is(0, 0)), when(Allow, null(2))},
			"sets one's own limits; reads any: on init it could stop the sandbox",
		},
		{
			"setpriority", unix.SYS_SETPRIORITY, Refuse,
			[]Case{
				when(Allow, is(0, unix.PRIO_PROCESS), is(1, 0)),
				when(Refuse, is(0, unix.PRIO_PROCESS), is(1, 1)),
				// Chromium does it to each of its threads, by number, and does without.
				when(Errno(unix.EPERM), is(0, unix.PRIO_PROCESS)),
			},
			"only oneself: a whole user includes init",
		},
		{
			"ioprio_set", unix.SYS_IOPRIO_SET, Refuse,
			[]Case{when(Allow, is(0, ioprioProcess), is(1, 0))},
			"only oneself: a whole user includes init",
		},
		oneself("sched_setaffinity", unix.SYS_SCHED_SETAFFINITY),
		oneself("sched_setattr", unix.SYS_SCHED_SETATTR),
		oneself("sched_setparam", unix.SYS_SCHED_SETPARAM),
		oneself("sched_setscheduler", unix.SYS_SCHED_SETSCHEDULER),
		{
			"move_pages", unix.SYS_MOVE_PAGES, Refuse,
			[]Case{when(Allow, is(0, 0))},
			"only oneself; NUMA libraries ask where their own pages are",
		},
		{
			"prctl", unix.SYS_PRCTL, Errno(unix.EINVAL),
			[]Case{
				when(Allow, is(0, prctls...)),
				when(Refuse, is(0, unix.PR_SET_MM)),
			},
			"a closed list; another option is one that an older kernel does not know",
		},
		{
			"ioctl", unix.SYS_IOCTL, Allow,
			[]Case{when(Refuse, is(1, unix.TIOCSTI, unix.TIOCLINUX, unix.TIOCSETD, unix.TIOCCONS))},
			"no typing into a terminal, no console, no line discipline; device files are Landlock's business",
		},
	}
}

// oneself allows pid 0. pthread_setaffinity_np names its own thread instead,
// and a filter cannot tell that thread from init's: refused, but not as an
// attack unless it names PID 1.
func oneself(name string, nr int) Row {
	return Row{
		name, nr, Errno(unix.EPERM),
		[]Case{when(Allow, is(0, 0)), when(Refuse, is(0, 1))},
		"only oneself: init shares the user",
	}
}

// prctls are the options of prctl(2) that act on the caller and can only read,
// name, tighten or tune it.
var prctls = []uint64{
	unix.PR_SET_NAME, unix.PR_GET_NAME, unix.PR_SET_VMA,
	unix.PR_SET_PDEATHSIG, unix.PR_GET_PDEATHSIG, unix.PR_SET_CHILD_SUBREAPER, unix.PR_GET_CHILD_SUBREAPER,
	unix.PR_SET_DUMPABLE, unix.PR_GET_DUMPABLE,
	unix.PR_SET_NO_NEW_PRIVS, unix.PR_GET_NO_NEW_PRIVS, unix.PR_SET_SECCOMP, unix.PR_GET_SECCOMP,
	unix.PR_CAPBSET_READ, unix.PR_CAPBSET_DROP, unix.PR_CAP_AMBIENT,
	unix.PR_GET_KEEPCAPS, unix.PR_SET_KEEPCAPS, unix.PR_GET_SECUREBITS,
	unix.PR_SET_TIMERSLACK, unix.PR_GET_TIMERSLACK, unix.PR_GET_TIMING,
	unix.PR_SET_THP_DISABLE, unix.PR_GET_THP_DISABLE,
	unix.PR_GET_SPECULATION_CTRL, unix.PR_SET_SPECULATION_CTRL,
	unix.PR_SET_MDWE, unix.PR_GET_MDWE, unix.PR_GET_AUXV, unix.PR_GET_TID_ADDRESS,
	unix.PR_GET_TSC, unix.PR_GET_UNALIGN, unix.PR_GET_FPEXC,
	unix.PR_SVE_GET_VL, unix.PR_SVE_SET_VL, unix.PR_SME_GET_VL, unix.PR_SME_SET_VL,
	unix.PR_SET_TAGGED_ADDR_CTRL, unix.PR_GET_TAGGED_ADDR_CTRL,
	unix.PR_PAC_RESET_KEYS, unix.PR_PAC_GET_ENABLED_KEYS, unix.PR_PAC_SET_ENABLED_KEYS,
}

// files judges modes and kinds of files.
func files() []Row {
	return []Row{
		opening("openat", unix.SYS_OPENAT, 2, 3),
		changing("fchmod", unix.SYS_FCHMOD, 1),
		changing("fchmodat", unix.SYS_FCHMODAT, 2),
		changing("fchmodat2", unix.SYS_FCHMODAT2, 2),
		making("mknodat", unix.SYS_MKNODAT, 2),
		{
			"renameat2", unix.SYS_RENAMEAT2, Refuse,
			[]Case{when(Allow, bits(4, unix.RENAME_WHITEOUT, 0))},
			"a whiteout is a device, and hides a file of an overlay",
		},
	}
}

// setuid is the reason of three rows: the workspace is a folder of the host,
// where nosuid no longer holds.
const setuid = "no setuid or setgid file: somebody on the host might run it"

func opening(name string, nr, flags, mode int) Row {
	return Row{name, nr, Refuse, []Case{
		when(Allow, bits(flags, creates, 0)),
		when(Allow, bits(mode, raised, 0)),
	}, setuid}
}

func changing(name string, nr, mode int) Row {
	return Row{name, nr, Refuse, []Case{when(Allow, bits(mode, raised, 0))}, setuid}
}

func making(name string, nr, mode int) Row {
	kinds := bits(mode, unix.S_IFMT|raised, 0, unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK)
	return Row{name, nr, Refuse, []Case{when(Allow, kinds)}, "files, FIFOs and sockets; a character device 0/0 is a whiteout. And " + setuid}
}
