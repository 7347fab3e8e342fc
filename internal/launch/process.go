package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Process is one command that runs inside.
type Process struct {
	box *Box
	id  uint64
	pid int // inside

	stdin          io.WriteCloser
	stdout, stderr io.Reader
	terminal       *os.File // with a TTY

	done  chan struct{}
	ended spec.Message // valid when done is closed
}

// Run starts c inside. ctx bounds the start alone. A program that cannot be
// started is an ErrNotStarted with the system's error beneath: ENOENT where
// there is none, EACCES where it may not be executed.
func (b *Box) Run(ctx context.Context, c spec.Command) (*Process, error) {
	return b.run(ctx, c)
}

// RunProgram starts a program of ours inside, among the agents and as one of
// them; argv[0] is only what it is called.
func (b *Box) RunProgram(ctx context.Context, program *Program, argv ...string) (*Process, error) {
	fd, err := program.File()
	if err != nil {
		return nil, err
	}
	return b.run(ctx, spec.Command{Argv: argv}, fd)
}

func (b *Box) run(ctx context.Context, c spec.Command, program ...int) (*Process, error) {
	return b.order(c, program...).Wait(ctx)
}

// Ordered is a command that was asked for.
type Ordered struct {
	p      *Process
	tty    bool
	id     uint64
	answer <-chan reply
	err    error
}

// Order asks for c as Run does, and returns at once: what serves it can be made
// while it starts.
func (b *Box) Order(c spec.Command) *Ordered { return b.order(c) }

func (b *Box) order(c spec.Command, program ...int) *Ordered {
	o := &Ordered{p: &Process{box: b, done: make(chan struct{})}, tty: c.TTY}
	o.id, o.answer, o.err = b.post(spec.Message{Op: spec.OpRun, Command: &c}, o.p, program...)
	return o
}

// patience is how long PID 1 has to start a command. Where it takes longer it is
// stopped, and whoever asked must not wait for ever.
const patience = 15 * time.Second

// ErrSilent is a sandbox whose PID 1 does not answer.
var ErrSilent = fmt.Errorf("the sandbox's PID 1 does not answer within %s; `nemoclaw NAME stop` ends it", patience)

// Wait waits for the command's start, once. Its errors are those of Run.
func (o *Ordered) Wait(ctx context.Context) (*Process, error) {
	var r reply
	err := o.err
	if err == nil {
		bounded, cancel := context.WithTimeoutCause(ctx, patience, ErrSilent)
		defer cancel()
		r, err = o.p.box.answered(bounded, o.id, o.answer)
		if errors.Is(err, context.DeadlineExceeded) && context.Cause(bounded) == ErrSilent {
			return nil, ErrSilent
		}
	}
	if errors.Is(err, ErrGone) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotStarted, err)
	}
	if err := o.p.take(r, o.tty); err != nil {
		_ = o.p.Signal(unix.SIGKILL)
		return nil, err
	}
	return o.p, nil
}

// take makes the streams of what came with the answer.
func (p *Process) take(r reply, tty bool) error {
	want := 3
	if tty {
		want = 1
	}
	if len(r.fds) != want {
		closeAll(r.fds)
		return fmt.Errorf("run command: %d streams: want %d", len(r.fds), want)
	}
	files := make([]*os.File, 0, want)
	for _, fd := range r.fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			closeAll(r.fds)
			return fmt.Errorf("run command: %w", err)
		}
		files = append(files, os.NewFile(uintptr(fd), "stream"))
	}
	p.pid = r.m.PID
	if tty {
		p.terminal = files[0]
		p.stdin, p.stdout = terminalInput{p.terminal}, terminalOutput{p.terminal}
		return nil
	}
	p.stdin, p.stdout, p.stderr = files[0], closing{files[1]}, closing{files[2]}
	return nil
}

// PID is the command's number inside.
func (p *Process) PID() int { return p.pid }

// Stdin writes to the command; Close ends its input. Closing a terminal's
// input sends it end of file, the terminal stays.
func (p *Process) Stdin() io.WriteCloser { return p.stdin }

// Stdout reads what the command writes, with a terminal its errors too. It
// ends when no process inside holds the other end any more.
func (p *Process) Stdout() io.Reader { return p.stdout }

// Stderr is nil with a terminal.
func (p *Process) Stderr() io.Reader { return p.stderr }

// Resize sets the terminal's size; without a terminal it does nothing.
func (p *Process) Resize(rows, cols uint16) error {
	if p.terminal == nil {
		return nil
	}
	return control(p.terminal, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
}

// Signal sends s to the command's process group. One that has ended is no
// error.
func (p *Process) Signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.box.wire.Send(spec.Message{Op: spec.OpSignal, Target: p.id, Signal: int(s)}); err != nil {
		return fmt.Errorf("signal command: %w", err)
	}
	return nil
}

// Wait waits for the command's end: its exit code, or the signal that killed
// it. A command that went down with its sandbox was killed.
func (p *Process) Wait() (code int, sig syscall.Signal, err error) {
	<-p.done
	return p.ended.Code, syscall.Signal(p.ended.Signal), nil
}

// Alone says, when Wait has returned, that init saw no other process inside
// when the command had ended.
func (p *Process) Alone() bool {
	<-p.done
	return p.ended.Alone
}

// Done is closed when the command has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Close lets go of the streams; a command that still runs sees its terminal
// hang up, or its pipes broken.
func (p *Process) Close() error {
	if p.terminal != nil {
		return p.terminal.Close()
	}
	return errors.Join(ignoreClosed(p.stdin.Close()), ignoreClosed(p.stdout.(io.Closer).Close()), ignoreClosed(p.stderr.(io.Closer).Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

func (p *Process) end(m spec.Message) {
	p.ended = m
	close(p.done)
}

// closing is a stream that gives its descriptor back at its end.
type closing struct{ *os.File }

func (c closing) Read(b []byte) (int, error) {
	n, err := c.File.Read(b)
	if err == io.EOF {
		_ = c.File.Close()
	}
	return n, err
}

// terminalInput ends a terminal's input as a person would.
type terminalInput struct{ *os.File }

const endOfFile = 4 // ^D, which every terminal starts with; see termios(3), VEOF

func (t terminalInput) Close() error {
	_, err := t.File.Write([]byte{endOfFile})
	return err
}

// terminalOutput ends where the last process inside has let go, which a master
// reads as EIO (pts(4)).
type terminalOutput struct{ *os.File }

func (t terminalOutput) Read(b []byte) (int, error) {
	n, err := t.File.Read(b)
	if errors.Is(err, unix.EIO) || errors.Is(err, os.ErrClosed) {
		return n, io.EOF
	}
	return n, err
}

func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}
