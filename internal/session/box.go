package session

import (
	"context"
	"io"
	"net"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Box is the inside of one sandbox. It is safe for concurrent use.
type Box interface {
	// Run starts a command; without Argv, the sandbox's login shell. ctx bounds the start alone. An error that is
	// fs.ErrNotExist means that there is no such program, fs.ErrPermission that
	// it may not be executed.
	Run(ctx context.Context, c spec.Command) (Process, error)
	// Dial connects, from inside, to an address of the sandbox's loopback.
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
}

// Pausable is a Process that the sandbox's keeper stops at times, and lets go on
// later. Who runs it is told so.
type Pausable interface {
	// Paused waits for the next pause and says why it came; "" when ctx has ended.
	Paused(ctx context.Context) (why string)
}

// Process is one command that runs inside. Where Stdout and Stderr have
// SetReadDeadline, a session ends soon after its command, even if something it
// left behind still holds them; where a Process is an io.Closer, it is closed
// at the session's end.
type Process interface {
	Stdin() io.WriteCloser // with a terminal, Close sends its end-of-file character
	Stdout() io.Reader
	Stderr() io.Reader // nil with a terminal
	Resize(rows, cols uint16) error
	Signal(syscall.Signal) error // to the command's process group
	Wait() (code int, sig syscall.Signal, err error)
}
