package child

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"

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
// what finds the home. Its last words go where the supervisor's go.
func Start(word string, place state.Sandbox, env []string) (*Process, error) {
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
	if err := cmd.Start(); err != nil {
		wire.Close()
		return nil, fmt.Errorf("start the %s: %w", word, err)
	}
	p := &Process{Wire: wire, PID: cmd.Process.Pid, gone: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // that it ended is all that counts
		close(p.gone)
	}()
	return p, nil
}

// Gone is closed when the process has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Dismiss ends it and waits for its end.
func (p *Process) Dismiss() {
	p.Wire.Close()
	<-p.gone
}
