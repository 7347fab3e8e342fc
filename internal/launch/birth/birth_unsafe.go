package birth

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/nemoclaw/nemoclaw/internal/bare"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth/ahead"
	"github.com/nemoclaw/nemoclaw/internal/launch/program"
)

// Options say who init is, and where.
type Options struct {
	// User says who the sandbox's user is on the host, when root starts it.
	// Without root it is not asked: then it is you.
	User func() (uid, gid uint32, err error)
	// Cgroup is a folder of cgroup v2, opened, in which init is born; 0 for none.
	Cgroup int
	// Join moves init's process into the control groups of the host, before it
	// does anything. nil for none.
	Join func(pid int) error
	// Program is what it executes. nil makes init's, which is then the Child's.
	Program *program.Program
	// Ahead is what package ahead has begun, to be taken over. With it Cgroup and
	// Program must not be there. nil where it has begun nothing.
	Ahead *ahead.Process
}

// Child is init's process. It waits for its spec. Its fields are there when
// Wait has returned.
type Child struct {
	PID      int
	Wire     int // our end
	Crash    int // a memory file, in which a crash is told
	Program  *program.Program
	UID, GID uint32

	o      Options
	list   *bare.List
	ends   ends
	labour *labour
	told   [1]byte // what release writes
	cloned atomic.Bool
	known  chan error    // gets why there is no user, or nil
	born   chan struct{} // closed when err or the process is there
	err    error
	attend chan func()
}

// Error is why there is no init.
type Error struct {
	Step Step
	Err  error
}

// Step is a part of the birth that failed.
type Step string

// The steps that mean something to the operator.
const (
	Prepare    Step = "prepare init"
	Namespaces Step = "make namespaces"
	Group      Step = "move init to its control group"
)

func (e *Error) Error() string { return string(e.Step) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// MostCrash bounds the story of a crash, in bytes.
const MostCrash = ahead.MostCrash

// Begin begins to make init's process, and does part of the work; what is left
// goes on beside the caller. The process executes init's program.
func Begin(o Options) *Child {
	if o.Ahead != nil {
		if c := adopt(o); c != nil {
			return c
		}
		o.Ahead = nil // or release would have that go on, and not ours
	}
	c := &Child{Wire: -1, Crash: -1, Program: o.Program, o: o, known: make(chan error, 1), born: make(chan struct{}), attend: make(chan func(), 1)}
	if c.Program == nil {
		c.Program = program.Init()
	}
	if err := c.prepare(); err != nil {
		if o.Program == nil {
			c.Program.Fill(nil) // nobody else does, and Close waits for that
		}
		c.fail(Prepare, err)
		return c
	}
	c.list = &bare.List{}
	c.list.Await(uintptr(c.ends.start), uintptr(c.ends.wait), uintptr(unsafe.Pointer(&c.told)))
	c.labour = labourOf(c)
	go c.bear()
	c.known <- c.findUser()
	if o.Program == nil {
		c.Program.Fill(&c.cloned) // until the other one can
	}
	return c
}

// Wait waits until the process executes init's program. Every error is an
// *Error, and leaves nothing running. What goes wrong from then on ends the
// wire, and Failed says what it was.
func (c *Child) Wait() error {
	<-c.born
	return c.err
}

// Attend runs f once, on the thread that made the process, which lasts as long
// as f runs. f waits for the process to end; if Attend is not called, the
// thread waits for ever.
func (c *Child) Attend(f func()) { c.attend <- f }

// bear makes the process from a thread that lasts as long as the process does:
// the kernel kills init when the thread that started it ends.
func (c *Child) bear() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, err := bare.Start(c.list, ahead.Namespaces, c.o.Cgroup)
	c.cloned.Store(true)
	if c.o.Program == nil {
		c.Program.Fill(nil)
	}
	c.PID = pid
	unknown := <-c.known
	if err != nil {
		c.fail(Namespaces, err)
		return
	}
	if c.letGo(unknown) {
		(<-c.attend)()
	}
}

