package recent

import (
	"io"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// All functions here run on the thread: see doc.go for what they may not do.
// Indexes are masked, so that the compiler need not check them; none is ever
// beyond its mask.

// serve is the thread.
//
//go:nosplit
//go:norace
func serve(t *Thread) {
	for {
		n := call(unix.SYS_RECVFROM, t.line, address(&t.question), spec.QuestionSize, 0)
		if n == interrupted {
			continue
		}
		if n != spec.QuestionSize || !t.answer() && !t.passOn() {
			break // the end of the supervisor, or of us
		}
	}
	call(unix.SYS_SHUTDOWN, t.line, unix.SHUT_RDWR, 0, 0)
	call(unix.SYS_CLOSE, t.beside, 0, 0, 0)
	for {
		call(unix.SYS_EXIT, 0, 0, 0, 0)
	}
}

// call makes a system call, and gives what the kernel does: a negative number is
// an error.
//
//go:nosplit
//go:norace
func call(nr uintptr, fd int, a2, a3, a4 uintptr) int {
	got, _, e := syscall.RawSyscall6(nr, uintptr(fd), a2, a3, a4, 0, 0)
	if e != 0 {
		return -int(e)
	}
	return int(got)
}

const interrupted = -int(unix.EINTR)

// passOn lets others answer.
//
//go:nosplit
//go:norace
func (t *Thread) passOn() bool {
	for {
		n := call(unix.SYS_SENDTO, t.beside, address(&t.question), spec.QuestionSize, unix.MSG_NOSIGNAL)
		if n != interrupted {
			return n == spec.QuestionSize
		}
	}
}

// answer answers the question, if it is sure at once who it is.
//
//go:nosplit
//go:norace
func (t *Thread) answer() bool {
	if !take(&t.held) {
		return false
	}
	t.budget = maxFds
	k := &t.kept
	ok := k.pid != 0 && k.spawner == t.spawner && t.socket() && t.holdsNow() && t.alone() && t.same() &&
		t.leads(k.fds, k.fd) && // still: it may have given the socket away, and executed something else
		t.say()
	give(&t.held)
	return ok
}

// socket asks the kernel for the socket's number, and makes its name of it.
//
//go:nosplit
//go:norace
func (t *Thread) socket() bool {
	ask := &t.ask
	ask.seq++
	ask.family = t.question[8]
	ask.ends = *(*[36]byte)(unsafe.Pointer(&t.question[12]))
	if call(unix.SYS_SENDTO, t.diag, address(ask), unsafe.Sizeof(*ask), 0) < 0 {
		return false
	}
	for {
		n := call(unix.SYS_RECVFROM, t.diag, address(&t.told), unsafe.Sizeof(t.told), 0)
		if n == interrupted || n >= 0 && t.told.seq != ask.seq { // of a question that was given up
			continue
		}
		told := &t.told
		if n != int(unsafe.Sizeof(*told)) || told.kind != byFamily || told.state == listening || told.inode == 0 {
			return false
		}
		t.want.n = 0
		t.want.add("socket:[")
		t.want.number(uint64(told.inode))
		t.want.add("]")
		return true
	}
}

// holdsNow says whether the process that is kept has the socket: where it had
// the last, or at its newest descriptors.
//
//go:nosplit
//go:norace
func (t *Thread) holdsNow() bool {
	return t.leads(t.kept.fds, t.kept.fd) || t.holdsStill()
}

// holdsStill looks at all of its descriptors.
//
//go:nosplit
//go:norace
func (t *Thread) holdsStill() bool {
	if call(unix.SYS_LSEEK, t.kept.fds, 0, io.SeekStart, 0) < 0 {
		return false
	}
	fd := t.find(t.kept.fds)
	if fd < 0 {
		return false
	}
	t.kept.fd = fd
	return true
}

// leads says whether descriptor fd in the folder fds leads to the socket.
//
//go:nosplit
//go:norace
func (t *Thread) leads(fds, fd int) bool {
	t.name.n = 0
	t.name.number(uint64(fd))
	return t.follow(fds, address(t.name.end())) && t.seen.is(&t.want)
}

// follow sees where the symbolic link name in the folder dir leads.
//
//go:nosplit
//go:norace
func (t *Thread) follow(dir int, name uintptr) bool {
	t.seen.n = call(unix.SYS_READLINKAT, dir, name, address(&t.seen.b), textMask)
	return t.seen.n > 0 && t.seen.n < textMask
}

// What find gives where there is no descriptor.
const (
	none   = -1
	unsure = -2
)

// find looks for the socket among the descriptors in fds, an open folder, from
// where it stands: the newest first, since what is asked about has just been
// opened.
//
//go:nosplit
//go:norace
func (t *Thread) find(fds int) int {
	n := 0
	for got := 1; got > 0; { // who is stopped and goes on has read less than there was room for
		if got = call(unix.SYS_GETDENTS64, fds, address(&t.entries), entriesSize, 0); got < 0 {
			return unsure
		}
		for at := 0; at < got; at += t.entries.size(at) {
			fd := t.entries.number(at)
			if fd < 0 {
				continue
			}
			if n == maxFds {
				return unsure
			}
			t.fds[n&(maxFds-1)] = int32(fd)
			n++
		}
	}
	for n--; n >= 0; n-- {
		if t.budget--; t.budget < 0 {
			return unsure
		}
		// A descriptor that is closed meanwhile is none.
		if fd := int(t.fds[n&(maxFds-1)]); t.leads(fds, fd) {
			return fd
		}
	}
	return none
}

// alone says whether no other process has the socket. One that cannot be read
// might.
//
//go:nosplit
//go:norace
func (t *Thread) alone() bool {
	if call(unix.SYS_LSEEK, t.all, uintptr(t.first), io.SeekStart, 0) < 0 {
		return false
	}
	for got := 1; got > 0; {
		if got = call(unix.SYS_GETDENTS64, t.all, address(&t.procs), entriesSize, 0); got < 0 {
			return false
		}
		for at := 0; at < got; at += t.procs.size(at) {
			pid := t.procs.number(at)
			if pid > 1 && pid != t.spawner && pid != t.kept.pid && !t.without(pid) {
				return false
			}
		}
	}
	return true
}

// without says whether process pid has no such descriptor.
//
//go:nosplit
//go:norace
func (t *Thread) without(pid int) bool {
	t.name.n = 0
	t.name.number(uint64(pid))
	t.name.add("/fd")
	dir := call(unix.SYS_OPENAT, t.all, address(t.name.end()), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if dir < 0 {
		return false
	}
	found := t.find(dir)
	call(unix.SYS_CLOSE, dir, 0, 0, 0)
	return found == none
}

// same says whether the process, and its parents, are still what they were.
//
//go:nosplit
//go:norace
func (t *Thread) same() bool {
	k := &t.kept
	exe := address(unsafe.StringData("exe\x00"))
	if !t.follow(k.dir, exe) || !t.seen.is(&k.exe) {
		return false
	}
	if call(unix.SYS_NEWFSTATAT, k.dir, exe, address(&t.stat), 0) < 0 || t.stat.Dev != k.dev || t.stat.Ino != k.ino {
		return false
	}
	for i := 0; i < k.n; i++ { // one that has ended is read no more
		up := &k.parents[i&(MaxParents-1)]
		if !t.follow(up.dir, exe) || !t.seen.is(&up.exe) {
			return false
		}
	}
	return true
}

// say sends the answer, unless it would have to wait: others can do that, and
// hold nothing meanwhile.
//
//go:nosplit
//go:norace
func (t *Thread) say() bool {
	id, n := *(*uint64)(unsafe.Pointer(&t.question)), uintptr(0)
	for ; id >= 0x80; id >>= 7 {
		t.id[n&15] = byte(id) | 0x80
		n++
	}
	t.id[n&15] = byte(id)
	t.parts[1].size = n + 1
	for {
		n := call(unix.SYS_SENDMSG, t.line, address(&t.message), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0)
		if n != interrupted {
			return n > 0
		}
	}
}
