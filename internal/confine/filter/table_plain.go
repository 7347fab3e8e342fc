package filter

import "golang.org/x/sys/unix"

// plain lists the calls that are allowed whatever their arguments. What they
// reach is bounded by the namespaces, Landlock and the limits.
func plain(l *list) {
	l.all(Allow, "files by descriptor", byDescriptor...)
	l.all(Allow, "files by name", byName...)
	l.all(Allow, "waiting for several things", waiting...)
	l.all(Allow, "memory of the caller", memory...)
	l.all(Allow, "processes and threads", processes...)
	l.all(Allow, "who the caller is; without capabilities nothing is gained", identity...)
	l.all(Allow, "signals; Landlock's scope and the PID namespace say to whom", signals...)
	l.all(Allow, "time", clocks...)
	l.all(Allow, "sockets once they exist; which may exist is socket's row", sockets...)
	l.all(Allow, "System V and POSIX queues, in an IPC namespace of their own", ipc...)
	l.all(Allow, "an agent may confine itself further, never less", confining...)
}

var byDescriptor = []call{
	{"read", unix.SYS_READ}, {"write", unix.SYS_WRITE}, {"readv", unix.SYS_READV}, {"writev", unix.SYS_WRITEV},
	{"pread64", unix.SYS_PREAD64}, {"pwrite64", unix.SYS_PWRITE64}, {"preadv", unix.SYS_PREADV}, {"pwritev", unix.SYS_PWRITEV},
	{"preadv2", unix.SYS_PREADV2}, {"pwritev2", unix.SYS_PWRITEV2}, {"lseek", unix.SYS_LSEEK}, {"close", unix.SYS_CLOSE},
	{"dup", unix.SYS_DUP}, {"dup3", unix.SYS_DUP3}, {"fcntl", unix.SYS_FCNTL},
	{"flock", unix.SYS_FLOCK}, {"fsync", unix.SYS_FSYNC}, {"fdatasync", unix.SYS_FDATASYNC}, {"sync", unix.SYS_SYNC},
	{"syncfs", unix.SYS_SYNCFS}, {"sync_file_range", unix.SYS_SYNC_FILE_RANGE}, {"ftruncate", unix.SYS_FTRUNCATE},
	{"fallocate", unix.SYS_FALLOCATE}, {"fadvise64", unix.SYS_FADVISE64}, {"readahead", unix.SYS_READAHEAD},
	{"copy_file_range", unix.SYS_COPY_FILE_RANGE}, {"sendfile", unix.SYS_SENDFILE}, {"splice", unix.SYS_SPLICE},
	{"pipe2", unix.SYS_PIPE2}, {"getdents64", unix.SYS_GETDENTS64}, {"fstat", unix.SYS_FSTAT}, {"fstatfs", unix.SYS_FSTATFS},
	{"fchdir", unix.SYS_FCHDIR}, {"fchown", unix.SYS_FCHOWN},
	{"fgetxattr", unix.SYS_FGETXATTR}, {"fsetxattr", unix.SYS_FSETXATTR}, {"flistxattr", unix.SYS_FLISTXATTR}, {"fremovexattr", unix.SYS_FREMOVEXATTR},
}

var byName = []call{
	{"newfstatat", unix.SYS_NEWFSTATAT}, {"statx", unix.SYS_STATX}, {"statfs", unix.SYS_STATFS},
	{"faccessat", unix.SYS_FACCESSAT}, {"faccessat2", unix.SYS_FACCESSAT2}, {"readlinkat", unix.SYS_READLINKAT},
	// The kernel drops setuid and setgid from a new folder's mode itself.
	{"mkdirat", unix.SYS_MKDIRAT},
	{"unlinkat", unix.SYS_UNLINKAT}, {"renameat", unix.SYS_RENAMEAT}, {"linkat", unix.SYS_LINKAT}, {"symlinkat", unix.SYS_SYMLINKAT},
	{"fchownat", unix.SYS_FCHOWNAT}, {"utimensat", unix.SYS_UTIMENSAT}, {"truncate", unix.SYS_TRUNCATE},
	{"getcwd", unix.SYS_GETCWD}, {"chdir", unix.SYS_CHDIR}, {"umask", unix.SYS_UMASK},
	{"getxattr", unix.SYS_GETXATTR}, {"lgetxattr", unix.SYS_LGETXATTR}, {"setxattr", unix.SYS_SETXATTR}, {"lsetxattr", unix.SYS_LSETXATTR},
	{"listxattr", unix.SYS_LISTXATTR}, {"llistxattr", unix.SYS_LLISTXATTR}, {"removexattr", unix.SYS_REMOVEXATTR}, {"lremovexattr", unix.SYS_LREMOVEXATTR},
}