// adopt takes a process over that waits already; nil where it has come to
// nothing. It is the child of a thread that lasts as long as this program.
func adopt(o Options) *Child {
	a := o.Ahead
	c := &Child{o: o, born: make(chan struct{}), attend: make(chan func(), 1)}
	unknown := c.findUser() // while the rest of it is made
	if !a.Born() {
		return nil
	}
	c.PID, c.Wire, c.Crash, c.Program = a.PID, a.Wire, a.Crash, program.Filling(a.Program, a.Filled)
	c.list, c.ends = &a.List, ends{a.Null, a.Far, a.Wait, -1}
	c.labour = labourOf(c)
	if c.letGo(unknown) {
		go func() { (<-c.attend)() }()
	}
	return c
}

// letGo lets the process execute init, and says whether it does.
func (c *Child) letGo(unknown error) bool {
	if step, err := c.release(unknown); err != nil {
		if c.o.Ahead != nil {
			c.o.Ahead.Go(false)
		}
		c.ends.close() // it waits in vain, and ends
		waitFor(c.PID)
		c.fail(step, err)
		return false
	}
	c.ends.close()
	close(c.born)
	return true
}

func (c *Child) fail(step Step, err error) {
	c.err = &Error{step, err}
	c.ends.close()
	for _, fd := range []int{c.Wire, c.Crash} {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
	}
	close(c.born)
}

func (c *Child) findUser() (err error) {
	if !isRoot() {
		c.UID, c.GID = uint32(syscall.Getuid()), uint32(syscall.Getgid())
		return nil
	}
	c.UID, c.GID, err = c.o.User()
	return err
}

// release lets the process go on, when its program is there and its user, who
// may be unknown, is mapped.
func (c *Child) release(unknown error) (Step, error) {
	if unknown != nil {
		return Prepare, unknown
	}
	if err := c.mapUser(); err != nil {
		return Namespaces, err
	}
	if c.o.Ahead != nil {
		c.o.Ahead.Go(true)
		return "", nil
	}
	if _, err := c.Program.File(); err != nil {
		return Prepare, err
	}
	if c.o.Join != nil {
		if err := c.o.Join(c.PID); err != nil {
			return Group, err
		}
	}
	_, err := syscall.Write(c.ends.start, []byte{1})
	return Prepare, err
}

// mapUser makes the sandbox's user the only one that there is inside. See
// user_namespaces(7).
func (c *Child) mapUser() error {
	at := "/proc/" + decimal(uint64(c.PID))
	if !isRoot() {
		// Who is not root cannot leave their groups, and may map one only so.
		if err := write(at+"/setgroups", "deny"); err != nil {
			return err
		}
	}
	if err := write(at+"/uid_map", decimal(insideUID)+" "+decimal(uint64(c.UID))+" 1"); err != nil {
		return err
	}
	return write(at+"/gid_map", decimal(insideGID)+" "+decimal(uint64(c.GID))+" 1")
}

// Failed is the error of the step that ended the process before it was init;
// nil where none did.
func (c *Child) Failed() error {
	call, err := c.list.Failed()
	if call == 0 {
		return nil
	}
	return &Error{Namespaces, os.NewSyscallError("step "+decimal(uint64(call))+" of init", err)}
}

func isRoot() bool { return syscall.Geteuid() == 0 }

func waitFor(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}

