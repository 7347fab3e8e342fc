package session

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// handed is a command whose streams came over a Handover. It implements
// Process.
type handed struct {
	conn                  Handover
	tell                  func(line string) // of a pause
	stdin, stdout, stderr *os.File
}

// newHanded takes the descriptors over. They do not block, so that a read of
// them can be given up.
func newHanded(conn Handover, fds []int, tell func(string)) *handed {
	f := func(i int) *os.File { return os.NewFile(uintptr(fds[i]), "stream") }
	return &handed{conn: conn, tell: tell, stdin: f(0), stdout: f(1), stderr: f(2)}
}

func (h *handed) Stdin() io.WriteCloser    { return h.stdin }
func (h *handed) Stdout() io.Reader        { return h.stdout }
func (h *handed) Stderr() io.Reader        { return h.stderr }
func (h *handed) Resize(_, _ uint16) error { return nil }

func (h *handed) Signal(syscall.Signal) error { return errors.ErrUnsupported } // they go another way

// Wait is for one goroutine.
func (h *handed) Wait() (code int, sig syscall.Signal, err error) {
	for {
		m, err := readFrame(h.conn)
		switch {
		case err != nil:
			return 0, 0, err
		case m.Op == spec.OpPaused:
			h.tell(m.Error)
		case m.Op == spec.OpExited:
			return m.Code, syscall.Signal(m.Signal), nil
		default:
			return 0, 0, errors.New(m.Error)
		}
	}
}

func (h *handed) Close() error {
	return errors.Join(h.stdin.Close(), h.stdout.Close(), h.stderr.Close())
}
