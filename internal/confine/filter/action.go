package filter

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Action is what becomes of a call: the value that the filter returns to the
// kernel, SECCOMP_RET_* of seccomp(2). The zero Action kills the thread.
type Action uint32

// The actions of the table.
const (
	Allow  Action = unix.SECCOMP_RET_ALLOW
	Refuse Action = unix.SECCOMP_RET_USER_NOTIF
	Kill   Action = unix.SECCOMP_RET_KILL_PROCESS
	Absent Action = unix.SECCOMP_RET_ERRNO | Action(unix.ENOSYS)
	denied Action = unix.SECCOMP_RET_ERRNO | Action(unix.EPERM)
)

// Errno answers e without telling anybody.
func Errno(e unix.Errno) Action {
	return unix.SECCOMP_RET_ERRNO | Action(e)&unix.SECCOMP_RET_DATA
}

// String says it in one word or two: "allow", "refuse", "ENOSYS".
func (a Action) String() string {
	switch {
	case a == Allow:
		return "allow"
	case a == Refuse:
		return "refuse"
	case a == Kill:
		return "kill"
	case a&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO:
		return unix.ErrnoName(unix.Errno(a & unix.SECCOMP_RET_DATA))
	}
	return fmt.Sprintf("action %#x", uint32(a))
}
