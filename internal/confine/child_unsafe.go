package confine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A prover that is this program started anew took 2.1 ms of a cold start, most
// of it the Go runtime's. So it is a child of fork(2) alone, which makes the
// calls of two lists, nothing else, and ends in execve: between fork and exec
// there is no runtime in it, so no memory, no goroutine and no growing stack.
// Its memory is a copy of PID 1's: what it finds at an address is what stood
// there before.

// rawCall is one system call, and what came of it.
type rawCall struct {
	nr    uintptr
	args  [6]uintptr
	of    uintptr // the call, counted from 1, whose result is the first argument; 0 for none
	may   uintptr // not 0: it may fail
	got   uintptr
	errno uintptr
}

// perform makes the first n of calls. With strict it ends at one that failed
// and may not, and says which, counted from 1; else 0.
//
//go:nosplit
//go:norace
//go:nocheckptr
func perform(calls *rawCall, n uintptr, strict bool) uintptr {
	for i := uintptr(0); i < n; i++ {
		c := nth(calls, i)
		first := c.args[0]
		if c.of > 0 {
			first = nth(calls, c.of-1).got
		}
		got, _, e := unix.RawSyscall6(c.nr, first, c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		c.got, c.errno = got, uintptr(e)
		if strict && e != 0 && c.may == 0 {
			return i + 1
		}
	}
	return 0
}

//go:nosplit
//go:norace
//go:nocheckptr
func nth(calls *rawCall, i uintptr) *rawCall {
	return (*rawCall)(unsafe.Pointer(uintptr(unsafe.Pointer(calls)) + i*unsafe.Sizeof(*calls)))
}

// child is what a forked child has: its end of a socket is its descriptor 0.
type child struct {
	trials *trials
	orders *orders
	inbox  unix.Msghdr
	iov    unix.Iovec
	rights [64]byte // room for three descriptors
}

func newChild(t *trials) *child {
	c := &child{trials: t, orders: &orders{}}
	c.iov.Base = (*byte)(unsafe.Pointer(c.orders))
	c.iov.SetLen(int(unsafe.Sizeof(*c.orders)))
	c.inbox = unix.Msghdr{Iov: &c.iov, Control: &c.rights[0]}
	c.inbox.SetIovlen(1)
	c.inbox.SetControllen(len(c.rights))
	return c
}

// live is the child's whole life.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *child) live() {
	t := c.trials
	perform(&t.calls[0], t.n, false)
	_, _, e := unix.RawSyscall(unix.SYS_WRITE, 0, uintptr(unsafe.Pointer(t)), unsafe.Offsetof(t.arena))
	var n uintptr
	if e == 0 {
		n, _, e = unix.RawSyscall(unix.SYS_RECVMSG, 0, uintptr(unsafe.Pointer(&c.inbox)), unix.MSG_CMSG_CLOEXEC)
	}
	if e == 0 && n > 0 {
		o := c.orders
		for i := range uintptr(3) {
			nth(&o.calls[0], streamOrders+i).args[0] = uintptr(*(*int32)(unsafe.Add(unsafe.Pointer(&c.rights), unix.SizeofCmsghdr+4*i)))
		}
		// It returns only where it failed.
		o.failed = perform(&o.calls[0], o.n, true)
		o.errno = nth(&o.calls[0], o.failed-1).errno
		_, _, _ = unix.RawSyscall(unix.SYS_WRITE, nth(&o.calls[0], socketOrder).got, uintptr(unsafe.Pointer(o)), unsafe.Sizeof(uintptr(0))*3)
	}
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// fork makes a child that lives c, and is for a locked thread. Signals are kept
// from the child until its orders let them in: it has the handlers of a runtime
// that is not there.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(c *child) (pid int, err error) {
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return 0, err
	}
	p, _, e := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if p == 0 && e == 0 {
		c.live()
	}
	err = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	if e != 0 {
		return 0, e
	}
	return int(p), err
}
