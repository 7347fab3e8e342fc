package bare

import (
	"syscall"
	"unsafe"
)

// Call is one system call of a process, and what came of it.
type Call struct {
	nr    uintptr
	args  [6]uintptr
	from  uintptr // where a descriptor lies, an int32, that is the first argument; 0 for none
	least int     // what it must give
	got   int     // as the kernel gives it: an error number is negative
}

// most bounds the calls of a process.
const most = 256

// List is a process to be. It must be kept until the process has ended, or
// has executed something else; and what its calls point to with it, off the
// stack: in one structure with it, say.
type List struct {
	n      uintptr // of calls
	failed uintptr // the call that gave too little, counted from 1
	calls  [most]Call
}

// anything is less than every error.
const anything = -1 << 63

// Must appends a call that ends the process when it fails.
func (l *List) Must(nr uintptr, args ...uintptr) *Call { return l.add(0, nr, args) }

// May appends a call that may fail.
func (l *List) May(nr uintptr, args ...uintptr) *Call { return l.add(anything, nr, args) }

// add appends a call. The count comes last: the process may be waiting in the
// call before.
func (l *List) add(least int, nr uintptr, args []uintptr) *Call {
	c := &l.calls[l.n]
	*c = Call{nr: nr, least: least}
	copy(c.args[:], args)
	l.n++
	return c
}

// Room says whether n more calls can be appended.
func (l *List) Room(n int) bool { return int(l.n)+n <= most }

// Least says what the call must give: less ends the process.
func (c *Call) Least(n int) *Call { c.least = n; return c }

// On gives the call what d has given by then as its first argument.
func (c *Call) On(d *Call) *Call { c.from = uintptr(unsafe.Pointer(&d.got)); return c }

// OnReceived gives the call the descriptor at d, which the process has received
// by then, as its first argument.
func (c *Call) OnReceived(d *int32) *Call { c.from = uintptr(unsafe.Pointer(d)); return c }

// Got is what the call gave.
func (c *Call) Got() (int, error) {
	if c.got < 0 {
		return 0, syscall.Errno(-c.got)
	}
	return c.got, nil
}

// Failed is what the call gave that ended the process, where one has: its
// number in the list, counted from 1, and its error; 0 is no error but too
// little.
func (l *List) Failed() (call int, err syscall.Errno) {
	if l.failed == 0 {
		return 0, 0
	}
	if got := l.calls[l.failed-1].got; got < 0 {
		err = syscall.Errno(-got)
	}
	return int(l.failed), err
}

// How late a thread may be woken, in nanoseconds, that sleeps for a time: Usual is
// what the kernel gives, Calm what suits the runtime while it starts something: it
// looks after itself every 20 µs, and that takes a processor each time. It is
// passed on to every process that is made; see PR_SET_TIMERSLACK(2const).
const (
	Usual = 50_000
	Calm  = 200_000
)

// Start makes the process, a child of the calling thread, to which the caller
// is locked (runtime.LockOSThread). flags are those of clone(2); with a cgroup,
// a folder of cgroup v2, it is born in that. Every signal is kept from it until
// a call lets them in: it has the handlers of a runtime that is not there.
func Start(l *List, flags uintptr, cgroup int) (pid int, err error) {
	every, before := ^uint64(0), uint64(0)
	if e := mask(&every, &before); e != 0 {
		return 0, e
	}
	var got int
	if flags |= syscall.CLONE_VM; cgroup <= 0 {
		got = start(syscall.SYS_CLONE, flags|uintptr(syscall.SIGCHLD), 0, l)
	} else {
		a := &cloneArgs{flags: uint64(flags | cloneIntoCgroup), signal: uint64(syscall.SIGCHLD), cgroup: uint64(cgroup)}
		got = start(sysClone3, uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a), l)
	}
	e := mask(&before, nil)
	if got < 0 {
		e = syscall.Errno(-got)
	}
	if e != 0 {
		return got, e
	}
	return got, nil
}

// Await makes l, which must be empty, a process that closes shut and waits until
// it has read a byte from wait into told. It asks nothing of Go's runtime, and nor
// does Bear.
//
//go:nosplit
//go:norace
func (l *List) Await(shut, wait, told uintptr) {
	l.calls[0].nr, l.calls[0].args[0] = syscall.SYS_CLOSE, shut // or it would wait for itself
	l.calls[1].nr, l.calls[1].args[0], l.calls[1].args[1], l.calls[1].args[2] = syscall.SYS_READ, wait, told, 1
	l.calls[1].least = 1
	l.n = 2
}

// Bear is Start for a thread that the runtime does not know, and to which no
// signal comes. It gives what the kernel does: a negative number is an error.
//
//go:nosplit
//go:norace
func (l *List) Bear(flags uintptr) int {
	return start(syscall.SYS_CLONE, flags|syscall.CLONE_VM|uintptr(syscall.SIGCHLD), 0, l)
}

// start makes system call nr, which must be clone or clone3. Its child makes
// the calls of l and ends; it does not return. That l escapes to where the
// compiler cannot see keeps it off the stack, which moves.
func start(nr, a1, a2 uintptr, l *List) int

func mask(to, before *uint64) syscall.Errno {
	const set = 2 // SIG_SETMASK
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, set, uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(before)), 8, 0, 0)
	return e
}

// Of linux/sched.h; see clone(2).
const (
	sysClone3       = 435
	cloneIntoCgroup = 0x200000000
)

// cloneArgs is the kernel's struct clone_args.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, signal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// action is the kernel's struct sigaction of amd64 and arm64: by default, if it
// is empty.
type action struct{ handler, flags, restorer, mask uint64 }

var byDefault action

// HeedSignals appends what lets signals in, with nobody's handlers: a process
// that is about to execute something else needs that.
func (l *List) HeedSignals() {
	const lastSignal = 64
	for s := uintptr(1); s <= lastSignal; s++ {
		l.May(syscall.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&byDefault)), 0, 8) // KILL and STOP refuse
	}
	const set = 2 // SIG_SETMASK
	l.Must(syscall.SYS_RT_SIGPROCMASK, set, uintptr(unsafe.Pointer(&byDefault.mask)), 0, 8)
}
