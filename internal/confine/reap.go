package confine

import (
	"errors"
	"os"
	"syscall"
)

// reap takes the status of every child that ends: of spawners, of orphans, and
// of commands whose spawner died. A spawner that an agent has stopped goes on
// at once.
func (n *nursery) reap(child <-chan os.Signal) {
	for range child {
		for {
			var ws syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG|syscall.WUNTRACED, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
			switch {
			case !ws.Stopped():
				n.ended(pid, ws)
			case pid == n.spawner():
				_ = syscall.Kill(pid, syscall.SIGCONT)
			}
		}
	}
}
