package cli

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// interrupted is the exit code of a program that Ctrl-C ended.
const interrupted = 128 + int(unix.SIGINT)

// askUnseen asks on the terminal and reads a line that is not shown. Echo goes
// off before the question appears, so that nobody can type ahead of it and be
// seen, and comes back after Ctrl-C too. See termios(3).
func askUnseen(tty *os.File, question func()) ([]byte, error) {
	fd := int(tty.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("prepare terminal: %w", err)
	}
	unseen := *before
	unseen.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &unseen); err != nil {
		return nil, fmt.Errorf("prepare terminal: %w", err)
	}
	restore := func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }
	defer restore()
	left := make(chan os.Signal, 1)
	signal.Notify(left, unix.SIGINT)
	defer close(left)
	defer signal.Stop(left)
	go func() {
		if _, yes := <-left; yes {
			restore()
			os.Exit(interrupted)
		}
	}()
	question()
	return term.ReadPassword(fd)
}
