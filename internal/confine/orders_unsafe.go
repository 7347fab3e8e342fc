package confine

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// inbox is where the prover receives the descriptors of the command that it is
// to become.
type inbox struct {
	header unix.Msghdr
	iov    unix.Iovec
	word   [1]byte
	rights [unix.SizeofCmsghdr + 4*4]byte // of three descriptors, padded
}

// stream is where descriptor i arrives.
func (b *inbox) stream(i int) *int32 {
	return (*int32)(unsafe.Pointer(&b.rights[unix.SizeofCmsghdr+4*i]))
}

// tell appends that the prover says so when it has tried everything.
func (t *trials) tell() {
	t.Must(unix.SYS_WRITE, 0, uintptr(unsafe.Pointer(&t.inbox.word)), uintptr(len(t.inbox.word)))
}

// receive appends that the prover waits for them. What it is to do then is
// appended while it waits.
func (t *trials) receive() {
	b := &t.inbox
	b.iov.Base = &b.word[0]
	b.iov.SetLen(len(b.word))
	b.header = unix.Msghdr{Iov: &b.iov, Control: &b.rights[0]}
	b.header.SetIovlen(1)
	b.header.SetControllen(len(b.rights))
	t.Must(unix.SYS_RECVMSG, 0, uintptr(unsafe.Pointer(&b.header)), unix.MSG_CMSG_CLOEXEC).Least(1)
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

// limit appends limits. One for which there is no room ends the prover.
func (t *trials) limit(limits []spec.Rlimit) {
	for _, l := range limits {
		var where uintptr
		if b := t.room(int(unsafe.Sizeof(unix.Rlimit{}))); b != nil {
			*(*unix.Rlimit)(unsafe.Pointer(unsafe.SliceData(b))) = unix.Rlimit{Cur: l.Soft, Max: l.Hard}
			where = at(b)
		}
		t.Must(unix.SYS_PRLIMIT64, 0, uintptr(l.Resource), where, 0)
	}
}

// become appends the orders to execute what p says, with the descriptors that
// come as its streams. All of them must succeed. It says whether there was
// room; without, nothing was appended.
func (t *trials) become(argv []string, p place) bool {
	exe, dir, args, env := t.text(p.exe), t.text(p.dir), t.list(argv), t.list(p.env)
	if exe == 0 || dir == 0 || args == 0 || env == 0 || !t.Room(6) {
		return false
	}
	// Out of the way of what becomes descriptor 0; it ends with execve.
	t.Must(unix.SYS_FCNTL, 0, unix.F_DUPFD_CLOEXEC, 3)
	for to := range 3 {
		t.Must(unix.SYS_DUP3, 0, uintptr(to), 0).OnReceived(t.inbox.stream(to))
	}
	t.Must(unix.SYS_CHDIR, dir)
	t.Must(unix.SYS_EXECVE, exe, args, env)
	return true
}
