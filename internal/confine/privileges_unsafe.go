package confine

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities and no_new_privs belong to a thread, and the Go runtime has
// several; so each call here is made on all of them.

// everywhere makes a system call on all threads. See syscall.AllThreadsSyscall.
func everywhere(name string, nr, a1, a2, a3 uintptr) error {
	if _, _, e := syscall.AllThreadsSyscall(nr, a1, a2, a3); e != 0 {
		return act(name, "on all threads", e)
	}
	return nil
}

// promise gives up gaining privileges by exec, for ever. See PR_SET_NO_NEW_PRIVS.
func promise() error {
	return everywhere("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
}

// dropCapabilities empties all other sets; the ambient one is emptied by the
// kernel with the permitted one. See capabilities(7).
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return everywhere("drop capabilities", unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&none[0])), 0)
}

// hide makes this process untouchable for others of its user, and ties it to
// its starter. Both are undone by a change of credentials, so this comes after
// the last one. See PR_SET_DUMPABLE, PR_SET_PDEATHSIG.
func hide() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return act("hide", "process", err)
	}
	return everywhere("tie to starter", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
}