var waiting = []call{
	{"ppoll", unix.SYS_PPOLL}, {"pselect6", unix.SYS_PSELECT6}, {"epoll_create1", unix.SYS_EPOLL_CREATE1}, {"epoll_ctl", unix.SYS_EPOLL_CTL},
	{"epoll_pwait", unix.SYS_EPOLL_PWAIT}, {"epoll_pwait2", unix.SYS_EPOLL_PWAIT2}, {"eventfd2", unix.SYS_EVENTFD2}, {"signalfd4", unix.SYS_SIGNALFD4},
	{"timerfd_create", unix.SYS_TIMERFD_CREATE}, {"timerfd_settime", unix.SYS_TIMERFD_SETTIME}, {"timerfd_gettime", unix.SYS_TIMERFD_GETTIME},
	{"inotify_init1", unix.SYS_INOTIFY_INIT1}, {"inotify_add_watch", unix.SYS_INOTIFY_ADD_WATCH}, {"inotify_rm_watch", unix.SYS_INOTIFY_RM_WATCH},
}

var memory = []call{
	{"brk", unix.SYS_BRK}, {"mmap", unix.SYS_MMAP}, {"munmap", unix.SYS_MUNMAP}, {"mprotect", unix.SYS_MPROTECT}, {"mremap", unix.SYS_MREMAP},
	{"msync", unix.SYS_MSYNC}, {"mincore", unix.SYS_MINCORE}, {"madvise", unix.SYS_MADVISE}, {"mseal", unix.SYS_MSEAL},
	{"mlock", unix.SYS_MLOCK}, {"mlock2", unix.SYS_MLOCK2}, {"munlock", unix.SYS_MUNLOCK}, {"mlockall", unix.SYS_MLOCKALL}, {"munlockall", unix.SYS_MUNLOCKALL},
	// CUDA, WASM engines and Wayland clients need it; what it holds runs behind the same walls.
	{"memfd_create", unix.SYS_MEMFD_CREATE},
	// V8 guards its generated code with protection keys.
	{"pkey_alloc", unix.SYS_PKEY_ALLOC}, {"pkey_free", unix.SYS_PKEY_FREE}, {"pkey_mprotect", unix.SYS_PKEY_MPROTECT},
	{"map_shadow_stack", unix.SYS_MAP_SHADOW_STACK}, {"membarrier", unix.SYS_MEMBARRIER},
	{"mbind", unix.SYS_MBIND}, {"get_mempolicy", unix.SYS_GET_MEMPOLICY}, {"set_mempolicy", unix.SYS_SET_MEMPOLICY},
}

var processes = []call{
	{"execve", unix.SYS_EXECVE}, {"execveat", unix.SYS_EXECVEAT}, {"exit", unix.SYS_EXIT}, {"exit_group", unix.SYS_EXIT_GROUP},
	{"wait4", unix.SYS_WAIT4}, {"waitid", unix.SYS_WAITID}, {"pidfd_open", unix.SYS_PIDFD_OPEN},
	{"set_tid_address", unix.SYS_SET_TID_ADDRESS}, {"set_robust_list", unix.SYS_SET_ROBUST_LIST}, {"rseq", unix.SYS_RSEQ},
	{"futex", unix.SYS_FUTEX}, {"futex_waitv", unix.SYS_FUTEX_WAITV}, {"futex_wait", unix.SYS_FUTEX_WAIT}, {"futex_wake", unix.SYS_FUTEX_WAKE}, {"futex_requeue", unix.SYS_FUTEX_REQUEUE},
	{"sched_yield", unix.SYS_SCHED_YIELD}, {"sched_getaffinity", unix.SYS_SCHED_GETAFFINITY}, {"sched_getattr", unix.SYS_SCHED_GETATTR},
	{"sched_getparam", unix.SYS_SCHED_GETPARAM}, {"sched_getscheduler", unix.SYS_SCHED_GETSCHEDULER},
	{"sched_get_priority_max", unix.SYS_SCHED_GET_PRIORITY_MAX}, {"sched_get_priority_min", unix.SYS_SCHED_GET_PRIORITY_MIN},
	{"getpriority", unix.SYS_GETPRIORITY}, {"ioprio_get", unix.SYS_IOPRIO_GET}, {"getcpu", unix.SYS_GETCPU},
	{"getrlimit", unix.SYS_GETRLIMIT}, {"setrlimit", unix.SYS_SETRLIMIT}, {"getrusage", unix.SYS_GETRUSAGE}, {"times", unix.SYS_TIMES},
	{"sysinfo", unix.SYS_SYSINFO}, {"uname", unix.SYS_UNAME}, {"getrandom", unix.SYS_GETRANDOM},
}

