package ahead

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/nemoclaw/nemoclaw/internal/bare"
	"github.com/nemoclaw/nemoclaw/internal/launch/program"
)

// Namespaces are all that a process can have of its own, but the one of control
// groups, which init makes once package birth has moved it; see clone(2).
const Namespaces = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
	syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// MostCrash bounds the story of a crash, in bytes.
const MostCrash = 16 << 10

// Process is init's, which waits and executes nothing yet. Its calls so far close
// its copy of start, and read a byte from Wait; what it shall do then is to be
// appended. The descriptors that have names are the caller's, once it is Born; it
// must not close Program before it is Filled.
type Process struct {
	List      bare.List
	PID       int
	Null      int
	Wire, Far int // our end and init's
	Wait      int // of the pipe on which it waits
	Crash     int
	Program   int

	start int // of the pipe: of whoever of us is the last to have it go on

	told [1]byte
	two  [2]int32
}

// All memory that is used before the runtime is there, and by the thread. Nothing
// in it points to Go's.
var (
	made   = Process{PID: -1, Null: -1, Wire: -1, Far: -1, Wait: -1, start: -1, Crash: -1, Program: -1}
	state  uint32 // of the thread
	filled uint32 // whether the program is, or never will be
	going  int32  // what is there of what the process needs to go on
	placed uint32 // that the thread is where it shall be
	stack  [4096]byte
	tls    [64]byte // there is no goroutine in it
	every  = ^uint64(0)
	before uint64
	cpus   [128]uint64 // that may be used
	others [128]uint64
	cpu    uint32
)

// What state says.
const (
	nothing = iota
	working
	born
	failed
)

// Of what the process waits for, there is so much; never is more than all.
const (
	one   = 1
	all   = 2
	never = 4
)

// Begun is the process that was begun ahead; nil where none was.
func Begun() *Process {
	if atomic.LoadUint32(&state) == nothing {
		return nil
	}
	return &made
}

// Born waits until the process is there, and says whether it is. If not, what was
// made of it is given back. Its program is still being filled.
func (p *Process) Born() bool {
	if wait(&state, working) == born {
		return true
	}
	for _, fd := range []int{p.Null, p.Wire, p.Far, p.Wait, p.start, p.Crash, p.Program} {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
	}
	return false
}

// Filled waits until nobody writes to the program any more.
func (p *Process) Filled() { wait(&filled, 0) }

// Go has the process go on as soon as its program is filled, or else end: both
// once. A program that cannot be filled ends it too.
func (p *Process) Go(on bool) {
	if on {
		p.step(one)
	} else {
		p.step(never)
	}
}

// wait waits until word is not what it was, and gives what it is.
func wait(word *uint32, was uint32) uint32 {
	for {
		if is := atomic.LoadUint32(word); is != was {
			return is
		}
		_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), waitPrivate, uintptr(was), 0, 0, 0)
	}
}

// Of linux/futex.h and linux/prctl.h; see futex(2) and prctl(2).
const (
	setTimerslack = 29
	getTimerslack = 30

	waitPrivate = 0 | 128
	wakePrivate = 1 | 128
)

// The functions below run before the runtime, or on the thread: see doc.go for
// what they may not do.

// enter is not called: the linker is told that the program begins there.
func enter()

var _, _, _ = enter, begin, serve

// start makes a thread that runs serve.
func start(flags, top, tls uintptr) (tid int)

// begin begins the thread, with every signal kept from it: handlers are the
// runtime's.
//
//go:nosplit
//go:norace
func begin() {
	const set = 2 // SIG_SETMASK
	if !standard() || call(syscall.SYS_RT_SIGPROCMASK, set, address(&every), address(&before), 8) < 0 {
		return
	}
	if call(syscall.SYS_PRCTL, getTimerslack, 0, 0, 0) == bare.Usual {
		call(syscall.SYS_PRCTL, setTimerslack, bare.Calm, 0, 0) // of all threads that are still to be
	}
	atomic.StoreUint32(&state, working)
	const flags = syscall.CLONE_VM | syscall.CLONE_FS | syscall.CLONE_FILES | syscall.CLONE_SIGHAND | syscall.CLONE_THREAD | syscall.CLONE_SYSVSEM
	if tid := start(flags, (address(&stack)+unsafe.Sizeof(stack))&^15, address(&tls)+unsafe.Sizeof(tls)/2); tid > 0 {
		elsewhere(uintptr(tid))
		atomic.StoreUint32(&placed, 1)
	} else {
		atomic.StoreUint32(&state, nothing)
	}
	call(syscall.SYS_RT_SIGPROCMASK, set, address(&before), 0, 8)
}

// elsewhere moves the thread to another processor, where there is one. The kernel
// leaves it where it was made, and there it waits for this one to pause, for a
// millisecond, whatever else is idle. It may go where it likes from then on.
//
//go:nosplit
//go:norace
func elsewhere(tid uintptr) {
	size := call(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(cpus), address(&cpus), 0)
	if size <= 0 || call(sysGetcpu, address(&cpu), 0, 0, 0) < 0 {
		return
	}
	others = cpus
	others[cpu/64%uint32(len(others))] &^= 1 << (cpu % 64)
	call(syscall.SYS_SCHED_SETAFFINITY, tid, uintptr(size), address(&others), 0)
	call(syscall.SYS_SCHED_SETAFFINITY, tid, uintptr(size), address(&cpus), 0)
}

