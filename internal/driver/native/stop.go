package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// politely is how long a supervisor has to end the sandbox when it is asked;
// `stop` promises two seconds for what runs inside.
const politely = 10 * time.Second

// Stop asks the supervisor to end, and ends it where it does not answer. When
// it returns, the supervisor's process is gone: also with an *driver.Unnoted, for a
// disk that takes nothing must not keep an agent running.
func (d Driver) Stop(ctx context.Context, s state.Sandbox, wanted bool) error {
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	unnoted := s.SetWanted(wanted)
	if unnoted != nil && wanted {
		return unnoted // it would not start again either
	}
	if pid, held := s.Holder(); held {
		if err := end(ctx, s, pid); err != nil {
			return errors.Join(fmt.Errorf("stop sandbox %q: %w", string(s.Name()), err), unnoted)
		}
	}
	if unnoted != nil {
		return &driver.Unnoted{Name: s.Name(), Err: unnoted}
	}
	return nil
}

// end ends the process that holds the lock of s.
func end(ctx context.Context, s state.Sandbox, pid int) error {
	if pid <= 0 {
		return errors.New("its supervisor is just starting or ending: try again")
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if now, held := s.Holder(); !held || now != pid {
		return nil // it ended, and the number may be another's by now
	}
	polite, cancel := context.WithTimeout(ctx, politely)
	defer cancel()
	if err := control.Dial(s.ControlSocket()).Stop(polite); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return finish(ctx, fd)
}

// finish waits for the end of the supervisor behind a pidfd, first without,
// then with force.
func finish(ctx context.Context, fd int) error {
	for _, step := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{0, 2 * time.Second}, {unix.SIGTERM, giveUp}, {unix.SIGKILL, giveUp}} {
		if err := unix.PidfdSendSignal(fd, step.signal, nil, 0); errors.Is(err, unix.ESRCH) {
			return nil
		} else if err != nil {
			return fmt.Errorf("signal the supervisor: %w", err)
		}
		if gone(ctx, fd, step.wait) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("its supervisor does not end: %w", os.ErrDeadlineExceeded)
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
