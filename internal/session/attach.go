package session

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"
)

// WindowSize is the size of the operator's terminal in cells, 24 by 80 where
// it has none.
func WindowSize(tty *os.File) (rows, cols uint16) {
	w, h := size(tty)
	return cells(h), cells(w)
}

// Attach joins p, which runs in a sandbox of this very process, to the
// operator's own streams until it ends: what Exec does, without SSH between.
// With tty, p has a terminal; stdin is made raw meanwhile where it is one.
func Attach(p Process, tty bool, stdin *os.File, stdout, stderr io.Writer) (code int, sig syscall.Signal, err error) {
	if tty && term.IsTerminal(int(stdin.Fd())) {
		before, err := term.MakeRaw(int(stdin.Fd()))
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = term.Restore(int(stdin.Fd()), before) }()
		defer watchSize(stdin, func(cols, rows uint32) {
			_ = p.Resize(cells(rows), cells(cols)) // a program that has ended needs none
		})()
	}
	if tty {
		return attach(p, stdin, NewScreen(stdout), NewScreen(stderr))
	}
	return attach(p, stdin, stdout, stderr)
}

// attach copies until p has ended and its output has been taken.
func attach(p Process, stdin io.Reader, stdout, stderr io.Writer) (code int, sig syscall.Signal, err error) {
	go func() { // may wait on a terminal for good; the process ends without it
		_, _ = io.Copy(p.Stdin(), stdin)
		_ = p.Stdin().Close()
	}()
	var ended atomic.Bool
	var outputs sync.WaitGroup
	outputs.Go(func() { copyOut(&patient{to: screened(stdout)}, p.Stdout(), &ended) })
	if from := p.Stderr(); from != nil {
		outputs.Go(func() { copyOut(&patient{to: screened(stderr)}, from, &ended) })
	}
	code, sig, err = p.Wait()
	ended.Store(true)
	for _, r := range []io.Reader{p.Stdout(), p.Stderr()} {
		if d, ok := r.(deadliner); ok {
			_ = d.SetReadDeadline(time.Now().Add(drain))
		}
	}
	outputs.Wait()
	return code, sig, err
}

// patient takes everything, also when nobody listens any more: the program's
// exit code comes after its output.
type patient struct {
	to   io.Writer
	deaf bool
}

func (p *patient) Write(b []byte) (int, error) {
	if !p.deaf {
		_, err := p.to.Write(b)
		p.deaf = err != nil
	}
	return len(b), nil
}

// screened is w behind the filter where a terminal interprets what it gets.
func screened(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return NewScreen(w)
	}
	return w
}
