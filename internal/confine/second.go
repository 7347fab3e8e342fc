package confine

import (
	"errors"

	"golang.org/x/sys/unix"
)

// What stands here refuses again what the filter refuses first, so that
// neither is the only one.

// limited is what this user namespace, and whatever might be made in it, gets no
// more of (namespaces(7) and fanotify(7), /proc/sys/user).
var limited = []string{
	"user_namespaces", "mnt_namespaces", "pid_namespaces", "net_namespaces", "ipc_namespaces", "uts_namespaces", "cgroup_namespaces", "time_namespaces",
	"fanotify_groups",
}

func limitOf(name string) string { return "/proc/sys/user/max_" + name }

// limitKernel closes the door through which most exploits of the kernel
// begin: a user namespace, in which one has every right. It needs
// CAP_SYS_RESOURCE in ours, and nobody inside will ever have that again.
func limitKernel() error {
	for _, name := range limited {
		fd, err := unix.Open(limitOf(name), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue // a kernel without this kind
		}
		if err != nil {
			return act("limit", name, err)
		}
		_, err = unix.Write(fd, []byte("0"))
		unix.Close(fd)
		if err != nil {
			return act("limit", name, err)
		}
	}
	return nil
}

// forgetKeys gives the calling thread, and all that is forked from it, an empty
// session keyring in the place of the operator's (session-keyring(7)).
func forgetKeys() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // 0: one without a name
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil // there are no keys here, or a filter above us keeps everybody away
	}
	return act("leave", "session keyring", err)
}
