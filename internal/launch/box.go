package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth"
)

// Box is a running sandbox, whose walls were proved. Its methods may be called
// at the same time.
type Box struct {
	wire    *wire.Conn
	child   *birth.Child
	pid     int
	sockets []Handed
	line    *Line
	notify  *os.File
	proofs  []spec.Proof
	abi     int

	done  chan struct{} // closed when init is gone, and with it everything inside
	ended syscall.WaitStatus
	heard chan struct{} // closed when listen has heard the last word
	crash []byte        // what init said, which is only ever the story of a crash

	mu      sync.Mutex
	last    uint64              // ID of the last question; protected by mu
	asked   map[uint64]question // protected by mu
	running map[uint64]*Process // protected by mu
	gone    bool                // init was waited for; protected by mu
	listens bool                // listen runs, or has; protected by mu
	dialers map[bool][]int      // unconnected sockets, IPv6 or not; protected by mu
}

// Handed is one socket that init made inside. The supervisor owns the file.
type Handed struct {
	spec.Socket
	File *os.File
}

func handed(s spec.Socket, fd int) Handed {
	return Handed{s, os.NewFile(uintptr(fd), string(s.Use))}
}

// question waits for one reply.
type question struct {
	answer chan<- reply
	run    *Process // what is running once the answer is "started"
}

// reply is what answers a question.
type reply struct {
	m   spec.Message
	fds []int
}

func newBox(c *wire.Conn) *Box {
	return &Box{
		wire: c, done: make(chan struct{}), heard: make(chan struct{}),
		asked: map[uint64]question{}, running: map[uint64]*Process{}, dialers: map[bool][]int{},
	}
}

// Sockets are the listeners and the rest of what init handed out.
func (b *Box) Sockets() []Handed { return b.sockets }

// Notify is the descriptor on which refused system calls arrive, see
// seccomp_unotify(2); nil where a test left the filter out. Someone must
// answer them: callers wait.
func (b *Box) Notify() *os.File { return b.notify }

// Proofs are what was tried and refused before anything could run.
func (b *Box) Proofs() []spec.Proof { return b.proofs }

// ABI is the version of Landlock in force; 0 where the operator switched the
// filesystem wall off.
func (b *Box) ABI() int { return b.abi }

// PID is init's, on the host.
func (b *Box) PID() int { return b.pid }

// Done is closed when nothing of the sandbox is left.
func (b *Box) Done() <-chan struct{} { return b.done }

// Wait waits until nothing of the sandbox is left. The error says how init
// ended, where it was not killed by us.
func (b *Box) Wait() error {
	<-b.done
	if b.ended.Exited() && b.ended.ExitStatus() != 0 {
		return fmt.Errorf("init ended with %d", b.ended.ExitStatus())
	}
	return nil
}

// Kill ends everything inside: the kernel kills a pid namespace with its PID 1.
// Wait says when it has.
func (b *Box) Kill() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return nil
	}
	// Not waited for yet, so the number is still init's.
	if err := unix.Kill(b.pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("kill sandbox: %w", err)
	}
	return nil
}

// Used is what /sandbox holds.
type Used struct {
	Bytes   uint64
	Whole   bool   // all of it could be looked at
	Largest string // the name of a file that is as large as one may be, in the agent's words; "" for none
}

// Usage measures /sandbox. It takes as long as looking does.
func (b *Box) Usage(ctx context.Context) (Used, error) {
	r, err := b.ask(ctx, spec.Message{Op: spec.OpUsage}, nil)
	if err != nil {
		return Used{}, fmt.Errorf("measure /sandbox: %w", err)
	}
	closeAll(r.fds)
	u := Used{Bytes: uint64(max(r.m.Count, 0)), Whole: r.m.Whole}
	if len(r.m.Places) > 0 {
		u.Largest = r.m.Places[0]
	}
	return u, nil
}

// Full is what of a sandbox's limits was met at the moment of looking, and what the kernel
// counts nowhere.
type Full struct {
	Files   int          // open ones of a process that has nine tenths of what it may, or more; 0 for none
	Program spec.Program // which that is; empty where it cannot be told
	Tasks   int          // processes and threads there are, init's too
	Places  []string     // file systems of its own that are full: /tmp, /dev/shm
}

// Full looks.
func (b *Box) Full(ctx context.Context) (Full, error) {
	r, err := b.ask(ctx, spec.Message{Op: spec.OpFull}, nil)
	if err != nil {
		return Full{}, fmt.Errorf("look for full limits: %w", err)
	}
	closeAll(r.fds)
	f := Full{Files: r.m.Count, Tasks: r.m.Tasks, Places: r.m.Places}
	if len(r.m.Programs) == 1 {
		f.Program = r.m.Programs[0]
	}
	return f, nil
}

// Pause stops everything that runs inside, until Resume. What is started
// meanwhile runs.
func (b *Box) Pause() error { return b.signalAll(unix.SIGSTOP) }

// Resume lets everything go on.
func (b *Box) Resume() error { return b.signalAll(unix.SIGCONT) }

func (b *Box) signalAll(s syscall.Signal) error {
	if err := b.wire.Send(spec.Message{Op: spec.OpAll, Signal: int(s)}); err != nil {
		return fmt.Errorf("send %s to all: %w", s, err)
	}
	return nil
}

