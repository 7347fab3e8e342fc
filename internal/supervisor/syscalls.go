package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/notify"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// lookFor bounds how long a refused call waits until init has said whose it
// was; the refusal itself never depends on the answer.
const lookFor = 200 * time.Millisecond

// refuseCalls refuses every call of the sandbox that it is told of and writes
// it down, until nobody inside is left, or until is closed on its other
// end and no call waits. nil is never. See seccomp_unotify(2).
func refuseCalls(listener, until *os.File, look func(context.Context, int) (spec.Program, bool), record func(audit.Event)) error {
	fd, end := int(listener.Fd()), -1 // poll(2) passes over -1
	if until != nil {
		end = int(until.Fd())
	}
	for {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(end), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for refused calls: %w", err)
		}
		if p[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
			return nil // no task uses the filter any more
		}
		if p[0].Revents&unix.POLLIN == 0 {
			if p[1].Revents != 0 {
				return nil
			}
			continue
		}
		n, err := notify.Receive(fd)
		if errors.Is(err, unix.ENOENT) {
			continue // killed before we looked
		}
		if err != nil {
			return fmt.Errorf("take a refused call: %w", err)
		}
		e := callEvent(n, look)
		// The caller may have died meanwhile; there is nothing left to refuse.
		_ = notify.Refuse(fd, n.ID, filter.Answer(int(n.Nr)))
		record(e)
	}
}

// callEvent says who tried what. It looks while the caller waits, since its
// pid is only sure to be its own until the answer.
func callEvent(n notify.Call, look func(context.Context, int) (spec.Program, bool)) audit.Event {
	e := audit.Event{
		Kind: audit.Syscall, Wall: string(spec.ProcessWall), Verdict: "deny",
		Program: "unknown", Target: filter.Name(int(n.Nr)),
		Why: filter.Explain(filter.Name(int(n.Nr))).Why,
	}
	inner, ok := innerPID(int(n.PID))
	if !ok {
		return e
	}
	e.PID = inner
	ctx, cancel := context.WithTimeout(context.Background(), lookFor)
	defer cancel()
	if p, ok := look(ctx, inner); ok {
		e.Program = p.Exe
	}
	return e
}

// innerPID is what the process of thread tid is called inside: the last of
// its NStgid numbers (proc_pid_status(5)).
func innerPID(tid int) (int, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "NStgid:"); ok {
			f := strings.Fields(rest)
			if len(f) < 2 {
				return 0, false
			}
			n, err := strconv.Atoi(f[len(f)-1])
			return n, err == nil
		}
	}
	return 0, false
}

// written puts e into the book, and what a wall refused into the log as well,
// beside what the program itself says of it. Equal ones were counted by the
// recorder, so neither can be flooded.
func (k *keeper) written(e audit.Event) {
	k.book.Append(e)
	switch e.Kind {
	case audit.Syscall, audit.Network, audit.HTTP, audit.Names:
	default:
		return
	}
	if e.Verdict != "deny" {
		return
	}
	line := fmt.Sprintf("%s wall: refused %s to %s: %s", e.Wall, e.What(), e.Program, e.Why)
	if e.Count > 1 {
		line += fmt.Sprintf(" (%d times)", e.Count)
	}
	if _, ok := filter.Widenable(e.Target); ok && e.Kind == audit.Syscall {
		line += " → nemoclaw " + k.settings.Name + " policy explain --syscall " + e.Target
	}
	k.log.Say("%s", line)
}
