package confine

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// orders are what makes a child the command: calls that all must succeed, the
// last of them execve. PID 1 writes them where the child will read them: both
// have them at the same address.
type orders struct {
	n      uintptr // of calls
	failed uintptr // told by the child: which call failed, counted from 1
	errno  uintptr // and why

	calls [mostOrders]rawCall
	arena // last: the rest of it is not sent
}

const (
	mostOrders   = 160
	socketOrder  = 0 // this call, counted from 0, moves the socket out of the way
	streamOrders = 1 // the three from this one on place the streams
)

// add appends a call.
func (o *orders) add(may bool, nr uintptr, args ...uintptr) {
	c := &o.calls[o.n]
	*c = rawCall{nr: nr}
	copy(c.args[:], args)
	if may {
		c.may = 1
	}
	o.n++
}

// list puts a vector of texts, as execve(2) wants it; 0 where there is no room.
func (a *arena) list(all []string) uintptr {
	b := a.room((len(all) + 1) * int(unsafe.Sizeof(uintptr(0))))
	if b == nil {
		return 0
	}
	v := unsafe.Slice((*uintptr)(unsafe.Pointer(unsafe.SliceData(b))), len(all)+1)
	for i, s := range all {
		if v[i] = a.text(s); v[i] == 0 {
			return 0
		}
	}
	return at(b)
}

// become orders a child to execute what p says, under limits, with the three
// descriptors that come beside the orders as its streams. It says whether
// there was room.
func (o *orders) become(argv []string, p place, limits []spec.Rlimit) bool {
	exe, dir, args, env := o.text(p.exe), o.text(p.dir), o.list(argv), o.list(p.env)
	handler := o.room(int(unsafe.Sizeof(action{})))
	if exe == 0 || dir == 0 || args == 0 || env == 0 || handler == nil || len(limits) > 32 {
		return false
	}
	// Where the child has its socket while descriptor 0 is the command's.
	o.add(false, unix.SYS_FCNTL, 0, unix.F_DUPFD_CLOEXEC, 3)
	for to := range uintptr(3) {
		o.add(false, unix.SYS_DUP3, 0, to, 0) // from where it was received, which the child fills in
	}
	for _, l := range limits {
		b := o.room(int(unsafe.Sizeof(unix.Rlimit{})))
		if b == nil {
			return false
		}
		*(*unix.Rlimit)(unsafe.Pointer(unsafe.SliceData(b))) = unix.Rlimit{Cur: l.Soft, Max: l.Hard}
		o.add(false, unix.SYS_PRLIMIT64, 0, uintptr(l.Resource), at(b), 0)
	}
	// Ignored signals stay ignored through exec.
	for s := 1; s <= lastSignal; s++ {
		o.add(true, unix.SYS_RT_SIGACTION, uintptr(s), at(handler), 0, 8)
	}
	none := o.room(8)
	if none == nil {
		return false
	}
	o.add(false, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, at(none), 0, 8)
	o.add(false, unix.SYS_CHDIR, dir)
	o.add(false, unix.SYS_EXECVE, exe, args, env)
	return true
}

// bytes are what the child is sent.
func (o *orders) bytes() []byte {
	whole := unsafe.Sizeof(*o) - mostData + o.used
	return unsafe.Slice((*byte)(unsafe.Pointer(o)), whole)
}
