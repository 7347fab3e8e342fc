package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Pace bounds how often the command runs, and for how long.
type Pace struct {
	Burst   int           // runs without a pause
	Every   time.Duration // then one in this time
	Timeout time.Duration // of one run
}

// Usual is the pace of a sandbox: a flood of questions is a handful of runs,
// and then one every half minute that says how many more there are.
func Usual() Pace { return Pace{Burst: 3, Every: 30 * time.Second, Timeout: 30 * time.Second} }

// Command checks a sandbox's notify: a program by its absolute path, and its
// arguments. None is nil.
func Command(set state.Settings) ([]string, error) {
	if len(set.Notify) == 0 {
		return nil, nil
	}
	if !filepath.IsAbs(set.Notify[0]) {
		return nil, &BadCommand{set.Name, set.Notify[0]}
	}
	return set.Notify, nil
}

// BadCommand is a notify whose program would depend on who looks for it.
type BadCommand struct{ Sandbox, Program string }

func (e *BadCommand) Error() string {
	return fmt.Sprintf("sandbox.yaml: notify: %q: not an absolute path", e.Program)
}

// Hint says how to write it.
func (e *BadCommand) Hint() string {
	return fmt.Sprintf("notify: [/usr/local/bin/my-alert], then nemoclaw %s rebuild", e.Sandbox)
}

// Serve notifies for the supervisor at the other end of wire until it is gone. The
// command of a sandbox that has none is an error.
func Serve(wire io.ReadWriter, place state.Sandbox, pace Pace) error {
	set, err := place.Load()
	if err != nil {
		return err
	}
	argv, err := Command(set)
	if err == nil && argv == nil {
		err = errors.New("sandbox.yaml names no command to notify by")
	}
	if err != nil {
		return err
	}
	return runner{argv: argv, sandbox: set.Name, pace: pace}.serve(wire)
}

// runner is the process.
type runner struct {
	argv    []string
	sandbox string
	pace    Pace
}

// serve answers each question with what became of it. The end of the wire ends
// a command that runs.
func (r runner) serve(wire io.ReadWriter) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	questions, end := make(chan Question), make(chan error, 1)
	go func() {
		defer cancel()
		next := decoder(wire)
		for {
			var q Question
			if err := next(&q); err != nil {
				end <- err
				return
			}
			select {
			case questions <- q:
			case <-ctx.Done():
				return
			}
		}
	}()
	out := json.NewEncoder(wire)
	room := newAllowance(r.pace, time.Now())
	for {
		select {
		case q := <-questions:
			if !room.wait(ctx) {
				continue
			}
			if err := out.Encode(r.run(ctx, q)); err != nil && ctx.Err() == nil {
				return fmt.Errorf("say what became of it: %w", err)
			}
		case err := <-end:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read a question: %w", err)
		}
	}
}

// run runs the command once.
func (r runner) run(ctx context.Context, q Question) outcome {
	words, err := q.words(r.sandbox)
	if err != nil {
		return outcome{"a question that is none: " + err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, r.pace.Timeout)
	defer cancel()
	var last tail
	cmd := exec.CommandContext(ctx, r.argv[0], r.argv[1:]...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(words), &last
	cmd.Dir = "/"
	// A group of its own, so that what it starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return outcome{fmt.Sprintf("%s: it took longer than %s", r.argv[0], r.pace.Timeout)}
	case errors.Is(err, exec.ErrWaitDelay): // it ended, and left something in the background
		return outcome{}
	case err != nil:
		return outcome{strings.TrimSpace(fmt.Sprintf("%s: %v %s", r.argv[0], err, plain(last.String())))}
	}
	return outcome{}
}

// tail keeps the last bytes of what a command says.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Len() - longText/2; over > 0 {
		t.Next(over)
	}
	return len(p), nil
}

// allowance is how many runs are free now.
type allowance struct {
	pace Pace
	free int
	at   time.Time // of the last one that became free
}

func newAllowance(p Pace, now time.Time) *allowance { return &allowance{p, p.Burst, now} }

// wait takes one, when there is one; false when ctx ends first.
func (a *allowance) wait(ctx context.Context) bool {
	now := time.Now()
	if n := int(now.Sub(a.at) / a.pace.Every); n > 0 {
		a.free, a.at = min(a.pace.Burst, a.free+n), a.at.Add(time.Duration(n)*a.pace.Every)
	}
	if a.free == 0 {
		late := time.NewTimer(a.at.Add(a.pace.Every).Sub(now))
		defer late.Stop()
		select {
		case <-late.C:
			a.free, a.at = 1, a.at.Add(a.pace.Every)
		case <-ctx.Done():
			return false
		}
	}
	a.free--
	return true
}
