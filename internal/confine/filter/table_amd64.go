package filter

import "golang.org/x/sys/unix"

// arch is what seccomp_data says of a native call.
const arch = unix.AUDIT_ARCH_X86_64

// legacy lists the calls that amd64 has and younger architectures dropped.
func legacy(l *list) {
	l.all(Allow, "older form of an allowed call", older...)
	l.all(Refuse, "the machine's ports", call{"iopl", unix.SYS_IOPL}, call{"ioperm", unix.SYS_IOPERM})
	l.add(
		opening("open", unix.SYS_OPEN, 1, 2),
		changing("creat", unix.SYS_CREAT, 1),
		changing("chmod", unix.SYS_CHMOD, 1),
		making("mknod", unix.SYS_MKNOD, 1),
	)
}

var older = []call{
	{"stat", unix.SYS_STAT}, {"lstat", unix.SYS_LSTAT}, {"access", unix.SYS_ACCESS}, {"readlink", unix.SYS_READLINK}, {"getdents", unix.SYS_GETDENTS},
	{"mkdir", unix.SYS_MKDIR}, {"rmdir", unix.SYS_RMDIR}, {"rename", unix.SYS_RENAME}, {"link", unix.SYS_LINK}, {"unlink", unix.SYS_UNLINK}, {"symlink", unix.SYS_SYMLINK},
	{"chown", unix.SYS_CHOWN}, {"lchown", unix.SYS_LCHOWN}, {"utime", unix.SYS_UTIME}, {"utimes", unix.SYS_UTIMES},
	{"poll", unix.SYS_POLL}, {"select", unix.SYS_SELECT}, {"epoll_create", unix.SYS_EPOLL_CREATE}, {"epoll_wait", unix.SYS_EPOLL_WAIT},
	{"eventfd", unix.SYS_EVENTFD}, {"signalfd", unix.SYS_SIGNALFD}, {"inotify_init", unix.SYS_INOTIFY_INIT},
	{"pipe", unix.SYS_PIPE}, {"dup2", unix.SYS_DUP2}, {"fork", unix.SYS_FORK}, {"vfork", unix.SYS_VFORK}, {"getpgrp", unix.SYS_GETPGRP},
	{"pause", unix.SYS_PAUSE}, {"alarm", unix.SYS_ALARM}, {"time", unix.SYS_TIME},
	// Thread-local storage and the right to AMX registers.
	{"arch_prctl", unix.SYS_ARCH_PRCTL},
}
