package confine

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// reap takes the status of every child that ends: of spawners, of orphans, and
// of commands whose spawner died. A spawner that an agent has stopped, even while it
// is forked, goes on at once.
func (n *nursery) reap(child <-chan os.Signal) {
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2) // forking keeps one until it has executed something
	}
	for range child {
		for n.reapOne() {
		}
	}
}

// reapOne takes the status of one child, and says whether there may be more.
func (n *nursery) reapOne() bool {
	next, ended := changed()
	if next == 0 {
		return false
	}
	if ended {
		n.bereave(next) // as long as nobody else can have its number
	}
	var ws syscall.WaitStatus
	pid, err := syscall.Wait4(next, &ws, syscall.WNOHANG|syscall.WUNTRACED, nil)
	switch {
	case err != nil || pid == 0: // it goes on already, or who started it was first
	case !ws.Stopped():
		n.ended(pid, ws)
	case pid == n.spawner() || n.filling.Load() && hidden(pid):
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	return true
}

// hidden says whether pid is one whose program nobody may see, as what PID 1 is
// forking: it waits until that has executed something.
func hidden(pid int) bool {
	_, err := link(procPath(pid, "exe"))
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}
