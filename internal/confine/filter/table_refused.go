package filter

import "golang.org/x/sys/unix"

// silent lists the calls that honest libraries try first and can do without.
func silent(l *list) {
	l.all(Absent, "its requests pass no filter: socket, connect and openat by another road", uring...)
	l.all(Absent, "its flags hide behind a pointer; libraries fall back to clone", call{"clone3", unix.SYS_CLONE3})
	l.all(Absent, "its mode, with setuid bits, hides behind a pointer; libraries fall back to openat", call{"openat2", unix.SYS_OPENAT2})
	l.all(Absent, "they tell the sources of mounts, which are paths of the host", call{"statmount", unix.SYS_STATMOUNT}, call{"listmount", unix.SYS_LISTMOUNT})
	l.all(Errno(unix.EPERM), "lends the caller's pages to a pipe; nobody needs it, programs fall back to write", call{"vmsplice", unix.SYS_VMSPLICE})
}

var uring = []call{
	{"io_uring_setup", unix.SYS_IO_URING_SETUP}, {"io_uring_enter", unix.SYS_IO_URING_ENTER}, {"io_uring_register", unix.SYS_IO_URING_REGISTER},
}

// refused lists the dangerous calls: each attempt is an event.
func refused(l *list) {
	l.all(Refuse, "reads, writes or drives another process", intruding...)
	l.all(Refuse, "changes the root that was built for it", mounting...)
	l.all(Refuse, "opens a file by its handle, past every folder above it", handles...)
	l.all(Refuse, "joins another namespace", call{"setns", unix.SYS_SETNS})
	l.all(Refuse, "code or measuring inside the kernel", kernel...)
	l.all(Refuse, "keys of the user who started the sandbox", keys...)
	l.all(Refuse, "belongs to the whole machine", machine...)
}

var intruding = []call{
	{"ptrace", unix.SYS_PTRACE}, {"process_vm_readv", unix.SYS_PROCESS_VM_READV}, {"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV},
	{"pidfd_getfd", unix.SYS_PIDFD_GETFD}, {"kcmp", unix.SYS_KCMP},
}

var mounting = []call{
	{"mount", unix.SYS_MOUNT}, {"umount2", unix.SYS_UMOUNT2}, {"pivot_root", unix.SYS_PIVOT_ROOT}, {"chroot", unix.SYS_CHROOT},
	{"open_tree", unix.SYS_OPEN_TREE}, {"open_tree_attr", unix.SYS_OPEN_TREE_ATTR}, {"move_mount", unix.SYS_MOVE_MOUNT},
	{"fsopen", unix.SYS_FSOPEN}, {"fsconfig", unix.SYS_FSCONFIG}, {"fsmount", unix.SYS_FSMOUNT}, {"fspick", unix.SYS_FSPICK},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR},
}

var handles = []call{
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT}, {"name_to_handle_at", unix.SYS_NAME_TO_HANDLE_AT},
	{"fanotify_init", unix.SYS_FANOTIFY_INIT}, {"fanotify_mark", unix.SYS_FANOTIFY_MARK},
}

var kernel = []call{
	{"bpf", unix.SYS_BPF}, {"perf_event_open", unix.SYS_PERF_EVENT_OPEN}, {"userfaultfd", unix.SYS_USERFAULTFD}, {"lookup_dcookie", unix.SYS_LOOKUP_DCOOKIE},
	{"init_module", unix.SYS_INIT_MODULE}, {"finit_module", unix.SYS_FINIT_MODULE}, {"delete_module", unix.SYS_DELETE_MODULE},
	{"kexec_load", unix.SYS_KEXEC_LOAD}, {"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD}, {"syslog", unix.SYS_SYSLOG},
}

var keys = []call{
	{"add_key", unix.SYS_ADD_KEY}, {"request_key", unix.SYS_REQUEST_KEY}, {"keyctl", unix.SYS_KEYCTL},
}

var machine = []call{
	{"reboot", unix.SYS_REBOOT}, {"swapon", unix.SYS_SWAPON}, {"swapoff", unix.SYS_SWAPOFF}, {"acct", unix.SYS_ACCT},
	{"quotactl", unix.SYS_QUOTACTL}, {"quotactl_fd", unix.SYS_QUOTACTL_FD}, {"nfsservctl", unix.SYS_NFSSERVCTL}, {"vhangup", unix.SYS_VHANGUP},
	{"sethostname", unix.SYS_SETHOSTNAME}, {"setdomainname", unix.SYS_SETDOMAINNAME},
	{"settimeofday", unix.SYS_SETTIMEOFDAY}, {"clock_settime", unix.SYS_CLOCK_SETTIME}, {"adjtimex", unix.SYS_ADJTIMEX}, {"clock_adjtime", unix.SYS_CLOCK_ADJTIME},
}
