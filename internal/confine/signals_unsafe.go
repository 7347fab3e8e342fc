package confine

import (
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// action is the kernel's struct sigaction of amd64 and arm64.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// The two handlers that are none. See signal(7).
const (
	byDefault = 0
	ignored   = 1
)

const lastSignal = 64

// kept are the signals that the Go runtime needs itself: one wakes threads,
// one carries calls that must be made on all of them.
func kept(s int) bool {
	const allThreads = 33 // SIGRTMIN+1 as the kernel counts, see runtime/signal_unix.go
	return s == int(unix.SIGURG) || s == allThreads || s == int(unix.SIGCHLD)
}

// ignoreSignals makes signals harmless to PID 1: one of the Go runtime dies of
// many that agents may send. Ignoring in the kernel takes 20 µs; signal.Notify
// for all of them takes 3 ms. A true fault still kills, which is right.
func ignoreSignals() {
	for s := 1; s <= lastSignal; s++ {
		if !kept(s) {
			set(s, ignored) // KILL and STOP refuse, and mean nothing to PID 1
		}
	}
}

// heedSignals undoes what a process forked from PID 1 inherits of it: ignored
// signals stay ignored through exec.
func heedSignals() {
	for s := 1; s <= lastSignal; s++ {
		var now action
		if sigaction(s, nil, &now) == nil && now.handler == ignored {
			set(s, byDefault)
		}
	}
}

func set(s int, handler uintptr) { _ = sigaction(s, &action{handler: handler}, nil) }

func sigaction(s int, to, from *action) error {
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(from)), unsafe.Sizeof(action{}.mask), 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// childSignals tells of children that ended. One place is enough: reap takes
// all that there are.
func childSignals() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGCHLD)
	return c
}

// changed is a child that has ended or stopped and whose status nobody has
// taken; it stays to be taken. 0: there is none.
func changed() (pid int, ended bool) {
	var info struct { // siginfo_t of waitid(2)
		_    [2]int32
		code int32
		_    int32
		pid  int32
		_    [108]byte
	}
	const which = unix.WEXITED | unix.WSTOPPED | unix.WNOHANG | unix.WNOWAIT
	_, _, e := unix.RawSyscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)), which, 0, 0)
	if e != 0 {
		return 0, false
	}
	return int(info.pid), info.code != stopped
}

const stopped = 5 // CLD_STOPPED
