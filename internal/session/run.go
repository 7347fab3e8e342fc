package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// mercy is the time between TERM and KILL for what a client left behind.
	mercy = 2 * time.Second
	// drain is how long the output of a program that has ended may be silent
	// before the session ends, although something still holds its other end.
	drain = 200 * time.Millisecond
)

// run passes bytes until the program ends or ctx says that the client has
// gone, and then ends the channel.
func (s *session) run(ctx context.Context) {
	go func() { // ends with the channel
		_, _ = io.Copy(s.proc.Stdin(), s.ch)
		_ = s.proc.Stdin().Close()
	}()
	var ended atomic.Bool
	var outputs sync.WaitGroup
	outputs.Go(func() { copyOut(s.ch, s.proc.Stdout(), &ended) })
	if stderr := s.proc.Stderr(); stderr != nil {
		outputs.Go(func() { copyOut(s.ch.Stderr(), stderr, &ended) })
	}
	go tellPauses(ctx, s.proc, func(why string) { // ends with the channel
		_, _ = io.WriteString(s.ch.Stderr(), complaint(s.command.TTY, "%s", why))
	})
	stop := context.AfterFunc(ctx, func() { end(s.proc, s.command.TTY) })
	code, sig, err := s.proc.Wait()
	stop()
	ended.Store(true)
	s.hurry(time.Now().Add(drain))
	drained := make(chan struct{})
	go func() {
		outputs.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done(): // nobody reads any more
	}
	s.report(code, sig, err)
	_ = s.ch.Close()
	if c, ok := s.proc.(io.Closer); ok {
		_ = c.Close()
	}
	<-drained
}

// end makes the program's group end: TERM (and HUP, which is what interactive
// shells heed), then KILL.
func end(p Process, tty bool) {
	gone := make(chan struct{})
	go func() {
		_, _, _ = p.Wait()
		close(gone)
	}()
	if tty {
		_ = p.Signal(syscall.SIGHUP)
	}
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-gone:
	case <-time.After(mercy):
		_ = p.Signal(syscall.SIGKILL)
	}
}

// tellPauses tells whoever runs p why nothing moves, as often as that comes, until
// ctx ends.
func tellPauses(ctx context.Context, p Process, tell func(why string)) {
	h, ok := p.(Pausable)
	for ok {
		why := h.Paused(ctx)
		if why == "" {
			return
		}
		tell(why)
	}
}

// deadliner is a stream whose reads can be given up, as pipes' can.
type deadliner interface{ SetReadDeadline(time.Time) error }

// hurry wakes readers that wait for output of a program that has ended.
func (s *session) hurry(until time.Time) {
	for _, r := range []io.Reader{s.proc.Stdout(), s.proc.Stderr()} {
		if d, ok := r.(deadliner); ok {
			_ = d.SetReadDeadline(until)
		}
	}
}

// copyOut copies until the end of the stream or, once the program has ended,
// until the stream has been silent for drain. What was in it by then has
// arrived: each read gets a deadline of its own, so that a slow client loses
// nothing.
func copyOut(to io.Writer, from io.Reader, ended *atomic.Bool) {
	buf := make([]byte, 32<<10)
	for {
		if d, ok := from.(deadliner); ok && ended.Load() {
			_ = d.SetReadDeadline(time.Now().Add(drain))
		}
		asked := ended.Load()
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !asked {
			continue // the deadline was set while we were elsewhere
		}
		if err != nil {
			return
		}
	}
}

// report tells how the program ended.
func (s *session) report(code int, sig syscall.Signal, err error) {
	switch {
	case err != nil:
		_, _ = io.WriteString(s.ch.Stderr(), complaint(s.command.TTY, "%v", err))
		s.say("exit-status", ssh.Marshal(exitStatus{cannotRun}))
	case sig != 0:
		s.say("exit-signal", ssh.Marshal(exitSignal{Name: signalName(sig)}))
	default:
		s.say("exit-status", ssh.Marshal(exitStatus{uint32(code)}))
	}
}

// complaint is a line of ours on the program's stderr. The operator's terminal
// is raw when the program has one.
func complaint(tty bool, format string, a ...any) string {
	end := "\n"
	if tty {
		end = "\r\n"
	}
	return "nemoclaw: " + fmt.Sprintf(format, a...) + end
}

func (s *session) say(name string, payload []byte) {
	_, _ = s.ch.SendRequest(name, false, payload) // the client may have gone
}

// The exit codes of a program that never ran, as shells and docker have them.
const (
	cannotRun     = 125
	notExecutable = 126
	notFound      = 127
)

// notStarted stands for a program that could not be started: it says why on
// stderr and ends.
type notStarted struct {
	name string // of the program; empty is the login shell
	err  error
	tty  bool
	said atomic.Bool
}

func (n *notStarted) Stdin() io.WriteCloser       { return nowhere{} }
func (n *notStarted) Stdout() io.Reader           { return eof{} }
func (n *notStarted) Stderr() io.Reader           { return n }
func (n *notStarted) Resize(_, _ uint16) error    { return nil }
func (n *notStarted) Signal(syscall.Signal) error { return nil }

func (n *notStarted) Read(p []byte) (int, error) {
	if n.said.Swap(true) {
		return 0, io.EOF
	}
	return copy(p, complaint(n.tty, "%s: %v", cmp.Or(n.name, "login shell"), n.err)), nil
}

func (n *notStarted) Wait() (int, syscall.Signal, error) {
	switch {
	case errors.Is(n.err, fs.ErrNotExist):
		return notFound, 0, nil
	case errors.Is(n.err, fs.ErrPermission):
		return notExecutable, 0, nil
	}
	return cannotRun, 0, nil
}

type (
	nowhere struct{}
	eof     struct{}
)

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }
func (eof) Read([]byte) (int, error)        { return 0, io.EOF }
