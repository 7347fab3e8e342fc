package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// politely is how long a supervisor has to end the sandbox when it is asked;
// `stop` promises two seconds for what runs inside.
const politely = 10 * time.Second

// Stop asks the supervisor to end, and ends it where it does not answer.
func (d Driver) Stop(ctx context.Context, s state.Sandbox, wanted bool) error {
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	if err := s.SetWanted(wanted); err != nil {
		return err
	}
	pid, held := s.Holder()
	if !held {
		return nil
	}
	polite, cancel := context.WithTimeout(ctx, politely)
	defer cancel()
	if err := control.Dial(s.ControlSocket()).Stop(polite); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return finish(ctx, s, pid)
}

// finish waits until the process that held the lock is gone, first without,
// then with force. A process that is no longer the holder is never signalled.
func finish(ctx context.Context, s state.Sandbox, pid int) error {
	if pid <= 0 {
		return fmt.Errorf("stop sandbox %q: its supervisor is starting or ending", string(s.Name()))
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop sandbox %q: pidfd_open %d: %w", string(s.Name()), pid, err)
	}
	defer unix.Close(fd)
	for _, step := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{0, 2 * time.Second}, {unix.SIGTERM, giveUp}, {unix.SIGKILL, giveUp}} {
		if now, held := s.Holder(); !held || now != pid {
			return nil
		}
		if err := unix.PidfdSendSignal(fd, step.signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("stop sandbox %q: signal process %d: %w", string(s.Name()), pid, err)
		}
		if gone(ctx, fd, step.wait) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("stop sandbox %q: process %d does not end: %w", string(s.Name()), pid, os.ErrDeadlineExceeded)
}

// gone waits for the end of a process: its pidfd becomes readable.
func gone(ctx context.Context, pidfd int, most time.Duration) bool {
	deadline := time.Now().Add(most)
	for ctx.Err() == nil {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		p := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, int(min(left, 100*time.Millisecond)/time.Millisecond)+1)
		if n == 1 && err == nil {
			return true
		}
	}
	return false
}
