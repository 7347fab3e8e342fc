package filter

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Install puts every thread of this process, and all that they will start,
// behind prog. It sets no_new_privs first, without which an unprivileged
// process may not.
//
// With listener it returns the descriptor on which refused calls arrive
// (seccomp_unotify(2)), close-on-exec. Whoever answers them must be another
// process, and no copy may stay here: with a copy inside, calls hang once the
// answerer is gone; without, they fail at once with ENOSYS. Without listener it
// returns -1, and refused calls are EPERM.
//
// Error: the system call's, and nothing is installed on any thread.
func Install(prog []unix.SockFilter, listener bool) (fd int, err error) {
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH)
	if listener {
		// A caller interrupted by a signal must not make the same notification
		// again for every signal.
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	} else {
		prog = unheard(prog)
	}
	if len(prog) == 0 || len(prog) > unix.BPF_MAXINSNS {
		return -1, fmt.Errorf("install filter: %d instructions: want 1–%d", len(prog), unix.BPF_MAXINSNS)
	}

	// no_new_privs belongs to a thread until TSYNC spreads it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("install filter: set no_new_privs: %w", err)
	}
	p := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	r, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&p)))
	runtime.KeepAlive(prog)
	if e != 0 {
		return -1, fmt.Errorf("install filter: seccomp: %w", e)
	}
	if !listener {
		return -1, nil
	}
	return int(r), nil
}

// unheard answers EPERM where prog would notify: without a listener the kernel
// says ENOSYS, which reads as an old kernel and not as a refusal.
func unheard(prog []unix.SockFilter) []unix.SockFilter {
	out := slices.Clone(prog)
	for i, in := range out {
		if in == ret(Refuse) {
			out[i] = ret(denied)
		}
	}
	return out
}