// await takes init's status. It runs on the thread that started init.
func (b *Box) await(stderr io.Writer) {
	var info unix.Siginfo
	for {
		// Without reaping, so that its number stays taken until gone is set.
		err := unix.Waitid(unix.P_PID, b.pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	b.mu.Lock()
	b.gone = true
	for {
		_, err := syscall.Wait4(b.pid, &b.ended, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	listens := b.listens
	b.mu.Unlock()
	if listens {
		<-b.heard // its last words may still be in the wire
	}
	b.mu.Lock()
	asked, running := b.asked, b.running
	b.asked, b.running = nil, nil
	for _, fds := range b.dialers {
		closeAll(fds)
	}
	b.dialers = nil
	b.mu.Unlock()

	for _, q := range asked {
		close(q.answer)
	}
	for _, p := range running {
		p.end(spec.Message{Signal: int(unix.SIGKILL)})
	}
	b.hearCrash(stderr)
	close(b.done)
}

// hearCrash reads what init said before its end.
func (b *Box) hearCrash(to io.Writer) {
	text := make([]byte, birth.MostCrash)
	n, _ := unix.Pread(b.child.Crash, text, 0)
	unix.Close(b.child.Crash)
	b.crash = bytes.Trim(text[:max(n, 0)], "\x00\n ")
	if to != nil && len(b.crash) > 0 {
		_, _ = fmt.Fprintf(to, "%s\n", b.crash)
	}
}

// begin has what init says listened to.
func (b *Box) begin() {
	b.mu.Lock()
	b.listens = true
	b.mu.Unlock()
	go b.listen()
}

// listen takes what init says, until it is gone.
func (b *Box) listen() {
	defer close(b.heard)
	for {
		m, fds, err := b.wire.Receive()
		if err != nil {
			// Whatever it was, an init that cannot be understood is no wall.
			_ = b.Kill()
			b.wire.Close()
			return
		}
		b.hear(m, fds)
	}
}

func (b *Box) hear(m spec.Message, fds []int) {
	b.mu.Lock()
	if p := b.running[m.ID]; p != nil && m.Op == spec.OpExited {
		delete(b.running, m.ID)
		b.mu.Unlock()
		closeAll(fds)
		p.end(m)
		return
	}
	q, ok := b.asked[m.ID]
	delete(b.asked, m.ID)
	started := m.Op == spec.OpStarted
	if ok && started && q.run != nil {
		// At once, so that its end cannot be missed.
		q.run.id = m.ID
		b.running[m.ID] = q.run
	}
	b.mu.Unlock()
	switch {
	case ok:
		q.answer <- reply{m, fds} // it has room for the one answer
	case started:
		// Whoever wanted it has left.
		closeAll(fds)
		_ = b.wire.Send(spec.Message{Op: spec.OpSignal, Target: m.ID, Signal: int(unix.SIGKILL)})
	default:
		closeAll(fds)
	}
}

// ErrGone is the answer of a sandbox that has ended.
var ErrGone = errors.New("the sandbox is gone")

// ask sends m with a fresh ID and waits for the answer, which makes run, if
// there is one, the command of that ID.
func (b *Box) ask(ctx context.Context, m spec.Message, run *Process, fds ...int) (reply, error) {
	id, answer, err := b.post(m, run, fds...)
	if err != nil {
		return reply{}, err
	}
	return b.answered(ctx, id, answer)
}

// post is the sending half of ask.
func (b *Box) post(m spec.Message, run *Process, fds ...int) (id uint64, answer <-chan reply, err error) {
	c := make(chan reply, 1)
	b.mu.Lock()
	if b.asked == nil {
		b.mu.Unlock()
		return 0, nil, ErrGone
	}
	b.last++
	m.ID = b.last
	b.asked[m.ID] = question{c, run}
	b.mu.Unlock()
	if err := b.wire.Send(m, fds...); err != nil {
		b.forget(m.ID)
		return 0, nil, err
	}
	return m.ID, c, nil
}

// answered is the waiting half.
func (b *Box) answered(ctx context.Context, id uint64, answer <-chan reply) (reply, error) {
	select {
	case r, ok := <-answer:
		if !ok {
			return reply{}, ErrGone
		}
		if r.m.Op == spec.OpFailed {
			closeAll(r.fds)
			return reply{}, fromInside(r.m)
		}
		return r, nil
	case <-ctx.Done():
		b.forget(id)
		select {
		case r := <-answer: // it came at the same moment
			closeAll(r.fds)
			if r.m.Op == spec.OpStarted {
				_ = b.wire.Send(spec.Message{Op: spec.OpSignal, Target: id, Signal: int(unix.SIGKILL)})
			}
		default:
		}
		return reply{}, ctx.Err()
	}
}

// forget takes a question back; no answer to it is sent on from then on.
func (b *Box) forget(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.asked, id)
}

// Who is the program that holds the TCP socket local → remote, as the inside
// sees them. false means that it cannot be told: nobody, several, or one that
// hides.
func (b *Box) Who(ctx context.Context, local, remote netip.AddrPort) (spec.Program, bool) {
	return b.one(ctx, spec.Message{Op: spec.OpWho, Local: local, Remote: remote})
}

// Look is the program of process pid, as the inside numbers it.
func (b *Box) Look(ctx context.Context, pid int) (spec.Program, bool) {
	return b.one(ctx, spec.Message{Op: spec.OpLook, PID: pid})
}

func (b *Box) one(ctx context.Context, m spec.Message) (spec.Program, bool) {
	r, err := b.ask(ctx, m, nil)
	if err != nil {
		return spec.Program{}, false
	}
	closeAll(r.fds)
	return programOf(r.m)
}
