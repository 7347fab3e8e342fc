package session

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal asks for a terminal inside, as big as the operator's, and keeps its
// size. The operator's locale stays outside: the sandbox has its own. Where stdin is a terminal it is made raw until restore is called.
func (c call) terminal(ch ssh.Channel) (restore func(), err error) {
	ask := ptyRequest{Term: c.term, Cols: 80, Rows: 24}
	if ask.Term == "" {
		ask.Term = os.Getenv("TERM")
	}
	tty, ok := c.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		tty = nil
	}
	if tty != nil {
		ask.Cols, ask.Rows = size(tty)
	}
	if _, err := ch.SendRequest("pty-req", false, ssh.Marshal(ask)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	if tty == nil {
		return func() {}, nil
	}
	before, err := term.MakeRaw(int(tty.Fd()))
	if err != nil {
		return nil, fmt.Errorf("prepare terminal: %w", err)
	}
	unwatch := watchSize(tty, func(cols, rows uint32) {
		_, _ = ch.SendRequest("window-change", false, ssh.Marshal(windowChange{Cols: cols, Rows: rows})) // a program that has ended needs none
	})
	return func() {
		unwatch()
		_ = term.Restore(int(tty.Fd()), before)
	}, nil
}

func size(tty *os.File) (cols, rows uint32) {
	w, h, err := term.GetSize(int(tty.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return 80, 24
	}
	return uint32(w), uint32(h)
}

// watchSize tells every change of the operator's terminal, until stop.
func watchSize(tty *os.File, tell func(cols, rows uint32)) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, unix.SIGWINCH)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-changed:
			}
			tell(size(tty))
		}
	}()
	return func() {
		signal.Stop(changed)
		close(done)
	}
}
