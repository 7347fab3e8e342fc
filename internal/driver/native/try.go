package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Try starts a supervisor at the trial's place and ends it once it has reported.
// The supervisor holds the reading end of a pipe that only this process can
// write to: if we are killed, it ends too.
func (d Driver) Try(ctx context.Context, s state.Sandbox, tell func(string)) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("try sandbox %q: %w", string(s.Name()), err)
	}
	defer write.Close()
	cmd, err := bringUp(ctx, s.Trial(), read, tell)
	read.Close()
	if err != nil {
		return err
	}
	reap(cmd)
	return nil
}

// errAlone ends a supervisor that somebody had started to wait for it.
var errAlone = errors.New("who started this supervisor is gone")

// While is a context that ends when the other end of the pipe at descriptor fd
// is closed; 0 is none, and gives ctx itself.
func While(ctx context.Context, fd int) (context.Context, error) {
	if fd == 0 {
		return ctx, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, errors.New("open --while: the descriptor is not a pipe")
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("open --while: %w", err)
	}
	pipe := os.NewFile(uintptr(fd), "while")
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, pipe) // nobody writes: it returns at the end
		cancel(errAlone)
	}()
	return ctx, nil
}
