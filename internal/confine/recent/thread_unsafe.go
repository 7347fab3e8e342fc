package recent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Thread is the thread, and what it knows. It holds no pointers: it lies in
// memory of its own.
type Thread struct {
	line   int // where it is asked
	beside int // where it passes on
	diag   int // a socket of sock_diag(7)
	all    int // /proc
	first  int // where PID 1 stands in it

	held uint32 // by whom the rest is used just now: nobody, or somebody

	spawner int // whom nobody can look into
	kept    kept
	budget  int // descriptors that may be looked at for one question

	question spec.PackedQuestion
	ask      request
	told     reply
	want     text // the socket's name in /proc
	name     text // of what is looked at
	seen     text // where that leads
	stat     unix.Stat_t
	procs    entries
	entries  entries
	fds      [maxFds]int32

	id      [binary.MaxVarintLen64 + 6]byte // as it is answered; a power of two
	head    text
	tail    [maxTail]byte
	parts   [3]part // the answer: head, id, tail
	message unix.Msghdr

	stack [4 << 10]byte // the linker bounds what functions that do not grow it use, to 800 bytes
	tls   [128]byte     // where others keep their goroutine
}

// kept is the process that was found last. Its folders in /proc are this one
// process's for ever, whoever gets its number after it (proc(5)).
type kept struct {
	pid, dir, fds int // its number; /proc/PID, /proc/PID/fd; all 0 where nobody is kept
	fd            int // the descriptor that it had the socket at
	spawner       int // that the chain of parents ends with
	dev, ino      uint64
	exe           text
	n             int // of parents
	parents       [MaxParents]parent
}

type parent struct {
	dir int // /proc/PID
	exe text
}

const (
	// MaxParents bounds a chain that an agent can make as long as it likes.
	MaxParents = 32
	maxFds     = 256 // that are looked at for a question, a microsecond or two each
	maxTail    = 16 << 10
)

// part is struct iovec.
type part struct{ base, size uintptr }

// request is what sock_diag(7) is asked for one socket: struct nlmsghdr and
// struct inet_diag_req_v2.
type request struct {
	size                       uint32
	kind, flags                uint16
	seq, port                  uint32
	family, protocol, ext, pad uint8
	states                     uint32
	ends                       [36]byte
	device                     uint32
	cookie                     [2]uint32
}

// reply is what it says: struct nlmsghdr and struct inet_diag_msg.
type reply struct {
	size                          uint32
	kind, flags                   uint16
	seq, port                     uint32
	family, state, timer, retrans uint8
	ends                          [36]byte
	device                        uint32
	cookie                        [2]uint32
	expires, rqueue, wqueue       uint32
	uid, inode                    uint32
}

// Of linux/sock_diag.h and net/tcp_states.h.
const (
	byFamily  = 20 // SOCK_DIAG_BY_FAMILY
	listening = 10 // TCP_LISTEN
)

// Start starts the thread. It answers on line, with a message of package wire,
// and passes what it cannot answer on to beside, a socket that keeps packets
// apart. proc is /proc, open, with its processes from first on; diag is a socket of
// sock_diag(7) that nobody else uses. When line has ended it closes beside, and
// ends. It has the calling thread's policy of scheduling, and its limits.
func Start(line, beside, diag, proc int, first int64) (*Thread, error) {
	b, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(Thread{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("make thread: %w", err)
	}
	t := (*Thread)(unsafe.Pointer(&b[0]))
	t.line, t.beside, t.diag, t.all, t.first = line, beside, diag, proc, int(first)
	t.ask = request{
		size: uint32(unsafe.Sizeof(t.ask)), kind: byFamily, flags: unix.NLM_F_REQUEST,
		protocol: unix.IPPROTO_TCP, states: 0xffffffff, cookie: [2]uint32{0xffffffff, 0xffffffff},
	}
	t.parts[0].base, t.parts[1].base, t.parts[2].base = address(&t.head.b), address(&t.id), address(&t.tail)
	t.message.Iov = (*unix.Iovec)(unsafe.Pointer(&t.parts))
	t.message.SetIovlen(len(t.parts))
	if err := t.begin(); err != nil {
		return nil, fmt.Errorf("make thread: %w", err)
	}
	return t, nil
}

// start is clone(2); the thread calls serve.
func start(flags, top, tls uintptr, t *Thread) (tid int)

// take makes word 1, if it is 0, and says whether it was; give makes it 0 again.
// Package atomic is another one under the race detector.
//
//go:noescape
func take(word *uint32) bool

//go:noescape
func give(word *uint32)

// hold waits until the thread is between two questions, and keeps it from
// answering. That takes microseconds.
func (t *Thread) hold() (release func()) {
	for !take(&t.held) {
		runtime.Gosched()
	}
	return func() { give(&t.held) }
}

// Spawner says whom nobody can look into.
func (t *Thread) Spawner(pid int) {
	defer t.hold()()
	t.spawner = pid
}

// Process is one that was found, with its folders in /proc.
type Process struct {
	Program spec.Program
	Spawner int // that its parents end with
	Dir     int // /proc/PID
	Fds     int // /proc/PID/fd
	Parents []Parent
}

// Parent is one of its parents.
type Parent struct {
	Dir int // /proc/PID
	Exe string
}

// Close closes the folders.
func (p *Process) Close() {
	for _, fd := range []int{p.Dir, p.Fds} {
		if fd > 0 {
			unix.Close(fd)
		}
	}
	for _, up := range p.Parents {
		unix.Close(up.Dir)
	}
}

// errTooLong: names that do not fit.
var errTooLong = errors.New("too long to be kept")

// Keep makes p, found to hold the socket called want in /proc, the one that is
// answered for, in the place of the last. The folders are the thread's from
// then on. What does not hold want any more, or is something else by now, is
// not kept.
func (t *Thread) Keep(p Process, want string) {
	defer t.hold()()
	t.forget()
	if err := t.put(p, want); err != nil {
		p.Close()
		return
	}
	t.budget = maxFds
	if !t.holdsStill() || !t.same() {
		t.forget()
	}
}

func (t *Thread) put(p Process, want string) error {
	head, tail := spec.Answer(p.Program)
	k := &t.kept
	if len(tail) > len(t.tail) || len(p.Parents) > len(k.parents) || !k.exe.set(p.Program.Exe) || !t.want.set(want) || !t.head.set(string(head)) {
		return errTooLong
	}
	for i, up := range p.Parents {
		if k.parents[i].dir = up.Dir; !k.parents[i].exe.set(up.Exe) {
			return errTooLong
		}
	}
	t.parts[0].size, t.parts[2].size = uintptr(len(head)), uintptr(copy(t.tail[:], tail))
	k.dev, k.ino, k.n, k.spawner = p.Program.Dev, p.Program.Ino, len(p.Parents), p.Spawner
	k.pid, k.dir, k.fds, k.fd = p.Program.PID, p.Dir, p.Fds, 0
	return nil
}

// forget closes what is kept. The texts stay; nothing counts where pid is 0.
func (t *Thread) forget() {
	k := &t.kept
	if k.pid == 0 {
		return
	}
	unix.Close(k.dir)
	unix.Close(k.fds)
	for i := range k.n {
		unix.Close(k.parents[i].dir)
	}
	k.pid, k.n = 0, 0
}

// set makes s the text; false where it does not fit.
func (x *text) set(s string) bool {
	x.n = copy(x.b[:textMask], s)
	return x.n == len(s)
}

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
