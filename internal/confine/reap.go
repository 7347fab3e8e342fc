package confine

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// catchSignals makes signals harmless to PID 1: one of the Go runtime dies of
// those that nobody asked for, and agents may send them. What it returns tells
// of children; the rest is dropped where it arrives.
func catchSignals() <-chan os.Signal {
	signal.Notify(make(chan os.Signal, 1))
	child := make(chan os.Signal, 1)
	signal.Notify(child, unix.SIGCHLD)
	return child
}

// reap takes the status of every child that ends: of spawners, of orphans, and
// of commands whose spawner died.
func (n *nursery) reap(child <-chan os.Signal) {
	for range child {
		for {
			var ws syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
			n.ended(pid, ws)
		}
	}
}