func write(name, text string) error {
	fd, err := syscall.Open(name, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err == nil {
		_, err = syscall.Write(fd, []byte(text))
		_ = syscall.Close(fd)
	}
	if err != nil {
		return &os.PathError{Op: "write", Path: name, Err: err}
	}
	return nil
}

func decimal(n uint64) string {
	var b [20]byte
	i := len(b)
	for i--; ; i-- {
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}

// ends are what the process gets, and what starts it.
type ends struct {
	null, far   int
	wait, start int // of a pipe
}

func (e *ends) close() {
	for _, fd := range []*int{&e.null, &e.far, &e.wait, &e.start} {
		if *fd >= 0 {
			_ = syscall.Close(*fd)
		}
		*fd = -1
	}
}

// prepare opens what the process gets.
func (c *Child) prepare() error {
	e := &c.ends
	*e = ends{-1, -1, -1, -1}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	c.Wire, e.far = pair[0], pair[1]
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	e.wait, e.start = pipe[0], pipe[1]
	if e.null, err = syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	c.Crash, err = program.Memory("crash", MostCrash)
	return err
}

// labour is what the process does until it is init: the calls, and what they
// point to.
type labour struct {
	head   [8]byte // capabilities, see capset(2)
	rights [2]rights
	root   [2]byte
	empty  [1]byte
	name   [16]byte
	argv   [2]*byte
	envp   [1]*byte
	vsock  [len(vsockMode) + 1]byte
	own    [len(vsockOwn)]byte
}

type rights struct{ effective, permitted, inheritable uint32 }

// needed are the capabilities that init has in its own namespaces until it has
// built the walls.
var needed = [...]uintptr{capSysAdmin, capNetAdmin, capNetBindService, capSetpcap, capSysResource}

// labourOf lists what follows when it has waited: keep away from the hypervisor,
// become the sandbox's user, keep what is needed, die with the starter, take the
// wire as descriptor 3, execute init.
func labourOf(c *Child) *labour {
	w, l := &labour{root: [2]byte{'/'}}, c.list
	if vsockDivides() {
		w.part(l)
	}
	l.Must(syscall.SYS_SETSID)
	if isRoot() {
		l.Must(syscall.SYS_SETGROUPS, 0, 0) // root's own must not come along
		l.Must(syscall.SYS_SETGID, insideGID)
		l.Must(syscall.SYS_SETUID, insideUID)
	}
	w.keep(l)
	l.Must(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(&w.root)))
	// After the last change of user, which undoes it.
	l.Must(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL))
	// Out of the way of what is put below them.
	const aside = 10
	var from [5]*bare.Call
	for i, fd := range []int{c.ends.null, c.ends.null, c.Crash, c.ends.far, c.Program.Descriptor()} {
		from[i] = l.Must(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, aside)
	}
	streams, exe := from[:4], from[4]
	for to, call := range streams {
		l.Must(syscall.SYS_DUP3, 0, uintptr(to), 0).On(call)
	}
	l.HeedSignals()
	copy(w.name[:], "nemoclaw-init")
	w.argv[0] = &w.name[0]
	l.Must(sysExecveat, 0, uintptr(unsafe.Pointer(&w.empty)), uintptr(unsafe.Pointer(&w.argv)), uintptr(unsafe.Pointer(&w.envp)), atEmptyPath).On(exe)
	return w
}

// Since Linux 7.0 a network namespace can have sockets to the hypervisor (vsock(7))
// of its own, that lead nowhere else, if the namespace in which it is made says so.
// See Documentation/admin-guide/sysctl/net.rst, "/proc/sys/net/vsock".
const (
	vsockMode = "/proc/sys/net/vsock/child_ns_mode"
	vsockOwn  = "local"
)

// vsockDivides says whether this kernel can divide them, and lets a namespace say
// it: in a container /proc/sys may be read-only.
func vsockDivides() bool {
	var fs syscall.Statfs_t
	return syscall.Statfs(vsockMode, &fs) == nil && fs.Flags&syscall.MS_RDONLY == 0
}

// part makes a second network namespace in the place of the first, which has those
// of the machine: what the machine's own says is its operator's, and cannot be
// unsaid.
func (w *labour) part(l *bare.List) {
	copy(w.vsock[:], vsockMode)
	copy(w.own[:], vsockOwn)
	mode := l.Must(syscall.SYS_OPENAT, 0, uintptr(unsafe.Pointer(&w.vsock)), syscall.O_WRONLY|syscall.O_CLOEXEC)
	l.Must(syscall.SYS_WRITE, 0, uintptr(unsafe.Pointer(&w.own)), uintptr(len(w.own))).On(mode).Least(len(w.own))
	l.Must(syscall.SYS_UNSHARE, syscall.CLONE_NEWNET)
}

// keep keeps the capabilities that are needed, through execve too: as the
// ambient set (capabilities(7)).
func (w *labour) keep(l *bare.List) {
	*(*uint32)(unsafe.Pointer(&w.head)) = capVersion3
	for _, n := range needed {
		r := &w.rights[n/32]
		r.effective |= 1 << (n % 32)
		r.permitted, r.inheritable = r.effective, r.effective
	}
	l.Must(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&w.head)), uintptr(unsafe.Pointer(&w.rights)))
	for _, n := range needed {
		l.Must(syscall.SYS_PRCTL, prCapAmbient, prCapAmbientRaise, n)
	}
}
