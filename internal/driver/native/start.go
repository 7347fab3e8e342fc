package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// giveUp is how long a supervisor that was told to end has for it.
const giveUp = 5 * time.Second

// Start starts a supervisor and waits for its report.
func (d Driver) Start(ctx context.Context, s state.Sandbox, tell func(string)) error {
	if _, err := s.Load(); err != nil {
		return err
	}
	if runs, err := settled(ctx, s); runs || err != nil {
		return errors.Join(err, s.SetWanted(true))
	}
	before := s.Wanted()
	if err := s.SetWanted(true); err != nil {
		return err
	}
	cmd, err := bringUp(ctx, s, nil, tell)
	if err == nil {
		err = cmd.Process.Release()
	}
	if err != nil {
		err = errors.Join(err, s.SetWanted(before))
	}
	return unjoin(err)
}

// settling is how long another's start or end of the sandbox is waited for:
// an agent may take minutes to come up.
const settling = 5 * time.Minute

// settled says whether the sandbox runs already. One that is just starting or
// ending is waited for.
func settled(ctx context.Context, s state.Sandbox) (runs bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for {
		pid, held := s.Holder()
		if !held {
			return false, nil
		}
		if _, err := control.Dial(s.ControlSocket()).Status(ctx); err == nil {
			return true, nil
		}
		if ctx.Err() != nil {
			return false, &state.Held{Name: s.Name(), PID: pid}
		}
		rest(ctx, pid)
	}
}

// rest waits for the end of process pid, but not for long.
func rest(ctx context.Context, pid int) {
	const moment = 100 * time.Millisecond
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil { // gone, or not yet written down
		select {
		case <-ctx.Done():
		case <-time.After(moment):
		}
		return
	}
	defer unix.Close(fd)
	gone(ctx, fd, moment)
}

// unjoin keeps a single error as it is, for its hint.
func unjoin(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && len(j.Unwrap()) == 1 {
		return j.Unwrap()[0]
	}
	return err
}

// bringUp starts the supervisor of s and waits for its report. Where while is
// not nil, the supervisor ends when the other end of that pipe is closed.
func bringUp(ctx context.Context, s state.Sandbox, while *os.File, tell func(string)) (*exec.Cmd, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start sandbox %q: %w", string(s.Name()), err)
	}
	defer from.Close()
	cmd, err := spawn(s, to, while)
	to.Close()
	if err != nil {
		return nil, fmt.Errorf("start sandbox %q: %w", string(s.Name()), err)
	}
	word := make(chan error, 1)
	go func() { word <- listen(from, tell) }()
	select {
	case err = <-word:
	case <-ctx.Done():
		reap(cmd)
		<-word // it has nothing to say that matters now
		return nil, context.Cause(ctx)
	}
	if err == nil {
		return cmd, nil
	}
	reap(cmd)
	if errors.Is(err, errSilent) {
		return nil, died(s, cmd)
	}
	return nil, err
}

// spawn starts the supervisor in a session of its own, so that neither the
// terminal's signals nor its end reach it.
func spawn(s state.Sandbox, report, while *os.File) (*exec.Cmd, error) {
	if err := os.MkdirAll(s.RunDir(), 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.SupervisorLog(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe") // the same program, even where its file was replaced
	cmd.Args = []string{"nemoclaw", "supervisor", s.Place(), "--report", "3"}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "NEMOCLAW_HOME="+s.Home().Dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{report}
	if while != nil {
		cmd.Args = append(cmd.Args, "--while", "4")
		cmd.ExtraFiles = append(cmd.ExtraFiles, while)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

// reap stops a supervisor that did not come up, and waits for it.
func reap(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(giveUp, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait() // how it ended is in ProcessState
}

// died is the error of a supervisor that ended without a report.
func died(s state.Sandbox, cmd *exec.Cmd) error {
	what := fmt.Sprintf("start sandbox %q: the supervisor ended (%s)", string(s.Name()), cmd.ProcessState)
	if last := lastWords(s.SupervisorLog()); last != "" {
		what += ": " + last
	}
	return &Refusal{Message: what, Help: "see " + s.SupervisorLog()}
}

// lastWords is the last line of a log that says something.
func lastWords(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	if i := strings.Index(string(data), "panic: "); i >= 0 {
		line, _, _ := strings.Cut(string(data[i:]), "\n")
		return line
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}