// serve is the thread.
//
//go:nosplit
//go:norace
func serve() {
	if made.open() && made.bear() {
		tell(&state, born)
		if made.fill() {
			made.step(one)
		} else {
			made.step(never)
		}
		tell(&filled, 1)
	} else {
		tell(&state, failed)
	}
	for {
		call(syscall.SYS_PPOLL, 0, 0, 0, 0)
	}
}

// tell says what came of it to who waits.
//
//go:nosplit
//go:norace
func tell(word *uint32, is uint32) {
	atomic.StoreUint32(word, is)
	call(syscall.SYS_FUTEX, address(word), wakePrivate, 1, 0)
}

// step is what each of us does once; the second has the process go on, or end: it
// waits for a byte, or for nothing more to come.
//
//go:nosplit
//go:norace
func (p *Process) step(by int32) {
	switch have := atomic.AddInt32(&going, by); {
	case have == all:
		p.told[0] = 1
		call(syscall.SYS_WRITE, uintptr(p.start), address(&p.told), 1, 0)
	case have < all || have == never:
		return // the other one will
	}
	call(syscall.SYS_CLOSE, uintptr(p.start), 0, 0, 0)
}

// standard says whether the first three descriptors are taken: one that is not
// would be given to what is made here, and then be taken for a stream. It is asked
// before the thread and the runtime are there: the runtime opens files for a moment.
//
//go:nosplit
//go:norace
func standard() bool {
	return call(syscall.SYS_FCNTL, 0, syscall.F_GETFD, 0, 0) >= 0 &&
		call(syscall.SYS_FCNTL, 1, syscall.F_GETFD, 0, 0) >= 0 &&
		call(syscall.SYS_FCNTL, 2, syscall.F_GETFD, 0, 0) >= 0
}

// open opens what the process gets, as package birth does.
//
//go:nosplit
//go:norace
func (p *Process) open() bool {
	if call(syscall.SYS_SOCKETPAIR, syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0, address(&p.two)) < 0 {
		return false
	}
	p.Wire, p.Far = int(p.two[0]), int(p.two[1])
	if call(syscall.SYS_PIPE2, address(&p.two), syscall.O_CLOEXEC, 0, 0) < 0 {
		return false
	}
	p.Wait, p.start = int(p.two[0]), int(p.two[1])
	const here = ^uintptr(99) // AT_FDCWD
	p.Null = call(syscall.SYS_OPENAT, here, letters("/dev/null\x00"), syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	p.Crash = call(program.SysMemfdCreate, letters("crash\x00"), program.MemoryFlags, 0, 0)
	p.Program = call(program.SysMemfdCreate, letters("nemoclaw-init\x00"), program.Flags, 0, 0)
	if p.Program == -int(syscall.EINVAL) { // before Linux 6.3, where every memory file can be executed
		p.Program = call(program.SysMemfdCreate, letters("nemoclaw-init\x00"), program.MemoryFlags, 0, 0)
	}
	return p.Null >= 0 && p.Crash >= 0 && p.Program >= 0 &&
		call(syscall.SYS_FTRUNCATE, uintptr(p.Crash), MostCrash, 0, 0) >= 0 &&
		call(syscall.SYS_FCNTL, uintptr(p.Crash), program.AddSeals, program.MemorySeals, 0) >= 0
}

// bear makes the process.
//
//go:nosplit
//go:norace
func (p *Process) bear() bool {
	for atomic.LoadUint32(&placed) == 0 { // or the process would be confined to where we are
		call(syscall.SYS_SCHED_YIELD, 0, 0, 0, 0)
	}
	p.List.Await(uintptr(p.start), uintptr(p.Wait), address(&p.told))
	p.PID = p.List.Bear(Namespaces)
	return p.PID > 0
}

// fill puts init's program into its file, and closes that for good.
//
//go:nosplit
//go:norace
func (p *Process) fill() bool {
	from, size := program.InPlace()
	for done := uintptr(0); done < size; {
		n := call(syscall.SYS_PWRITE64, uintptr(p.Program), from+done, size-done, done)
		if n <= 0 {
			return false
		}
		done += uintptr(n)
	}
	return size > 0 && call(syscall.SYS_FCHMOD, uintptr(p.Program), program.Mode, 0, 0) >= 0 &&
		call(syscall.SYS_FCNTL, uintptr(p.Program), program.AddSeals, program.Seals, 0) >= 0
}

// call makes a system call, and gives what the kernel does: a negative number is
// an error.
//
//go:nosplit
//go:norace
func call(nr, a1, a2, a3, a4 uintptr) int {
	got, _, e := syscall.RawSyscall6(nr, a1, a2, a3, a4, 0, 0)
	if e != 0 {
		return -int(e)
	}
	return int(got)
}

// letters is where s, which ends with a zero, lies.
//
//go:nosplit
//go:norace
func letters(s string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(s))) }

//go:nosplit
//go:norace
func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
