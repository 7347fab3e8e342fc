package child

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Descriptor is the wire's in the child.
const Descriptor = 3

// Process is a child of the supervisor's. It ends itself when the wire does.
type Process struct {
	Wire net.Conn
	PID  int
	gone chan struct{}
}

// Start runs `nemoclaw WORD NAME` for the sandbox at place, with env beside
// what finds the home. Its last words go where the supervisor's go. When the
// supervisor is gone it gets the signal death, for one that is stopped sees no end
// of its wire; 0 is none.
func Start(word string, place state.Sandbox, env []string, death syscall.Signal) (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", word, err)
	}
	near, far := os.NewFile(uintptr(pair[0]), word), os.NewFile(uintptr(pair[1]), "supervisor")
	defer near.Close()
	defer far.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"nemoclaw", word, place.Place()}
	cmd.Dir = "/"
	cmd.Env = slices.Concat(env, []string{"NEMOCLAW_HOME=" + place.Home().Dir}, detector())
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{far} // Descriptor
	wire, err := net.FileConn(near)
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", word, err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: death}
	p := &Process{Wire: wire, gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.gone)
		runtime.LockOSThread() // death comes when the thread ends that started it
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // that it ended is all that counts
		}
	}()
	if err := <-started; err != nil {
		wire.Close()
		return nil, fmt.Errorf("start the %s: %w", word, err)
	}
	p.PID = cmd.Process.Pid
	return p, nil
}

// Gone is closed when the process has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Leave is how long a child has to end after its wire has.
const Leave = 3 * time.Second

// Dismiss ends it and waits for its end, but not for ever: one that is stopped
// hears nothing.
func (p *Process) Dismiss() {
	p.Wire.Close()
	select {
	case <-p.gone:
	case <-time.After(Leave):
	}
}
