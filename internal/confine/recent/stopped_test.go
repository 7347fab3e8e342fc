//go:build !race

package recent

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever stops and continues a process (SIGSTOP, a control group's freezer)
// interrupts the thread too, whatever it blocks, and what it is reading is cut
// short. A second holder is not overlooked for it.
func TestStopped(t *testing.T) {
	s := newStand(t)
	for pid := other; pid < other+60; pid++ {
		s.process(pid, "/dev/null")
	}
	s.process(other+60, "/dev/null", s.socket())
	s.keep()
	stopper := exec.Command("sh", "-c", "trap 'kill -CONT $1; exit' TERM; while kill -STOP $1 && kill -CONT $1; do :; done", "sh", strconv.Itoa(os.Getpid()))
	s.must(stopper.Start())
	defer func() {
		_ = stopper.Process.Signal(unix.SIGTERM) // between two rounds: nobody else would continue us
		_ = stopper.Wait()
	}()
	for i := range 500 {
		if m, passed := s.ask(); !passed {
			t.Fatalf("question %d: said %+v, who is not the only one", i, m)
		}
	}
}
