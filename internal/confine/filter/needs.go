package filter

import (
	"slices"
	"strings"
)

// needs says of every call that is allowed whatever its arguments who makes it: a
// call that nobody is known to need is no part of the table. Names that belong
// together share a line.
var needs = []struct{ calls, by string }{
	{"read write close", "everything"},
	{"readv writev", "libuv, Go's net, databases: several buffers at once"},
	{"pread64 pwrite64", "SQLite, git, linkers: read and write at a place"},
	{"preadv pwritev preadv2 pwritev2", "databases, libuv's fs"},
	{"lseek", "stdio, interpreters"},
	{"dup dup3", "shells' redirections"},
	{"fcntl", "flags, locks and seals; stdio, SQLite, git"},
	{"flock", "apt-like locks, cargo, Go's module cache"},
	{"fsync fdatasync", "databases, git, editors: what was saved stays saved"},
	{"sync syncfs", "sync(1), dpkg, databases"},
	{"sync_file_range", "git's batched fsync, RocksDB, PostgreSQL"},
	{"ftruncate truncate", "databases, linkers, editors"},
	{"fallocate", "SQLite, torrent and download programs, Go's linker"},
	{"fadvise64 readahead", "sort(1), tar(1), RocksDB"},
	{"copy_file_range", "cp(1), Node's fs.copyFile, Python's shutil, Go's io.Copy"},
	{"sendfile", "Python's shutil, Go's net, npm's tar"},
	{"splice", "Go's io.Copy between sockets, cat(1)"},
	{"pipe2", "shells, subprocesses"},
	{"getdents64", "listing folders"},
	{"fstat newfstatat statx", "stat in every libc"},
	{"fstatfs statfs", "df(1), glibc's pathconf, Node's fs.statfs"},
	{"fchdir chdir getcwd", "shells, find(1), tar(1)"},
	{"fchown fchownat", "tar(1), cp -p, npm; without capabilities only to oneself"},
	{"fgetxattr fsetxattr flistxattr fremovexattr getxattr lgetxattr setxattr lsetxattr listxattr llistxattr removexattr lremovexattr", "cp -a, rsync, tar(1), Python's shutil.copystat"},
	{"faccessat faccessat2", "test(1), git, access(3)"},
	{"readlinkat", "realpath, Node's module search"},
	{"mkdirat unlinkat renameat linkat symlinkat", "npm, git, every package manager"},
	{"utimensat", "make(1), tar(1), touch(1)"},
	{"umask", "shells, installers"},
	{"ppoll pselect6", "event loops, OpenSSH, GNU make"},
	{"epoll_create1 epoll_ctl epoll_pwait", "Node, Go, nginx, Java's NIO"},
	{"epoll_pwait2", "newer libuv and systemd libraries"},
	{"eventfd2", "libuv, Go, Chromium"},
	{"signalfd4", "Python's asyncio children, GLib"},
	{"timerfd_create timerfd_settime timerfd_gettime", "GLib, Rust's tokio, Chromium"},
	{"inotify_init1 inotify_add_watch inotify_rm_watch", "watchers of Node, cargo-watch, tail -f"},
	{"brk mmap munmap mprotect mremap", "every allocator and loader"},
	{"msync", "databases over mapped files, such as LMDB"},
	{"mincore", "Node's and Java's heap inspection, vmtouch"},
	{"madvise", "jemalloc, Go, V8: give memory back"},
	{"mseal", "newer glibc and Chromium seal what is loaded"},
	{"mlock mlock2 munlock mlockall munlockall", "GnuPG and password managers keep keys from swap; Elasticsearch its heap; bounded by an rlimit"},
	{"memfd_create", "CUDA, WASM engines, Wayland clients, container tools"},
	{"pkey_alloc pkey_free pkey_mprotect", "V8 guards its generated code"},
	{"map_shadow_stack", "glibc on processors with shadow stacks"},
	{"membarrier", "Java, .NET and liburcu"},
	{"mbind get_mempolicy set_mempolicy", "OpenBLAS, PyTorch and Java on machines with NUMA"},
	{"execve", "starting programs"},
	{"execveat", "fexecve(3), systemd-like spawners; what it runs is behind the same walls"},
	{"exit exit_group", "every end"},
	{"wait4 waitid", "shells, init programs, subprocesses"},
	{"pidfd_open", "Go's os, Python's os.pidfd_open, newer libuv"},
	{"set_tid_address set_robust_list rseq", "glibc starts every thread with them"},
	{"futex", "every lock"},
	{"futex_waitv", "Wine and newer Rust"},
	{"futex_wait futex_wake futex_requeue", "the same, of newer libraries"},
	{"sched_yield", "spin locks of Go, Java, OpenBLAS"},
	{"sched_getaffinity", "nproc(1), Go, OpenMP, Node: how many processors"},
	{"sched_getattr sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min", "glibc's threads, Java, chrt(1): read alone"},
	{"getpriority ioprio_get", "nice(1), top(1), Node's os.getPriority"},
	{"getcpu", "allocators and Java, where the vDSO has it not"},
	{"getrlimit setrlimit", "ulimit of shells, Java and Node raise their own soft limits"},
	{"getrusage times", "time(1), Node's process.cpuUsage, benchmarks"},
	{"sysinfo", "free(1), Node's os.totalmem, Go's tools"},
	{"uname", "configure, node-gyp, pip: which platform"},
	{"getrandom", "every key and every hash table"},
	{"getpid getppid gettid", "everything"},
	{"getpgid setpgid getsid setsid", "job control of shells, daemons"},
	{"getuid geteuid getgid getegid getresuid getresgid getgroups", "id(1), git's safe.directory, glibc's secure mode"},
	{"setgroups setuid setgid setreuid setregid setresuid setresgid", "su-like programs try to stay who they are: tar(1), OpenSSH, npm"},
	{"capget capset", "ping-like programs and bubblewrap ask what they have"},
	{"kill", "kill(1), shells, supervisors of processes"},
	{"tkill", "musl's raise"},
	{"tgkill", "glibc's raise and abort, Go's preemption"},
	{"pidfd_send_signal", "Go's os.Process, newer libuv"},
	{"rt_sigaction rt_sigprocmask rt_sigreturn", "every handler"},
	{"rt_sigpending rt_sigtimedwait rt_sigsuspend", "shells, Java, Perl"},
	{"rt_sigqueueinfo rt_tgsigqueueinfo", "sigqueue(3), debuggers' helpers"},
	{"sigaltstack", "Go, Rust, Java: stack overflow"},
	{"restart_syscall", "the kernel itself, after a stop"},
	{"clock_gettime clock_getres gettimeofday", "where the vDSO has it not"},
	{"clock_nanosleep nanosleep", "sleep(1), every timer"},
	{"getitimer setitimer", "profilers of Go, Perl and gprof"},
	{"timer_create timer_settime timer_gettime timer_getoverrun timer_delete", "Go's profiler, Java, PostgreSQL"},
	{"bind listen accept accept4", "servers inside: dev servers, databases, the agent's gateway"},
	{"connect", "clients; the gate sees it"},
	{"shutdown getsockname getpeername setsockopt getsockopt", "every network library"},
	{"sendto recvfrom sendmsg recvmsg", "every network library; descriptors between processes of the sandbox"},
	{"sendmmsg recvmmsg", "glibc's resolver"},
	{"shmget shmat shmctl shmdt", "X11 clients, PostgreSQL"},
	{"semget semop semtimedop semctl", "PostgreSQL, PHP, Apache"},
	{"msgget msgsnd msgrcv msgctl", "PHP and Perl bindings"},
	{"mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr", "boost.interprocess, Python's posix_ipc"},
	{"landlock_create_ruleset landlock_add_rule landlock_restrict_self", "programs that confine themselves: xz, pacman, newer OpenSSH"},
	{"seccomp", "OpenSSH, Chromium, file(1) confine themselves: a second listener is EBUSY, and a filter of its own can only refuse more"},
	{"stat lstat access readlink getdents mkdir rmdir rename link unlink symlink chown lchown utime utimes", "libuv, Go and older libcs"},
	{"poll select epoll_create epoll_wait eventfd signalfd inotify_init", "Python, Go and older libcs"},
	{"pipe dup2 fork vfork", "shells, Go, make(1)"},
	{"getpgrp pause alarm time", "shells, Perl"},
	{"arch_prctl", "thread-local storage, and the right to AMX registers"},
}

// Reason is why r is as it is: for a plain call who needs it, and what bounds it.
func (r Row) Reason() string {
	if by := neededBy(r.Name); by != "" && r.Action == Allow && len(r.Cases) == 0 {
		return by + " (" + r.Why + ")"
	}
	return r.Why
}

func neededBy(name string) string {
	for _, n := range needs {
		if slices.Contains(strings.Fields(n.calls), name) {
			return n.by
		}
	}
	return ""
}