var identity = []call{
	{"getpid", unix.SYS_GETPID}, {"getppid", unix.SYS_GETPPID}, {"gettid", unix.SYS_GETTID},
	{"getpgid", unix.SYS_GETPGID}, {"setpgid", unix.SYS_SETPGID}, {"getsid", unix.SYS_GETSID}, {"setsid", unix.SYS_SETSID},
	{"getuid", unix.SYS_GETUID}, {"geteuid", unix.SYS_GETEUID}, {"getgid", unix.SYS_GETGID}, {"getegid", unix.SYS_GETEGID},
	{"getresuid", unix.SYS_GETRESUID}, {"getresgid", unix.SYS_GETRESGID}, {"getgroups", unix.SYS_GETGROUPS}, {"setgroups", unix.SYS_SETGROUPS},
	{"setuid", unix.SYS_SETUID}, {"setgid", unix.SYS_SETGID}, {"setreuid", unix.SYS_SETREUID}, {"setregid", unix.SYS_SETREGID},
	{"setresuid", unix.SYS_SETRESUID}, {"setresgid", unix.SYS_SETRESGID},
	{"capget", unix.SYS_CAPGET}, {"capset", unix.SYS_CAPSET},
}

var signals = []call{
	{"kill", unix.SYS_KILL}, {"tkill", unix.SYS_TKILL}, {"tgkill", unix.SYS_TGKILL}, {"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL},
	{"rt_sigaction", unix.SYS_RT_SIGACTION}, {"rt_sigprocmask", unix.SYS_RT_SIGPROCMASK}, {"rt_sigpending", unix.SYS_RT_SIGPENDING},
	{"rt_sigtimedwait", unix.SYS_RT_SIGTIMEDWAIT}, {"rt_sigsuspend", unix.SYS_RT_SIGSUSPEND}, {"rt_sigreturn", unix.SYS_RT_SIGRETURN},
	{"rt_sigqueueinfo", unix.SYS_RT_SIGQUEUEINFO}, {"rt_tgsigqueueinfo", unix.SYS_RT_TGSIGQUEUEINFO}, {"sigaltstack", unix.SYS_SIGALTSTACK},
	{"restart_syscall", unix.SYS_RESTART_SYSCALL},
}

var clocks = []call{
	{"clock_gettime", unix.SYS_CLOCK_GETTIME}, {"clock_getres", unix.SYS_CLOCK_GETRES}, {"clock_nanosleep", unix.SYS_CLOCK_NANOSLEEP},
	{"nanosleep", unix.SYS_NANOSLEEP}, {"gettimeofday", unix.SYS_GETTIMEOFDAY}, {"getitimer", unix.SYS_GETITIMER}, {"setitimer", unix.SYS_SETITIMER},
	{"timer_create", unix.SYS_TIMER_CREATE}, {"timer_settime", unix.SYS_TIMER_SETTIME}, {"timer_gettime", unix.SYS_TIMER_GETTIME},
	{"timer_getoverrun", unix.SYS_TIMER_GETOVERRUN}, {"timer_delete", unix.SYS_TIMER_DELETE},
}

var sockets = []call{
	{"bind", unix.SYS_BIND}, {"listen", unix.SYS_LISTEN}, {"accept", unix.SYS_ACCEPT}, {"accept4", unix.SYS_ACCEPT4}, {"connect", unix.SYS_CONNECT},
	{"shutdown", unix.SYS_SHUTDOWN}, {"getsockname", unix.SYS_GETSOCKNAME}, {"getpeername", unix.SYS_GETPEERNAME},
	{"setsockopt", unix.SYS_SETSOCKOPT}, {"getsockopt", unix.SYS_GETSOCKOPT}, {"sendto", unix.SYS_SENDTO}, {"recvfrom", unix.SYS_RECVFROM},
	{"sendmsg", unix.SYS_SENDMSG}, {"recvmsg", unix.SYS_RECVMSG}, {"sendmmsg", unix.SYS_SENDMMSG}, {"recvmmsg", unix.SYS_RECVMMSG},
}

var ipc = []call{
	{"shmget", unix.SYS_SHMGET}, {"shmat", unix.SYS_SHMAT}, {"shmctl", unix.SYS_SHMCTL}, {"shmdt", unix.SYS_SHMDT},
	{"semget", unix.SYS_SEMGET}, {"semop", unix.SYS_SEMOP}, {"semtimedop", unix.SYS_SEMTIMEDOP}, {"semctl", unix.SYS_SEMCTL},
	{"msgget", unix.SYS_MSGGET}, {"msgsnd", unix.SYS_MSGSND}, {"msgrcv", unix.SYS_MSGRCV}, {"msgctl", unix.SYS_MSGCTL},
	{"mq_open", unix.SYS_MQ_OPEN}, {"mq_unlink", unix.SYS_MQ_UNLINK}, {"mq_timedsend", unix.SYS_MQ_TIMEDSEND},
	{"mq_timedreceive", unix.SYS_MQ_TIMEDRECEIVE}, {"mq_notify", unix.SYS_MQ_NOTIFY}, {"mq_getsetattr", unix.SYS_MQ_GETSETATTR},
}

var confining = []call{
	{"landlock_create_ruleset", unix.SYS_LANDLOCK_CREATE_RULESET}, {"landlock_add_rule", unix.SYS_LANDLOCK_ADD_RULE},
	{"landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF},
	// A second listener is EBUSY, and a filter of its own can only refuse more.
	{"seccomp", unix.SYS_SECCOMP},
}
