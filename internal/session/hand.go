package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control/hail"
)

// ServeExec runs the one command that the peer of conn, which has been
// authenticated, asks for, and hands it the command's own streams. It closes
// conn, and returns when the command has ended or was killed.
func ServeExec(ctx context.Context, conn Handover, box Box) error {
	defer conn.Close()
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	slow := time.AfterFunc(handshakeTime, gone)
	var c spec.Command
	var err error
	c.Dir, c.Env, c.Argv, err = hail.Asked(conn.ReadByte)
	slow.Stop()
	if err != nil {
		return fmt.Errorf("serve exec: no command: %w", err)
	}
	p, err := box.Run(ctx, c)
	if err != nil {
		return refuseCommand(conn, &notStarted{name: c.Argv[0], err: err})
	}
	if err := hand(conn, p); err != nil {
		gone() // nobody is there
	}
	go func() {
		defer gone()
		heed(conn, p)
	}()
	go tellPauses(ctx, p, func(why string) {
		_, _ = conn.Write(frame(spec.Message{Op: spec.OpPaused, Error: complaint(false, "%s", why)})) // who has gone need not know
	})
	mercy := context.AfterFunc(ctx, func() { end(p, false) })
	code, sig, err := p.Wait()
	mercy()
	if err != nil {
		return refuseCommand(conn, &notStarted{name: c.Argv[0], err: err})
	}
	_, err = conn.Write(frame(spec.Message{Op: spec.OpExited, Code: code, Signal: int(sig)}))
	return err
}

// refuseCommand says what a command that did not run says and ends with.
func refuseCommand(conn Handover, n *notStarted) error {
	why, _ := io.ReadAll(n) // of memory
	code, _, _ := n.Wait()  // at once
	_, err := conn.Write(frame(spec.Message{Op: spec.OpFailed, Error: string(why), Code: code}))
	return err
}

// hand gives our ends of p's streams to the peer, and lets go of them: p sees
// the peer's end, not ours.
func hand(conn Handover, p Process) error {
	if c, ok := p.(io.Closer); ok {
		defer c.Close()
	}
	return descriptors([]any{p.Stdin(), p.Stdout(), p.Stderr()}, nil, func(fds []int) error {
		return conn.Hand(frame(spec.Message{Op: spec.OpStarted}), fds...)
	})
}

// descriptors calls do with the descriptors of files, which stay open
// meanwhile.
func descriptors(files []any, held []int, do func(fds []int) error) error {
	if len(files) == 0 {
		return do(held)
	}
	f, ok := files[0].(syscall.Conn)
	if !ok {
		return fmt.Errorf("hand over streams: %T has no descriptor", files[0])
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("hand over streams: %w", err)
	}
	var inner error
	err = raw.Control(func(fd uintptr) { inner = descriptors(files[1:], append(held, int(fd)), do) })
	return errors.Join(err, inner)
}

// heed passes the peer's signals on, until it has gone.
func heed(conn Handover, p Process) {
	for {
		m, err := readFrame(conn)
		if err != nil {
			return
		}
		s := syscall.Signal(m.Signal)
		if m.Op == spec.OpSignal && !strings.Contains(signalName(s), "@") {
			_ = p.Signal(s) // one that has ended needs none
		}
	}
}

// ExecHere runs the command that conn was opened for with hail.Ask; it is Exec on a
// machine that the sandbox is on too, without a terminal. What comes from
// signals, see Passed, is the command's; the supervisor reads those that come
// early once it runs. They are the caller's to begin, since that takes 0.3 ms,
// which is there while the supervisor is asked, and theirs to end.
func ExecHere(ctx context.Context, conn Handover, signals <-chan os.Signal, stdin io.Reader, stdout, stderr io.Writer) (code int, err error) {
	defer conn.Close()
	ended := make(chan struct{})
	defer close(ended)
	go passOn(signals, ended, func(s syscall.Signal) {
		_, _ = conn.Write(frame(spec.Message{Op: spec.OpSignal, Signal: int(s)})) // one that has ended needs none
	})
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	m, err := readFrame(conn)
	fds := conn.Take()
	switch {
	case err != nil:
		return 0, lost(ctx, err)
	case m.Op == spec.OpFailed:
		show(stderr, strings.NewReader(m.Error), false)
		return m.Code, nil
	case m.Op != spec.OpStarted || len(fds) != 3:
		for _, fd := range fds {
			unix.Close(fd)
		}
		return 0, lost(ctx, fmt.Errorf("%q with %d descriptors", m.Op, len(fds)))
	}
	p := newHanded(conn, fds, func(why string) { show(stderr, strings.NewReader(why), false) })
	defer p.Close()
	code, sig, err := attach(p, stdin, stdout, stderr)
	if err != nil {
		return 0, lost(ctx, err)
	}
	if sig != 0 {
		code = 128 + int(sig)
	}
	return code, nil
}

func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("exec: %w", ctx.Err())
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}
