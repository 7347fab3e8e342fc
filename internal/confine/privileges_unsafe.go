package confine

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropCapabilities empties the permitted, effective and inheritable sets, and
// the ambient one with them. They belong to a thread, and the Go runtime has
// several, so the call is made on all. See capabilities(7).
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&none[0])), 0)
	if e != 0 {
		return act("drop", "capabilities", e)
	}
	return nil
}

// hide makes this process untouchable for others of its user, and ties it to
// its starter, which is a matter of its first thread: main is locked to it.
// Both are undone by a change of credentials, so this comes after the last
// one. See PR_SET_DUMPABLE, PR_SET_PDEATHSIG.
func hide() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return act("hide", "process", err)
	}
	return act("tie to starter", "process", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0))
}

// call names this process for people who list processes; a memory file has no
// name that means anything. At most 15 bytes, see PR_SET_NAME.
func call(name string) {
	b, err := unix.BytePtrFromString(name)
	if err == nil {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(b)), 0, 0, 0)
	}
}
